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

func TestPatternsThatAreRunByACountedNameAreKeptToo(t *testing.T) {
	t.Parallel()
	for name, asks := range map[string]string{
		"label": "    return run(\":\" + name + \".star\")\n",
		"value": "    go = run\n    return go(\":child.star\")\n",
		"list":  "    return [f(\":child.star\") for f in [run]]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write := func(name, text string) {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			}
			write("main.star", "def main(name = \"child\"):\n"+asks)
			write("child.star", "load(\"//sub/lib.star\", \"n\")\ndef main():\n    return n\n")
			write("sub/lib.star", "n = 2\n")
			write(".hidden/x.star", "def main():\n    return 3\n")
			write("broken.star", "def main(:\n")
			loaded, err := Load(filepath.Join(dir, "main.star"), environment(), Options{})
			require.NoError(t, err)
			sources := loaded.Sources()
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "sub")))
			write("child.star", "def main():\n    return 'changed'\n")
			for _, l := range []func() (*Loaded, error){
				func() (*Loaded, error) { return loaded, nil },
				func() (*Loaded, error) { return Restore(sources, "main.star", dir, environment(), Options{}) },
			} {
				again, err := l()
				require.NoError(t, err)
				child, err := again.Open("main.star", ":child.star")
				require.NoError(t, err)
				require.NotContains(t, string(again.Source("child.star")), "changed")
				require.Equal(t, "child.star", child.Name)
				_, err = again.Open("main.star", ":broken.star")
				require.Error(t, err)
			}
			require.NotContains(t, sources, ".hidden/x.star")
		})
	}
}
