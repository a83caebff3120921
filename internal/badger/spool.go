package badger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// spoolFiles are those in which imports keep the file that they read. Each is locked as long as its import lives.
const spoolFiles = "import-*"

// spool is such a file.
type spool struct{ *os.File }

// newSpool makes one and locks it.
func newSpool(dir string) (*spool, error) {
	for {
		f, err := os.CreateTemp(dir, spoolFiles)
		if err != nil {
			return nil, err
		}
		name := f.Name()
		if err := f.Close(); err != nil {
			return nil, err
		}
		f, err = lockFile(name)
		if errors.Is(err, errBusy) || err == nil && !stands(f, name) { // it was taken for one whose import had died
			if f != nil {
				_ = f.Close()
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		return &spool{f}, nil
	}
}

// remove closes the file and takes it away.
func (s *spool) remove() error {
	err := os.Remove(s.Name())
	closed := s.Close()
	if err != nil { // some systems keep what is open
		err = os.Remove(s.Name())
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, closed)
}

// stands says whether a file is the one of its name.
func stands(f *os.File, name string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(mine, there)
}

// sweepSpools takes away the files of imports that died. What cannot be removed stays for another time.
func sweepSpools(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if ok, _ := filepath.Match(spoolFiles, e.Name()); !ok || !e.Type().IsRegular() {
			continue
		}
		if f, err := lockFile(filepath.Join(dir, e.Name())); err == nil {
			_ = (&spool{f}).remove()
		}
	}
}
