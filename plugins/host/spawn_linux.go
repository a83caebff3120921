package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits until a process has ended and leaves it to be waited for, so that its id and its group's stay taken.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// killMarked kills the processes that inherited a mark in their environment: children of an ended agent that made groups of
// their own. It looks again until there are none, because one may start another while it is being looked for.
func killMarked(mark string) {
	want := []byte(markName + "=" + mark + "\x00")
	for range killRounds {
		if !killWith(want) {
			return
		}
		time.Sleep(killPause)
	}
}

const (
	killRounds = 100
	killPause  = 2 * time.Millisecond // a killed process is there a little longer
)

// killWith kills every process with an entry in its environment once, and says whether there were any.
func killWith(entry []byte) (found bool) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		env, err := os.ReadFile(path)
		if err != nil || !hasEntry(env, entry) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = true
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return found
}

// hasEntry looks for an entry of an environment, which ends with a zero byte.
func hasEntry(env, entry []byte) bool {
	return bytes.HasPrefix(env, entry) || bytes.Contains(env, append([]byte{0}, entry...))
}
