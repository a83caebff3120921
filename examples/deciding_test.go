package examples_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// modules lists the standard modules of patterns by name, without @std// and the ending.
func modules(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "stdlib", "*.star"))
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		if name, ok := strings.CutSuffix(filepath.Base(file), ".star"); ok && !strings.HasSuffix(name, "_test") {
			names = append(names, name)
		}
	}
	require.NotEmpty(t, names)
	return names
}

func TestEveryModuleHasAnExampleThatUsesIt(t *testing.T) {
	t.Parallel()
	for _, name := range modules(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, example(t, name), `load("@std//`+name+`.star"`)
		})
	}
}

// example is the pattern that shows a module: a directory of its name, below deciding or beside it.
func example(t *testing.T, module string) string {
	t.Helper()
	for _, dir := range []string{filepath.Join("deciding", module), module} {
		text, err := os.ReadFile(filepath.Join(dir, module+".star"))
		if err == nil {
			return string(text)
		}
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	require.Fail(t, "a module has no example", "write examples/deciding/%s/%s.star", module, module)
	return ""
}

func TestDecidingExamplesGiveWhatTheyAlwaysGave(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob(filepath.Join("deciding", "*", "parallax.toml"))
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	for _, file := range dirs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			e := parallax(t, ".", "check", dir)
			require.Zero(t, e.code, "%s\n%s", e.stderr, e.out)
			golden(t, "deciding-"+filepath.Base(dir)+".json", parallax(t, dir, "run").done(t))
		})
	}
}
