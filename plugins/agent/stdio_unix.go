//go:build unix

package agent

import (
	"os"

	"golang.org/x/sys/unix"
)

// claimStdout points file descriptor 1 at stderr, for C code and children too, and returns the real stdout.
func claimStdout(hosted bool) *os.File {
	if !hosted {
		return nil
	}
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil
	}
	if err := dup2(2, 1); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "stdout")
}

// exitWithChildren ends the process, and its children when the host made it the leader of a group of their own.
func exitWithChildren() {
	if pid := unix.Getpid(); unix.Getpgrp() == pid {
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
	os.Exit(0)
}
