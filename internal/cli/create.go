package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Create writes a file whole or not at all: what was there before stays until the new one is. What is no file, such as a pipe, is written to. flag is what
// named the path.
func Create(path, flag string, mode fs.FileMode, write func(*os.File) error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return Usagef("give a path that can be written", "%s: %v", flag, err)
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return Usagef("give a path that can be written", "%s: %v", flag, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := errors.Join(write(f), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
