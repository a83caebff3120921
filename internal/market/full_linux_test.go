package market

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/github"
)

// small is a process that installs to a disk that is too small, tells what is there then, and installs again once there is room.
func small(args []string) int {
	if err := syscall.Mount("tmpfs", args[0], "tmpfs", 0, "size=256k"); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "mount:", err)
		return 99
	}
	first := installs(args)
	left, _ := filepath.Glob(filepath.Join(args[0], "trees", "*"))
	_, _ = fmt.Fprintf(os.Stdout, "exit %d, %d left\n", first, len(left))
	if err := syscall.Mount("tmpfs", args[0], "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "mount:", err)
		return 99
	}
	second := installs(args)
	left, _ = filepath.Glob(filepath.Join(args[0], "trees", "*", "receipt.json"))
	_, _ = fmt.Fprintf(os.Stdout, "exit %d, %d installed\n", second, len(left))
	return 0
}

func TestAFullDiskLeavesNothingHalfInstalled(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32()) //nolint:gosec // that does not pack well
	}
	text := manifestFor("acme/debate", "pattern", "1.0.0")
	for name, files := range map[string]map[string]string{
		"while it downloads": {"parallax.toml": text, "noise": string(noise)},
		"while it unpacks":   {"parallax.toml": text, "blank": string(make([]byte, 1000<<10))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pattern("acme/debate", "1.0.0")
			w.hub.Release("acme/debate", "v1.0.0", map[string][]byte{"debate_1.0.0.zip": github.Zip(files)})
			w.project("debate=acme/debate@v1.0.0")
			require.NoError(t, os.Mkdir(w.Cache.Dir, 0o755))
			self, err := os.Executable()
			require.NoError(t, err)
			cmd := exec.CommandContext(t.Context(), self, "small", w.Cache.Dir, w.dir, w.hub.URL)
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "this test mounts a small disk, for which the kernel must allow user namespaces; %s", out)
			require.Contains(t, string(out), "nothing was installed: ")
			require.Contains(t, string(out), "no space left on device\nexit 1, 0 left\nexit 0, 1 installed\n")
			require.Contains(t, w.lock(), "acme/debate")
		})
	}
}
