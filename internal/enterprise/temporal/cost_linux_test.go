//go:build e2e

package temporal_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/runtime"
)

// bareOptions are those of an agent call.
var bareOptions = workflow.ActivityOptions{
	StartToCloseTimeout: 30 * 24 * time.Hour, HeartbeatTimeout: 3 * time.Second,
	RetryPolicy: &sdk.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
}

// bareAsk is what the fork and the chain ask for, written directly with the SDK.
func bareAsk(_ context.Context, task string) (string, error) { return task, nil }

// bareFork has a window, as one writes it with the SDK.
func bareFork(ctx workflow.Context, n int) (int, error) {
	ctx = workflow.WithActivityOptions(ctx, bareOptions)
	window := workflow.NewSemaphore(ctx, 200)
	got := make([]string, n)
	group := workflow.NewWaitGroup(ctx)
	for i := range n {
		if err := window.Acquire(ctx, 1); err != nil {
			return 0, err
		}
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			defer window.Release(1)
			if err := workflow.ExecuteActivity(ctx, "ask", fmt.Sprintf("part %d", i)).Get(ctx, &got[i]); err != nil {
				panic(err)
			}
		})
	}
	group.Wait(ctx)
	return len(got), nil
}

func bareChain(ctx workflow.Context, n int) (int, error) {
	ctx = workflow.WithActivityOptions(ctx, bareOptions)
	for i := range n {
		var got string
		if err := workflow.ExecuteActivity(ctx, "ask", fmt.Sprintf("part %d", i)).Get(ctx, &got); err != nil {
			return 0, err
		}
	}
	return n, nil
}

const costScript = `
def ask(n):
    return agent("worker").ask("part %d" % n).value

def main(calls, wide):
    if wide:
        return len(parallel(ask, range(calls), limit = 200).values)
    for n in range(calls):
        ask(n)
    return calls
`

// spent is what something took.
type spent struct {
	wall, cpu, own time.Duration // own is the part of the CPU time that this process took
	events         int64
}

func (s spent) String() string {
	return fmt.Sprintf("%v wall, %v CPU (%v in the worker), %d events", s.wall, s.cpu, s.own, s.events)
}

// BenchmarkCost runs the same fork and chain on the same server, written directly with the SDK and as a pattern, in turns. What counts is the best of
// some rounds: others use the machine too.
func BenchmarkCost(b *testing.B) {
	for _, c := range []struct {
		name  string
		calls int
		wide  bool
	}{{"fork", 1000, true}, {"chain", 200, false}} {
		b.Run(c.name, func(b *testing.B) {
			bare, ours := bareRuns(b, c.name, c.calls), ourRuns(b, c.name, c.calls, c.wide)
			bare(b, "warm")
			ours(b, "warm")
			var theirs, mine []spent
			for i := 0; b.Loop(); i++ {
				theirs = append(theirs, bare(b, strconv.Itoa(i)))
				mine = append(mine, ours(b, strconv.Itoa(i)))
			}
			x, y := best(theirs), best(mine)
			b.Logf("the SDK:  %v", x)
			b.Logf("Parallax: %v", y)
			per := float64(c.calls) * float64(time.Millisecond)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(x.cpu)/per, "bare-cpu-ms/call")
			b.ReportMetric(float64(y.cpu)/per, "cpu-ms/call")
			b.ReportMetric(float64(y.cpu)/float64(x.cpu), "cpu-ratio")
			b.ReportMetric(float64(y.wall)/float64(x.wall), "wall-ratio")
			b.ReportMetric(float64(y.events)/float64(x.events), "event-ratio")
		})
	}
}

// best is the least of each figure.
func best(all []spent) spent {
	least := all[0]
	for _, s := range all {
		least = spent{min(least.wall, s.wall), min(least.cpu, s.cpu), min(least.own, s.own), min(least.events, s.events)}
	}
	return least
}

// bareRuns gives what runs the workflow called so that is written with the SDK.
func bareRuns(b *testing.B, name string, calls int) func(b *testing.B, id string) spent {
	b.Helper()
	conn := dialed(b, temporal.Dir(b.TempDir()))
	queue := "bare-" + name
	w := worker.New(conn, queue, worker.Options{MaxConcurrentActivityExecutionSize: 1000})
	w.RegisterWorkflowWithOptions(bareFork, workflow.RegisterOptions{Name: "fork"})
	w.RegisterWorkflowWithOptions(bareChain, workflow.RegisterOptions{Name: "chain"})
	w.RegisterActivityWithOptions(bareAsk, activity.RegisterOptions{Name: "ask"})
	require.NoError(b, w.Start())
	b.Cleanup(w.Stop)
	return func(b *testing.B, id string) spent {
		b.Helper()
		id = queue + "-" + id
		return measured(b, conn, id, func(ctx context.Context) {
			r, err := conn.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: queue}, name, calls)
			require.NoError(b, err)
			var got int
			require.NoError(b, r.Get(ctx, &got))
			require.Equal(b, calls, got)
		})
	}
}

// ourRuns gives what runs the pattern.
func ourRuns(b *testing.B, name string, calls int, wide bool) func(b *testing.B, id string) spent {
	b.Helper()
	queue := "ours-" + name
	tc, p := serving(b, queue, &staff{})
	pinned := put(b, p, costScript)
	inputs := runtime.Payload(fmt.Sprintf(`{"calls": %d, "wide": %v}`, calls, wide))
	return func(b *testing.B, id string) spent {
		b.Helper()
		id = queue + "-" + id
		return measured(b, tc.Temporal, id, func(ctx context.Context) {
			_, err := tc.Run(ctx, id, temporal.Start{Pattern: pinned, Inputs: inputs, Seed: 7})
			require.NoError(b, err)
			got, err := tc.Wait(ctx, id)
			require.NoError(b, err)
			require.JSONEq(b, strconv.Itoa(calls), string(got))
		})
	}
}

// measured is what it takes to do something, for all who have a part in it: the server, its database and this process.
func measured(b *testing.B, conn client.Client, id string, do func(ctx context.Context)) spent {
	b.Helper()
	ctx := b.Context()
	others := func() time.Duration {
		return cpuOf(b, cluster.Of(b).ServerPID()) + family(b, cluster.Of(b).PostgresPID())
	}
	before, own, start := others(), cpuOf(b, os.Getpid()), time.Now()
	do(ctx)
	s := spent{wall: time.Since(start), own: cpuOf(b, os.Getpid()) - own}
	s.cpu = others() - before + s.own
	d, err := conn.DescribeWorkflowExecution(ctx, id, "")
	require.NoError(b, err)
	s.events = d.GetWorkflowExecutionInfo().GetHistoryLength()
	return s
}

// cpuOf is the CPU time that a process has taken.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	own, ok := stat(pid)
	require.True(b, ok, "process %d", pid)
	return own.cpu
}

// family is the CPU time that a process and its children have taken, those that have ended too.
func family(b *testing.B, pid int) time.Duration {
	b.Helper()
	own, ok := stat(pid)
	require.True(b, ok, "process %d", pid)
	sum := own.cpu + own.ended
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(b, err)
	for _, name := range all {
		child, err := strconv.Atoi(filepath.Base(name))
		require.NoError(b, err)
		if s, ok := stat(child); ok && s.parent == pid {
			sum += s.cpu
		}
	}
	return sum
}

// usage is what the kernel says of a process.
type usage struct {
	parent     int
	cpu, ended time.Duration // ended is of its children that have ended
}

func stat(pid int) (usage, bool) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may have ended
	_, rest, _ := strings.Cut(string(text), ") ")
	var u usage
	var state string
	var skip [9]int
	var ticks [4]int
	_, err := fmt.Sscan(rest, &state, &u.parent, &skip[0], &skip[1], &skip[2], &skip[3], &skip[4], &skip[5], &skip[6], &skip[7], &skip[8],
		&ticks[0], &ticks[1], &ticks[2], &ticks[3])
	const tick = 10 * time.Millisecond // on Linux, wherever Go runs
	u.cpu, u.ended = time.Duration(ticks[0]+ticks[1])*tick, time.Duration(ticks[2]+ticks[3])*tick
	return u, err == nil
}
