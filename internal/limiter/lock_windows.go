package limiter

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// errBusy says that another has the lock.
var errBusy = errors.New("locked")

// atOnce has a file opened without waiting for anybody, as all are here.
const atOnce = 0

// lockFile takes a lock that ends with the process, or gives errBusy at once. flags are added to those of opening the file.
func lockFile(name string, flags int) (*os.File, error) {
	f, err := os.OpenFile(name, flags|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY)
	err = windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		err = errBusy
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unlock gives a lock back.
func unlock(f *os.File) {
	if f == nil {
		return
	}
	_ = windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, new(windows.Overlapped))
	_ = f.Close()
}
