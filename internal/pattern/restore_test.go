package pattern

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPatternIsRestoredWhateverBecameOfItsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("main.star", "load(\":lib.star\", \"n\")\ndef main():\n    return [n, run(\":child.star\")]\n")
	write("lib.star", "n = 1\n")
	write("child.star", "def main():\n    return 2\n")
	loaded, err := Load(filepath.Join(dir, "main.star"), environment(), Options{})
	require.NoError(t, err)
	sources := loaded.Sources()
	require.Len(t, sources, 3, "the child that it names is among them")

	require.NoError(t, os.Remove(filepath.Join(dir, "child.star")))
	write("lib.star", "n = 'changed'\n")
	again, err := Restore(sources, "main.star", dir, environment(), Options{})
	require.NoError(t, err)
	require.Equal(t, loaded.Program.Digest, again.Program.Digest)
	require.Equal(t, loaded.Files, again.Files)
	_, err = again.Open("main.star", ":child.star")
	require.NoError(t, err)
	_, err = again.Open("main.star", ":other.star")
	require.ErrorContains(t, err, "not among the files that the run recorded")
}
