//go:build unix

package host

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// claimName is the file in each of our temporary directories that its host keeps locked while it lives.
const claimName = ".parallax"

// claim marks a directory as ours, and in use until the file is closed or this process ends, however it does. The file gets its name when it is
// locked, so that no other process takes it for one that was left behind.
func claim(dir string) (*os.File, error) {
	unlocked := filepath.Join(dir, claimName+".new")
	f, err := lock(unlocked, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(unlocked, filepath.Join(dir, claimName)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func lock(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sweep removes what hosts that were killed left in base. Directories of others, and of hosts that live, stay.
func sweep(base string) {
	dirs, err := filepath.Glob(filepath.Join(base, dirPrefix+"[0-9]*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if f, err := lock(filepath.Join(dir, claimName), 0); err == nil {
			_ = os.RemoveAll(dir)
			f.Close()
		}
	}
}
