//go:build unix

package host

import (
	"os/exec"
	"syscall"
)

// needsTLS says whether others on this machine could reach an agent: unix sockets in a private directory are safe.
const needsTLS = false

// isolate gives the process a group of its own: signals of the terminal do not reach it, and it can be killed with its
// children. (A session of its own would cost a third of the speed of calls: Linux schedules sessions against each other.)
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = sysProcAttr()
}

// killGroup kills the process group of a process that has not been waited for.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// contain does nothing: the group was made when the process started.
func contain(*exec.Cmd) (release func(), err error) { return func() {}, nil }
