//go:build unix

package process

import (
	"os/exec"
	"syscall"
)

// isolate gives the command a process group of its own, which is told to end when its context ends. The group stays in this
// process's session, where the host finds it if this process is killed.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}

// sweep kills what is left of the group of a command that has ended.
func sweep(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
