//go:build e2e

package temporal_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/runtime"
)

// history is what the server says of one history of a run.
type history struct {
	events, bytes int64
}

// serving starts a worker with agents on a queue of its own, and gives a client of it and what keeps its patterns.
func serving(t testing.TB, queue string, agents temporal.Agents) (*temporal.Client, *temporal.Patterns) {
	t.Helper()
	blobs := temporal.Dir(t.TempDir())
	p := patterns(blobs)
	conn := dialed(t, blobs)
	w := temporal.NewWorker(conn, temporal.WorkerConfig{Queue: queue, Patterns: p, Agents: agents})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return &temporal.Client{Temporal: conn, Namespace: cluster.Of(t).Namespace(), Queue: queue}, p
}

// runScript runs a script to its end.
func runScript(ctx context.Context, t testing.TB, tc *temporal.Client, p *temporal.Patterns, id, script string) runtime.Payload {
	t.Helper()
	_, err := tc.Run(ctx, id, temporal.Start{Pattern: put(t, p, script), Seed: 7})
	require.NoError(t, err)
	result, err := tc.Wait(ctx, id)
	require.NoError(t, err)
	return result
}

// histories gives those of a run that has ended, the last one first.
func histories(t *testing.T, tc *temporal.Client, id string) (all []history) {
	t.Helper()
	ctx := t.Context()
	d, err := tc.Temporal.DescribeWorkflowExecution(ctx, id, "")
	require.NoError(t, err)
	for run := d.GetWorkflowExecutionInfo().GetExecution().GetRunId(); run != ""; {
		d, err := tc.Temporal.DescribeWorkflowExecution(ctx, id, run)
		require.NoError(t, err)
		all = append(all, history{d.GetWorkflowExecutionInfo().GetHistoryLength(), d.GetWorkflowExecutionInfo().GetHistorySizeBytes()})
		first, err := tc.Temporal.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
		require.NoError(t, err)
		run = first.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
	}
	t.Logf("%s: %d histories, the last one first: %v {events bytes}", id, len(all), all)
	return all
}

// hardLimit is the events of a history past which the server ends a run.
const hardLimit = 51_200

func wide(t *testing.T, items int) {
	t.Helper()
	s := &staff{}
	tc, p := serving(t, t.Name(), s)
	start := time.Now()
	got := runScript(t.Context(), t, tc, p, t.Name(), fmt.Sprintf(`
def ask(n):
    return agent("worker").ask("part %%d" %% n).value

def main():
    got = parallel(ask, range(%[1]d), limit = 200).values
    return [len(got), got == ["part %%d" %% n for n in range(%[1]d)]]
`, items))
	t.Logf("%d calls in %v", items, time.Since(start))
	require.JSONEq(t, fmt.Sprintf("[%d, true]", items), string(got))
	require.EqualValues(t, items, s.calls.Load(), "each call is made once")
	activities, err := cluster.Of(t).Activities(t.Context(), t.Name())
	require.NoError(t, err)
	require.Len(t, activities, items+1, "the agent is asked once what it is")
	for _, h := range histories(t, tc, t.Name()) {
		require.Less(t, h.events, int64(hardLimit))
	}
}

// TestAWideForkEnds has a fork that is wider than the pending activities that the server allows.
func TestAWideForkEnds(t *testing.T) {
	t.Parallel()
	wide(t, 2500)
}

// TestALongRunContinuesAsNew has 30,000 effects, one after the other.
func TestALongRunContinuesAsNew(t *testing.T) {
	t.Parallel()
	s := &staff{}
	tc, p := serving(t, t.Name(), s)
	start := time.Now()
	got := runScript(t.Context(), t, tc, p, t.Name(), `
def main():
    sum = 0
    for n in range(3000):
        for m in range(8):
            sum += len(agent("instant").ask("%d.%d" % (n, m)).value)
        emit("done", n = n)
        if n % 100:
            state.set("at", n)
        else:
            sleep("1ms")
    return [sum, state.get("at")]
`)
	t.Logf("30,000 effects in %v", time.Since(start))
	require.JSONEq(t, "[135120, 2999]", string(got))
	require.EqualValues(t, 24_000, s.calls.Load(), "each call is made once")
	all := histories(t, tc, t.Name())
	require.GreaterOrEqual(t, len(all), 3, "it continues as new at least twice")
	for _, h := range all {
		require.Less(t, h.events, int64(hardLimit))
	}
}

// TestLargeAnswersStayOutOfTheHistory has a hundred answers of a megabyte.
func TestLargeAnswersStayOutOfTheHistory(t *testing.T) {
	t.Parallel()
	s := &staff{bytes: 1 << 20}
	tc, p := serving(t, t.Name(), s)
	got := runScript(t.Context(), t, tc, p, t.Name(), `
def ask(n):
    return agent("worker").ask("part %d" % n).value

def main():
    total = 0
    for v in parallel(ask, range(100)).values:
        total += len(v)
    return total
`)
	require.JSONEq(t, fmt.Sprint(100<<20), string(got))
	all := histories(t, tc, t.Name())
	require.Len(t, all, 1)
	require.Less(t, all[0].bytes, int64(2<<20))
}

// TestACallTakesAsManyEventsAsAnActivity is about what a chain costs: three events of an activity, three of the workflow task that follows it, and a
// few for the run, which is what the SDK alone takes. There is room for tasks that a busy machine lost.
func TestACallTakesAsManyEventsAsAnActivity(t *testing.T) {
	t.Parallel()
	tc, p := serving(t, t.Name(), &staff{})
	runScript(t.Context(), t, tc, p, t.Name(), `
def main():
    for n in range(100):
        agent("worker").ask("part %d" % n)
`)
	all := histories(t, tc, t.Name())
	require.Len(t, all, 1)
	require.Less(t, all[0].events, int64(650))
}
