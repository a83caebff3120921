//go:build unix

package limiter

import (
	"errors"
	"os"
	"syscall"
)

// errBusy says that another has the lock.
var errBusy = errors.New("locked")

// atOnce has a file opened without waiting for anybody.
const atOnce = syscall.O_NONBLOCK

// lockFile takes a lock that ends with the process, or gives errBusy at once. flags are added to those of opening the file.
func lockFile(name string, flags int) (*os.File, error) {
	f, err := os.OpenFile(name, flags|os.O_RDWR|atOnce, 0o600)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return nil, errBusy // calls that end give files back
	}
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) || err == nil && !current(f, name) {
		err = errBusy
	}
	if err != nil {
		unlock(f)
		return nil, err
	}
	return f, nil
}

// current says whether a file is still the one of its name: a lock on one that was removed keeps nobody out.
func current(f *os.File, name string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(mine, there)
}

// unlock gives a lock back, also where a process that is just being started has a copy of the file.
func unlock(f *os.File) {
	if f == nil {
		return
	}
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}
