//go:build !unix

package process

import (
	"os/exec"
	"strconv"
)

// isolate ends the command together with what it started when its context ends.
func isolate(cmd *exec.Cmd) {
	cmd.Cancel = func() error {
		if err := exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run(); err != nil {
			return cmd.Process.Kill()
		}
		return nil
	}
}

// sweep does nothing: the host holds this process and all below it in one job.
func sweep(*exec.Cmd) {}
