package badger

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// told is a reader that says when it is first read.
type told struct {
	io.Reader
	tell func()
}

func (r *told) Read(p []byte) (int, error) {
	if r.tell != nil {
		r.tell()
		r.tell = nil
	}
	return r.Reader.Read(p)
}

// importing imports what it is given on stdin.
func importing(dir string, _ []string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	_, err = s.Import(&told{os.Stdin, func() { fmt.Println("reading") }})
	return err
}

func spools(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, spoolFiles))
	require.NoError(t, err)
	return names
}

func TestAKilledImportLeavesNoFile(t *testing.T) {
	t.Parallel()
	for name, sweep := range map[string]func(*Store) error{
		"gc":   func(s *Store) error { _, err := s.GC(Retention{}); return err },
		"open": func(*Store) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var s *Store
			if name == "gc" {
				s = open(t, dir)
			}
			killed := start(t, dir, "import")
			_, err := io.WriteString(killed.stdin, firstLine)
			require.NoError(t, err)
			require.Equal(t, "reading", killed.line())
			require.Len(t, spools(t, dir), 1)
			if s != nil {
				_, err = s.GC(Retention{})
				require.NoError(t, err)
				require.Len(t, spools(t, dir), 1, "it is being read")
			}
			require.NoError(t, killed.cmd.Process.Kill())
			require.Error(t, killed.cmd.Wait())
			require.Len(t, spools(t, dir), 1)
			if s == nil {
				s = open(t, dir)
			}
			require.NoError(t, sweep(s))
			require.Empty(t, spools(t, dir))
		})
	}
}

func TestAnImportKeepsItsFileWhileOthersSweep(t *testing.T) {
	t.Parallel()
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	ended(t, from, "r", 0, done("", 1, "1"))
	var file bytes.Buffer
	require.NoError(t, from.Export(&file, "r"))
	require.NoError(t, os.Mkdir(filepath.Join(to.dir, "import-directory"), 0o700))
	_, err := to.Import(&told{&file, func() { sweepSpools(to.dir) }})
	require.NoError(t, err)
	require.Equal(t, "r", ids(t, to))
	require.Equal(t, []string{filepath.Join(to.dir, "import-directory")}, spools(t, to.dir))
}
