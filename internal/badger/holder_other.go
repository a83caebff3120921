//go:build !linux

package badger

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// running asks the system whether there is such a process.
func running(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil || runtime.GOOS == "windows" {
		return err == nil
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, syscall.EPERM)
}

// stopped is known on Linux only.
func stopped(int) bool { return false }

// began is known on Linux only.
func began(int) string { return "" }
