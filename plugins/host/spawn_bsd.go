//go:build unix && !linux

package host

import "syscall"

func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// awaitExit does nothing: here a process can only be waited for once.
func awaitExit(int) {}

// killSession does nothing: here sessions cannot be listed. The group was killed.
func killSession(int) {}
