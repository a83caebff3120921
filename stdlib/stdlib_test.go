package stdlib_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/builtins"
	clitest "github.com/parallax-run/parallax/internal/cli/test"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestModules runs the tests beside the modules, as parallax test does, but for the time, which is virtual.
func TestModules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.star")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	env := runtime.Environment{Builtins: builtins.All()}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, "_test.star"), func(t *testing.T) {
			t.Parallel()
			s, err := patterntest.Load(file, env, pattern.Options{Std: stdlib.FS()})
			if wrong, ok := err.(*pattern.SourceError); ok {
				t.Fatal(wrong.Excerpts())
			}
			require.NoError(t, err)
			for _, test := range s.Tests {
				t.Run(test.Name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						out := clitest.One(t.Context(), s, test.Name, 0)
						if out.Err != nil {
							t.Fatal(out.Failure(s))
						}
					})
				})
			}
		})
	}
}

func TestEveryModuleIsEmbeddedAndHasTests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.star")
	require.NoError(t, err)
	for _, file := range files {
		if runtime.IsTest(file) {
			_, err := fs.Stat(stdlib.FS(), file)
			require.ErrorIs(t, err, fs.ErrNotExist, "tests do not belong into the binary")
			continue
		}
		_, err := fs.Stat(stdlib.FS(), file)
		require.NoError(t, err, "%s is not embedded; see stdlib.go", file)
		tests := strings.TrimSuffix(file, ".star") + "_test.star"
		_, err = os.Stat(tests)
		require.NoError(t, err, "%s has no tests; write %s", file, tests)
	}
}
