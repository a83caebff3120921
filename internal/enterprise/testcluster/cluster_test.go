//go:build linux

package testcluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheVersionIsThePinnedOne(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "..", "tools", "temporal", "go.mod"))
	require.NoError(t, err)
	require.Contains(t, string(data), "\nrequire go.temporal.io/server "+Version+" ")
}

func TestAMissingServerNamesTheNextStep(t *testing.T) {
	t.Setenv("PARALLAX_TOOLS", t.TempDir())
	_, err := Start(t.Context())
	require.ErrorContains(t, err, "run: make temporal")
}

func TestToolsHaveOneFolder(t *testing.T) {
	for _, c := range []struct{ tools, cache, home, want string }{
		{"/a", "/b", "/c", "/a"},
		{"", "/b", "/c", "/b/parallax-tools"},
		{"", "", "/c", "/c/.cache/parallax-tools"},
	} {
		t.Setenv("PARALLAX_TOOLS", c.tools)
		t.Setenv("XDG_CACHE_HOME", c.cache)
		t.Setenv("HOME", c.home)
		dir, err := toolsDir()
		require.NoError(t, err)
		require.Equal(t, c.want, dir)
	}
}

func TestPortsAreFreeAndDiffer(t *testing.T) {
	t.Parallel()
	found, err := freePorts()
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, n := range found {
		require.False(t, seen[n])
		require.GreaterOrEqual(t, n, lowestPort)
		seen[n] = true
	}
}

func TestOnlyLeftOverFoldersAreSwept(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	used, lock, err := makeDir(parent)
	require.NoError(t, err)
	t.Cleanup(func() { lock.Close() })
	left, gone, err := makeDir(parent)
	require.NoError(t, err)
	require.NoError(t, unix.Flock(int(gone.Fd()), unix.LOCK_UN)) // a child that is being forked may hold the file for a moment longer
	gone.Close()
	sweep(parent)
	require.DirExists(t, used)
	require.NoDirExists(t, left)
}

func TestThePostmasterIsReadyWhenItSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(state string) {
		text := "42\n/data\n1\n5432\n\n127.0.0.1\n  1 2\n" + state + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte(text), 0o600))
	}
	require.ErrorIs(t, postmasterReady(dir, 42), os.ErrNotExist)
	write("starting")
	require.ErrorContains(t, postmasterReady(dir, 42), "starting")
	write("ready   ")
	require.NoError(t, postmasterReady(dir, 42))
	require.Error(t, postmasterReady(dir, 43), "the file of one that died")
}

func TestAFailingProgramShowsWhatItSaidLast(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	err := command{path: "/bin/sh", args: []string{"-c", "seq 100; exit 3"}, log: log}.run(t.Context())
	require.ErrorContains(t, err, "exit status 3")
	require.Contains(t, err.Error(), "\n51\n")
	require.NotContains(t, err.Error(), "\n50\n")
}

func TestAProgramThatDoesNotStopIsKilled(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	p, err := command{path: "/bin/sh", args: []string{"-c", "trap '' TERM; echo on; while :; do sleep 1000; done"}, log: log}.begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.ready(t.Context(), func(ctx context.Context) error {
		if !strings.Contains(lastLines(log, 1), "on") {
			return errors.New("not yet")
		}
		return nil
	}))
	require.ErrorContains(t, p.stop(unix.SIGTERM, time.Millisecond), "still ran")
	require.Zero(t, p.pid())
}
