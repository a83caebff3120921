package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRunsGoOnWhenThereIsRoomAgain fills the disk of the store at random moments until runs had to be suspended often enough.
func TestRunsGoOnWhenThereIsRoomAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds; make test runs it")
	}
	t.Parallel()
	onSmallDisk(t, func(dir string) {
		tortureAll(t, 2, fillingUp(dir), func(_ int, suspended int64) bool { return suspended >= 4 })
	})
}

// fillingUp is that others take the room on the store's disk, down to the last byte or not quite, and give it back a while later.
func fillingUp(dir string) hazard {
	quiet := new(sync.RWMutex)
	return hazard{state: filepath.Join(dir, "state"), quiet: quiet, tight: true, strike: func(k *tortured, _ *os.Process, ended <-chan struct{}) {
		quiet.Lock()
		defer quiet.Unlock()
		fillUp(k, filepath.Join(dir, "filler"), ended)
	}}
}

// nearlyFull is how many bytes may be left on a disk that counts as full: more than the store keeps free for itself.
const nearlyFull = 64 << 20

// fillUp takes what room there is for a while, unless the life ends before.
func fillUp(k *tortured, filler string, ended <-chan struct{}) {
	f, err := os.Create(filler)
	require.NoError(k.t, err)
	defer func() {
		require.NoError(k.t, f.Close())
		require.NoError(k.t, os.Remove(filler))
	}()
	left := int64(0)
	if k.rng.IntN(3) > 0 {
		left = k.rng.Int64N(nearlyFull)
	}
	var s syscall.Statfs_t
	require.NoError(k.t, syscall.Fstatfs(int(f.Fd()), &s))
	if more := int64(s.Bavail)*s.Bsize - left; more > 0 {
		_ = syscall.Fallocate(int(f.Fd()), 0, 0, more) // the store may have been quicker, so that there is less
	}
	select {
	case <-time.After(time.Duration(k.rng.IntN(200)) * time.Millisecond):
	case <-ended:
	}
}

// smallDisk in the environment of a test says that it has the small disk.
const smallDisk = "TEST_ON_SMALL_DISK"

// onSmallDisk does something with the directory of a disk of 192 MiB, which nobody else sees: the test starts itself again where it is root enough
// to mount one. Where the kernel allows nobody to be that the test fails.
func onSmallDisk(t *testing.T, do func(dir string)) {
	t.Helper()
	if os.Getenv(smallDisk) == t.Name() {
		dir := t.TempDir()
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=192m"))
		defer func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) }()
		do(dir)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$", "-test.timeout=1h")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	t.Logf("%s", &out)
	require.NoError(t, err, "this test mounts a small disk, for which the kernel must allow user namespaces")
	require.Contains(t, out.String(), "--- PASS: "+t.Name(), "it was not run")
}
