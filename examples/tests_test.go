package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheTestsOfTheExamplesPass(t *testing.T) {
	t.Parallel()
	out := parallax(t, ".", "test", "--cover", ".").done(t)
	require.Contains(t, out, ", all ok (")
	require.NotContains(t, out, "warning:")
}

func TestEveryExampleHasTests(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"*", "deciding/*"} {
		manifests, err := filepath.Glob(pattern + "/parallax.toml")
		require.NoError(t, err)
		require.NotEmpty(t, manifests)
		for _, m := range manifests {
			tests, err := filepath.Glob(filepath.Join(filepath.Dir(m), "*_test.star"))
			require.NoError(t, err)
			require.NotEmpty(t, tests, "write %s/%s_test.star", filepath.Dir(m), filepath.Base(filepath.Dir(m)))
		}
	}
}

// What is recorded is what the agents of the examples answer: recorded again it is the same, byte by byte.
func TestTheCassettesOfTheExamplesAreFresh(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "examples")
	require.NoError(t, os.CopyFS(dir, without{os.DirFS("."), []string{"node_modules", "bin"}}))
	parallax(t, dir, "test", "--record", ".").done(t)
	found := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.json") {
			return err
		}
		found++
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, path))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "record it again: parallax test --record examples/%s", filepath.Dir(path))
		return nil
	}))
	require.Positive(t, found)
}
