package builtins_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/fakefx"
	"github.com/parallax-run/parallax/runtime"
)

// play runs a program in a world, in virtual time.
func play(t *testing.T, w *fakefx.World, src string) (result runtime.Payload, err error) {
	t.Helper()
	prog, err := compile("p.star", src)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		result, err = w.Run(t.Context(), prog, nil, runtime.Config{Seed: 7})
	})
	return result, err
}

func effects(w *fakefx.World) map[string]runtime.Effect {
	all := make(map[string]runtime.Effect)
	for _, e := range w.Effects() {
		all[e.Addr.String()] = e.Effect
	}
	return all
}

func TestAskMakesACall(t *testing.T) {
	t.Parallel()
	w := puppets()
	_, err := play(t, w, `
V = record(answer=str)
def main():
    agent("plain").ask("say")
    agent("full", timeout="3m", retry=retry(4, backoff="2s", max="9s")).ask(
        "judge", returns=V, messages=[struct(role="user", content="hi")], z=1, value=V(answer="a"), ref=agent("other"),
    )
    agent("again").ask("feedback?", returns=str, timeout=2, retry=1)
`)
	require.NoError(t, err)
	got := effects(w)
	require.Equal(t, runtime.AgentCall{
		Agent: "plain", Task: "say", Input: runtime.Payload("{}"), Pos: "p.star:4:23",
	}, got["1"])
	full := got["2"].(runtime.AgentCall)
	require.JSONEq(t, `{"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"],"additionalProperties":false}`, full.Returns.String())
	full.Returns = nil
	require.Equal(t, runtime.AgentCall{
		Agent: "full", Task: "judge",
		Input:    runtime.Payload(`{"ref":"other","value":{"answer":"a"},"z":1}`),
		Messages: runtime.Payload(`[{"content":"hi","role":"user"}]`),
		Timeout:  3 * time.Minute,
		Retry: runtime.RetryPolicy{
			Attempts: 4, Backoff: 2 * time.Second, Factor: 2, Max: 9 * time.Second,
			On: []runtime.Code{runtime.Timeout, runtime.Unavailable},
		},
		Pos: "p.star:5:76",
	}, full)
	again := got["3"].(runtime.AgentCall)
	require.Equal(t, 2*time.Second, again.Timeout)
	require.Equal(t, runtime.RetryPolicy{
		Attempts: 2, Backoff: time.Second, Factor: 2, Max: time.Minute,
		On: []runtime.Code{runtime.Timeout, runtime.Unavailable},
	}, again.Retry)
}

func TestReAskIsANewEffectWithTheReason(t *testing.T) {
	t.Parallel()
	w := puppets()
	_, err := play(t, w, `
def main():
    agent("x").ask("count", answers=["three", None, 3], returns=int)
    log("done")
`)
	require.NoError(t, err)
	got := effects(w)
	require.Len(t, got, 4)
	require.Empty(t, got["1"].(runtime.AgentCall).Feedback)
	require.Equal(t, `$: want int, got "three"`, got["2"].(runtime.AgentCall).Feedback)
	require.Equal(t, `$: want int, got None`, got["3"].(runtime.AgentCall).Feedback)
	require.Equal(t, runtime.Emit{Kind: runtime.Logged, Name: "done"}, got["4"])
}

func TestEffectsOfTheRest(t *testing.T) {
	t.Parallel()
	w := puppets()
	_, err := play(t, w, `
def main():
    agents("chat", count=2, min=0)
    sleep("1m30s")
    wait_for("go", timeout="2h")
    approve("Go?", options=["a", "b"], context=[1], by="ada", timeout=None)
    run(":c.star", n=1)
    budget.remaining("tokens")
    phase("P")
    log("L", n=1)
    emit("E", m=[2])
    print("x", 1)
    attempt(run, "//d.star")
`)
	require.NoError(t, err)
	require.Equal(t, map[string]runtime.Effect{
		"1":  runtime.AgentLookup{Capability: "chat", Count: 2},
		"2":  runtime.Sleep{For: 90 * time.Second},
		"3":  runtime.WaitSignal{Name: "go", Timeout: 2 * time.Hour},
		"4":  runtime.Approval{Title: "Go?", Options: []string{"a", "b"}, Context: runtime.Payload("[1]"), By: "ada"},
		"5":  runtime.ChildRun{Pattern: ":c.star", From: "p.star", Inputs: runtime.Payload(`{"n":1}`)},
		"6":  runtime.Budget{Of: runtime.BudgetTokens},
		"7":  runtime.Emit{Kind: runtime.PhaseStarted, Name: "P"},
		"8":  runtime.Emit{Kind: runtime.Logged, Name: "L", Data: runtime.Payload(`{"n":1}`)},
		"9":  runtime.Emit{Kind: runtime.Emitted, Name: "E", Data: runtime.Payload(`{"m":[2]}`)},
		"10": runtime.Emit{Kind: runtime.Logged, Name: "x 1"},
		"11": runtime.ChildRun{Pattern: "//d.star", From: "p.star", Inputs: runtime.Payload(`{}`)},
	}, effects(w))
}

func TestForksSayWhatTheyNeed(t *testing.T) {
	t.Parallel()
	w := puppets()
	_, err := play(t, w, `
def f(x):
    return x
def main():
    parallel(f, ["a\nb", {"name": "n"}, [1, 2], agent("x"), struct(name="s"), 3, None])
    parallel(f, [1], limit=3, on_error="collect")
    parallel(f, [1], timeout="5s", on_error="collect")
    parallel(f, [1], until=first(1), limit=None)
    pipeline([1], f, f, limit=2, on_error="collect")
    gather(defer(f, "q"), lambda: 1, f.__name__ if False else defer(f, [1]))
    gather(risk=lambda: 1)
    race(defer(f, 1), timeout="1s")
    within("2s", f, 1)
`)
	require.NoError(t, err)
	type spec struct {
		Name, Pos   string
		Limit       int
		Order       runtime.Order
		Timeout     time.Duration
		Cancellable bool
		Labels      []string
	}
	var got []spec
	for _, f := range w.Forks() {
		got = append(got, spec{f.Spec.Name, f.Spec.Pos, f.Spec.Limit, f.Spec.Order, f.Spec.Timeout, f.Spec.Cancellable, f.Labels})
	}
	require.Equal(t, []spec{
		{"parallel", "p.star:5:13", 16, runtime.Indexed, 0, true, []string{"a", "n", "list of 2", "x", "s", "3", "None"}},
		{"parallel", "p.star:6:13", 3, runtime.Indexed, 0, false, []string{"1"}},
		{"parallel", "p.star:7:13", 16, runtime.Indexed, 5 * time.Second, true, []string{"1"}},
		{"parallel", "p.star:8:13", 0, runtime.Settled, 0, true, []string{"1"}},
		{"pipeline", "p.star:9:13", 2, runtime.Indexed, 0, false, []string{"1"}},
		{"gather", "p.star:10:11", 0, runtime.Indexed, 0, true, []string{"f q", "lambda", "f list of 1"}},
		{"gather", "p.star:11:11", 0, runtime.Indexed, 0, true, []string{"risk"}},
		{"race", "p.star:12:9", 0, runtime.Settled, time.Second, true, []string{"f 1"}},
		{"within", "p.star:13:11", 0, runtime.Indexed, 2 * time.Second, true, []string{"f 1"}},
	}, got)
}

func TestPatternFillsMeta(t *testing.T) {
	t.Parallel()
	prog, err := compile("p.star", `
pattern(description="d", agents=["a", "b"], budget=budget(tokens=5, cost=1.5, calls=2, time="1m"))
def main():
    pass
`)
	require.NoError(t, err)
	require.Equal(t, runtime.Meta{
		Description: "d", Agents: []string{"a", "b"},
		Budget: runtime.BudgetLimits{Tokens: 5, CostMicroUSD: 1_500_000, Calls: 2, Seconds: 60},
	}, prog.Meta)
}

func TestABacktraceSpansBranches(t *testing.T) {
	t.Parallel()
	src := `
def inner(n):
    return [][n]
def outer(n):
    return parallel(inner, [n])
def main():
    gather(defer(outer, 7))
`
	_, err := play(t, puppets(), src)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Script, e.Code)
	require.Equal(t, `Traceback (most recent call last):
  p.star:7:11: in main
  <builtin>: in gather
  in branch 1.0:
  p.star:5:20: in outer
  <builtin>: in parallel
  in branch 1.0.1.0:
  p.star:3:14: in inner
`, e.Backtrace())

	_, err = play(t, puppets(), `
def inner(n):
    fail("no", n)
def main():
    r = attempt(parallel, inner, [1])
    fail(r.error.trace)
`)
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Failed, e.Code)
	require.Contains(t, e.Message, "  p.star:5:16: in main\n  <builtin>: in attempt\n  <builtin>: in parallel\n  in branch 1.0:\n  p.star:3:9: in inner\n")
}

func TestTroubleOfTheHostIsNeverSeenByAScript(t *testing.T) {
	t.Parallel()
	disk := errors.New("no space left on device")
	for _, call := range []string{
		`parallel(work, [1, 2], on_error="collect")`,
		`attempt(parallel, work, [1, 2])`,
		`race(defer(work, 1), defer(work, 2))`,
		`within("1s", work, 1)`,
		`attempt(gather, defer(work, 1), lambda: parallel(work, [3, 4], until=first(1)))`,
		`attempt(work, 1)`,
	} {
		w := puppets()
		w.Broken = disk
		_, err := play(t, w, "def work(n):\n    sleep(n)\n    return n\ndef main():\n    "+call+"\n    fail('went on')\n")
		var host *runtime.HostError
		require.ErrorAs(t, err, &host, call)
		require.ErrorIs(t, err, disk, call)
	}
}

func TestCancellingTheRunEndsEveryBranchAndCannotBeCaught(t *testing.T) {
	t.Parallel()
	stop := errors.New("somebody pressed Ctrl-C")
	for _, call := range []string{
		`parallel(work, [9, 8, 7], limit=2, on_error="collect")`,
		`attempt(parallel, work, [9, 8])`,
		`race(defer(work, 9), defer(work, 8))`,
		`attempt(within, "1h", work, 9)`,
		`parallel(lambda n: parallel(work, [n, n], on_error="collect"), [8, 9], on_error="collect")`,
	} {
		prog, err := compile("p.star", "def work(n):\n    sleep(n)\n    return n\ndef main():\n    "+call+"\n    fail('went on')\n")
		require.NoError(t, err)
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Second, func() { cancel(stop) })
			start := time.Now()
			_, err := puppets().Run(ctx, prog, nil, runtime.Config{})
			var e *runtime.Error
			require.ErrorAs(t, err, &e, call)
			require.Equal(t, runtime.Cancelled, e.Code, call)
			require.ErrorIs(t, e, stop, call)
			require.Equal(t, 3*time.Second, time.Since(start), call)
		})
	}
}

func TestLimitsAreNotCollected(t *testing.T) {
	t.Parallel()
	prog, err := compile("p.star", `
def spin(n):
    for i in range(1000000):
        pass
def main():
    attempt(parallel, spin, [1, 2], on_error="collect")
    fail("went on")
`)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		_, err := puppets().Run(t.Context(), prog, nil, runtime.Config{Limits: runtime.Limits{Steps: 100_000}})
		var e *runtime.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, runtime.Limit, e.Code, e.Message)
	})
}

func TestTenThousandBranches(t *testing.T) {
	t.Parallel()
	result, err := play(t, puppets(), `
def work(n):
    return agent("x").ask("say", value=n, after=n % 7).value
def main():
    done = parallel(work, range(10000), limit=None)
    return [len(done), done[0], done[9999]]
`)
	require.NoError(t, err)
	require.Equal(t, "[10000,0,9999]", result.String())
}

func TestARunIsAFunctionOfItsEffects(t *testing.T) {
	t.Parallel()
	src := `
def work(n):
    state.set("k%d" % n, random())
    if n % 5 == 4:
        fail("no", n)
    return (n, random(), uuid(), parallel(lambda m: random() + m, [1, 2]).values)
def main():
    done = parallel(work, range(20), on_error="collect")
    return [done, [state.get(k) for k in state.keys()], random()]
`
	first, err := play(t, puppets(), src)
	require.NoError(t, err)
	for range 5 {
		again, err := play(t, puppets(), src)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}
