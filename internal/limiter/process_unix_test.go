//go:build unix

package limiter_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/limiter"
	"github.com/parallax-run/parallax/runtime"
)

// process is this binary as a process that calls agents.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestProcessesShareSlots(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(log, nil, 0o600))
	var all []*exec.Cmd
	for range 4 {
		cmd := process(t, "calls", dir, log)
		require.NoError(t, cmd.Start())
		all = append(all, cmd)
	}
	for _, cmd := range all {
		require.NoError(t, cmd.Wait())
	}
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, 40, strings.Count(string(text), "+"))
	now := 0
	for i, word := range strings.Fields(string(text)) {
		if word == "+" {
			now++
		} else {
			now--
		}
		require.LessOrEqual(t, now, 2, "line %d", i+1)
	}
	require.Zero(t, now)
	require.Zero(t, limiter.New(limiter.Options{Dir: dir}).Status(provider(2)).InUse)
}

func TestAKilledProcessFreesItsSlot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder := process(t, "holds", dir, "-")
	in, err := holder.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(line, "in "))

	limits := limiter.New(limiter.Options{Dir: dir})
	require.Equal(t, 1, limits.Status(provider(1)).InUse)
	waits := make(chan string, 1)
	c := ask("a")
	c.Watch = func(p runtime.Progress) { waits <- p.Note }
	done := make(chan error, 1)
	go func() {
		_, err := within(dir, answer, provider(1)).Call(t.Context(), c)
		done <- err
	}()
	require.Equal(t, "waits for a slot of provider main", <-waits)
	require.Empty(t, done)
	require.NoError(t, holder.Process.Signal(syscall.SIGKILL))
	require.NoError(t, <-done)
	require.Error(t, holder.Wait())
	require.Zero(t, limits.Status(provider(1)).InUse)
}

func TestAPauseHoldsBackProcessesThatComeLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	began := time.Now()
	require.NoError(t, process(t, "fails", dir, `{"retry_after_ms":1200}`).Run())
	st := limiter.New(limiter.Options{Dir: dir}).Status(provider(1))
	require.False(t, st.Held.Before(began.Add(1200*time.Millisecond)))
	require.Equal(t, "nobody is there", st.Last)
	var called time.Time
	_, err := within(dir, func(context.Context, runtime.Call) (runtime.Answer, error) {
		called = time.Now()
		return runtime.Answer{}, nil
	}, provider(1)).Call(t.Context(), ask("a"))
	require.NoError(t, err)
	require.False(t, called.Before(st.Held))
}

func TestTheBreakerSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, process(t, "fails", dir, "").Run())
	_, err := within(dir, answer, provider(1)).Call(t.Context(), ask("a"))
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Unavailable, e.Code)
	require.True(t, e.Retryable)
	require.Regexp(t, `^agent "a" is not called: provider main counts as down until [0-9:]+ UTC, after 5 failures in a row, the last: nobody is there$`, e.Message)
	require.Contains(t, string(e.Details), "retry_after_ms")
	st := limiter.New(limiter.Options{Dir: dir}).Status(provider(1))
	require.False(t, st.Down.IsZero())
	require.False(t, st.Trying)
	require.Zero(t, st.InUse, "a call that is refused gives its slot back")

	require.NoError(t, os.RemoveAll(st.Dir))
	_, err = within(dir, answer, provider(1)).Call(t.Context(), ask("a"))
	require.NoError(t, err, "without its files a limit begins anew")
}
