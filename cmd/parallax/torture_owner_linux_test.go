package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOthersEndTheirRunsWhenTheOwnerIsKilled kills, at random moments, the process that owns the store of three projects. The runs of the others know
// nothing of it.
func TestOthersEndTheirRunsWhenTheOwnerIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds; make test runs it")
	}
	t.Parallel()
	tortureAll(t, 3, killingOwners(t.TempDir()), func(_ int, kills int64) bool { return kills >= 5 })
}

// killingOwners is that the process of the run that happens to own the store is killed while others run.
func killingOwners(state string) hazard {
	alive := &living{with: make(map[int]*os.Process)}
	return hazard{
		state: state, quiet: new(sync.RWMutex), begin: alive.add, end: alive.remove,
		strike: func(k *tortured, _ *os.Process, _ <-chan struct{}) { alive.kill(ownerOf(k.t, state)) },
	}
}

// living are the processes of runs, by their id.
type living struct {
	mu   sync.Mutex
	with map[int]*os.Process
}

func (l *living) add(p *os.Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.with[p.Pid] = p
}

func (l *living) remove(p *os.Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.with, p.Pid)
}

// kill kills a process if it is that of a run and there are others. The test's own may own the store, too.
func (l *living) kill(pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.with[pid]; p != nil && len(l.with) > 1 {
		_ = p.Kill()
	}
}

// ownerOf gives the process that has the lock of a store, as the kernel knows it; 0 when none has.
func ownerOf(t *testing.T, state string) int {
	t.Helper()
	info, err := os.Stat(filepath.Join(state, "lock"))
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(t, err)
	inode := fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino)
	locks, err := os.ReadFile("/proc/locks")
	require.NoError(t, err)
	for line := range bytes.Lines(locks) {
		fields := bytes.Fields(line) // 1: FLOCK ADVISORY WRITE pid major:minor:inode start end
		if len(fields) == 8 && string(fields[1]) == "FLOCK" && bytes.HasSuffix(fields[5], []byte(inode)) {
			pid := 0
			_, err := fmt.Sscan(string(fields[4]), &pid)
			require.NoError(t, err)
			return pid
		}
	}
	return 0
}
