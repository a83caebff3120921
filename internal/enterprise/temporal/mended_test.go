//go:build e2e && linux

package temporal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
)

// crew is agents whose call is a function.
type crew struct {
	once bool
	call func(ctx context.Context, c runtime.Call) (runtime.Answer, error)
}

func (w crew) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	return w.call(ctx, c)
}

func (w crew) Info(name string) (runtime.AgentInfo, bool) {
	return runtime.AgentInfo{Name: name, AtMostOnce: w.once, Timeout: time.Minute}, true
}

func (w crew) Lookup(string) []runtime.AgentInfo {
	info, _ := w.Info("a")
	return []runtime.AgentInfo{info}
}

// begun starts a run of a pattern on a worker in this process.
func begun(t *testing.T, name, src string, events int, agents crew) (*temporal.Client, string, context.Context) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.star")
	require.NoError(t, os.WriteFile(file, []byte(src), 0o600))
	loaded, err := pattern.Load(file, runtime.Environment{Builtins: builtins.All()}, pattern.Options{})
	require.NoError(t, err)
	blobs := temporal.Dir(filepath.Join(dir, "blobs"))
	p := patterns(blobs)
	pinned, err := p.Put(loaded)
	require.NoError(t, err)
	conn := dialed(t, blobs)
	w := temporal.NewWorker(conn, temporal.WorkerConfig{Queue: name, Patterns: p, Agents: agents})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	tc := &temporal.Client{Temporal: conn, Queue: name}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	_, err = tc.Run(ctx, name, temporal.Start{Pattern: pinned, Inputs: runtime.Payload("{}"), Events: events})
	require.NoError(t, err)
	return tc, filepath.Join(dir, "blobs"), ctx
}

// A run that waits for a long call before it continues as new is cancelled like any other.
func TestACancellationWhileARunIsAboutToContinue(t *testing.T) {
	t.Parallel()
	var short atomic.Int64
	tc, _, ctx := begun(t, "cancel-leaving", `
def loop(kind):
    if kind == "long":
        return agent("a").ask("long").value
    for i in range(200):
        agent("a").ask("short")
def main():
    parallel(loop, ["long", "short"])
`, 25, crew{call: func(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
		if c.Task == "long" {
			<-ctx.Done()
			return runtime.Answer{}, runtime.ErrCancelled()
		}
		short.Add(1)
		return runtime.Answer{Value: runtime.Null}, nil
	}})
	require.Eventually(t, func() bool {
		d, err := tc.Temporal.DescribeWorkflowExecution(ctx, "cancel-leaving", "")
		return err == nil && d.GetWorkflowExecutionInfo().GetHistoryLength() > 25 && len(d.GetPendingActivities()) == 1
	}, time.Minute, 50*time.Millisecond)
	require.NoError(t, tc.Cancel(ctx, "cancel-leaving"))
	_, err := tc.Wait(ctx, "cancel-leaving")
	e, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, runtime.Cancelled, e.Code)
	require.Less(t, short.Load(), int64(200))
}

// A signal whose value is elsewhere waits for it.
func TestALargeSignalWhoseValueIsAway(t *testing.T) {
	t.Parallel()
	tc, blobs, ctx := begun(t, "signal-away", "def main():\n    sleep(\"2s\")\n    return len(wait_for(\"go\"))\n", 0, crew{})
	require.NoError(t, tc.Signal(ctx, "signal-away", temporal.Signal{Name: "go", Value: runtime.Payload(`"` + strings.Repeat("x", 300<<10) + `"`)}))
	require.NoError(t, os.Rename(blobs, blobs+".away"))
	time.AfterFunc(6*time.Second, func() { _ = os.Rename(blobs+".away", blobs) })
	result, err := tc.Wait(ctx, "signal-away")
	require.NoError(t, err)
	require.Equal(t, "307200", result.String())
}

// A host's error in a call that must not be made twice is the script's to handle.
func TestAHostsErrorInACallThatMustNotBeRepeated(t *testing.T) {
	t.Parallel()
	var made atomic.Int64
	tc, _, ctx := begun(t, "once", "def main():\n    return attempt(agent(\"a\").ask, \"x\").error.code\n", 0, crew{once: true, call: func(context.Context, runtime.Call) (runtime.Answer, error) {
		made.Add(1)
		return runtime.Answer{}, errors.New("the disk is full")
	}})
	result, err := tc.Wait(ctx, "once")
	require.NoError(t, err)
	require.Equal(t, `"unknown_outcome"`, result.String())
	require.EqualValues(t, 1, made.Load())
}

// What an agent says of its failure may be as long as it likes.
func TestALongFailure(t *testing.T) {
	t.Parallel()
	var made atomic.Int64
	tc, _, ctx := begun(t, "long-failure", "def main():\n    return len(attempt(agent(\"a\").ask, \"x\").error.message)\n", 0, crew{call: func(context.Context, runtime.Call) (runtime.Answer, error) {
		made.Add(1)
		return runtime.Answer{}, runtime.Errorf(runtime.Refused, "%s", strings.Repeat("x", 3<<20))
	}})
	result, err := tc.Wait(ctx, "long-failure")
	require.NoError(t, err)
	require.Equal(t, "3145728", result.String())
	require.EqualValues(t, 1, made.Load())
}
