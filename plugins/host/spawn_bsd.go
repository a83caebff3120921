//go:build unix && !linux

package host

import "syscall"

func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit does nothing: here a process can only be waited for once.
func awaitExit(int) {}

// killMarked does nothing: here the environment of others cannot be read. The group was killed.
func killMarked(string) {}
