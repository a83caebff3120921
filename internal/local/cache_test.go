package local_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

// clerk is a scripted agent that counts its calls in its answers: 1, 2, 3.
func clerk() *scripted {
	var n atomic.Int64
	return &scripted{answer: func(context.Context, runtime.Call) (runtime.Answer, error) {
		return runtime.Answer{Value: runtime.Payload(fmt.Sprint(n.Add(1))), Usage: runtime.Usage{InputTokens: 5, CostMicroUSD: 7}}, nil
	}}
}

// does runs a pattern and gives its result, or the code of its error.
func does(t *testing.T, e *local.Engine, src string) string {
	t.Helper()
	p, err := e.Run(t.Context(), engine.Run{ID: "r", Program: compiled(t, src)})
	if err != nil {
		failed, ok := err.(*runtime.Error)
		require.True(t, ok, "%v", err)
		return string(failed.Code)
	}
	return string(p)
}

func TestAnEarlierAnswerCostsNothing(t *testing.T) {
	t.Parallel()
	agents, events := clerk(), []runtime.Event(nil)
	e := &local.Engine{Agents: agents, Cache: &local.Memory{}, Emit: func(e runtime.Event) { events = append(events, e) }, Budget: runtime.BudgetLimits{Calls: 1}}
	got := does(t, e, `
def main():
    said = []
    for _ in range(3):
        r = agent("a").ask("count", what="sheep", cache=True)
        said.append([r.value, r.cached, r.usage.input_tokens, r.attempts, r.agent])
    return {"said": said, "left": budget.remaining("calls")}
`)
	require.JSONEq(t, `{"said": [[1, false, 5, 1, "a"], [1, true, 0, 0, "a"], [1, true, 0, 0, "a"]], "left": 0}`, got)
	require.Len(t, agents.calls, 1)
	var told []string
	for _, e := range events {
		if strings.HasPrefix(string(e.Kind), "agent.") {
			told = append(told, fmt.Sprint(e.Kind, e.Text, e.Cached))
		}
	}
	require.Equal(t, []string{"agent.calledcountfalse", "agent.answeredfalse", "agent.answeredcounttrue", "agent.answeredcounttrue"}, told)
	require.Equal(t, "2", does(t, e, `def main(): return agent("a").ask("count", what="sheep").value`), "who does not consent asks")
}

func TestAnotherQuestionIsAskedAnew(t *testing.T) {
	t.Parallel()
	e := &local.Engine{Agents: clerk(), Cache: &local.Memory{}}
	ask := func(call string) string { return does(t, e, "def main(): return agent"+call) }
	for i, call := range []string{
		`("a").ask("count", cache=True).value`, `("b").ask("count", cache=True).value`, `("a").ask("recount", cache=True).value`,
		`("a").ask("count", n=1, cache=True).value`, `("a").ask("count", returns=int, cache=True).value`,
		`("a").ask("count", messages=[{"role": "user", "content": "x"}], cache=True).value`,
	} {
		require.Equal(t, fmt.Sprint(i+1), ask(call))
		require.Equal(t, fmt.Sprint(i+1), ask(call), "the same again")
	}
	require.Equal(t, "1", ask(`("a", timeout="3s").ask("count", retry=2, cache="24h").value`), "how to call is not what is asked")

	who := "version 1"
	e.Identity = func(context.Context, string) (string, error) { return who, nil }
	require.Equal(t, "7", ask(`("a").ask("count", cache=True).value`))
	who = "version 2"
	require.Equal(t, "8", ask(`("a").ask("count", cache=True).value`))
	who = "version 1"
	require.Equal(t, "7", ask(`("a").ask("count", cache=True).value`))
	e.Identity = func(context.Context, string) (string, error) { return "", errDead }
	require.Equal(t, "9", ask(`("a").ask("count", cache=True).value`), "who does not say who it is is asked")
	e.Cache = nil
	require.Equal(t, "10", ask(`("a").ask("count", cache=True).value`))
}

func TestAnswersGetOld(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e := &local.Engine{Agents: clerk(), Cache: &local.Memory{}, Now: func() time.Time { return now }}
	ask := func(cache string) string {
		return does(t, e, `def main(): return agent("a").ask("count", cache=`+cache+`).value`)
	}
	require.Equal(t, "1", ask(`"1h"`))
	now = now.Add(time.Hour)
	require.Equal(t, "1", ask(`"1h"`))
	now = now.Add(1)
	require.Equal(t, "1", ask("True"))
	require.Equal(t, "2", ask(`"1h"`))
	require.Equal(t, "2", ask("True"), "the newer one is kept")
	require.Equal(t, "3", ask("False"))
	require.Equal(t, "4", ask("None"))
	e.Anew = true
	require.Equal(t, "5", ask("True"))
	e.Anew = false
	require.Equal(t, "5", ask("True"))
	now = now.AddDate(-10, 0, 0)
	require.Equal(t, "5", ask("True"))
	require.Equal(t, "6", ask(`"1h"`), "nobody knows how old an answer from the future is")
}

// TestWhatIsNoResultIsNotKept: failures, answers of another shape, those that were cut off, and those with files that will be gone.
func TestWhatIsNoResultIsNotKept(t *testing.T) {
	t.Parallel()
	answers := func(list ...any) *scripted {
		return &scripted{answer: func(context.Context, runtime.Call) (runtime.Answer, error) {
			next := list[0]
			list = list[1:]
			switch next := next.(type) {
			case *runtime.Error:
				return runtime.Answer{}, next
			case runtime.Answer:
				return next, nil
			default:
				return runtime.Answer{Value: runtime.Payload(next.(string))}, nil
			}
		}}
	}
	file := runtime.Answer{Value: runtime.Payload("1"), Artifacts: []runtime.Artifact{{Name: "x", Path: "/x"}}}
	for name, c := range map[string]struct {
		agents *scripted
		want   []string // of runs, one after another
		calls  int
	}{
		"wrong first, right then": {answers(`"x"`, `5`), []string{"[5,false]", "[5,true]"}, 2},
		"wrong only":              {answers(`"x"`, `"y"`, `"z"`, `6`), []string{"schema", "[6,false]", "[6,true]"}, 4},
		"failure":                 {answers(runtime.Errorf(runtime.Refused, "no"), `7`), []string{"refused", "[7,false]", "[7,true]"}, 2},
		"cut off":                 {answers(runtime.Answer{Value: runtime.Payload("1"), Finish: "length"}, runtime.Answer{Value: runtime.Payload("2"), Finish: "stop"}), []string{"[1,false]", "[2,false]", "[2,true]"}, 2},
		"with a file":             {answers(file, file), []string{"[1,false]", "[1,false]"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &local.Engine{Agents: c.agents, Cache: &local.Memory{}}
			for _, want := range c.want {
				require.Equal(t, want, does(t, e, `
def main():
    r = agent("a").ask("count", returns=int, cache=True)
    return [r.value, r.cached]
`))
			}
			require.Len(t, c.agents.calls, c.calls)
		})
	}
}

// TestAKeptAnswerOfAnotherShapeIsNotTaken: what a cache gives is looked at as what an agent says is.
func TestAKeptAnswerOfAnotherShapeIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, kept := range []string{`{"value":"x"}`, `{"value":`, `{}`} {
		e := &local.Engine{Agents: clerk(), Cache: spoiled(kept)}
		require.Equal(t, "1", does(t, e, `def main(): return agent("a").ask("count", returns=int, cache=True).value`))
	}
}

type spoiled string

func (s spoiled) Get(engine.Question) (engine.Kept, bool) {
	return engine.Kept{Answer: runtime.Payload(s)}, true
}
func (spoiled) Put(engine.Question, engine.Kept) {}

// TestCallsAtOnceWaitForOne: of identical calls side by side one asks. When it fails the others ask themselves, and nobody waits longer than its
// own call may take, nor when the branch is cancelled.
func TestCallsAtOnceWaitForOne(t *testing.T) {
	t.Parallel()
	slow := func(fail bool) *scripted {
		return &scripted{answer: func(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
				return runtime.Answer{}, runtime.ErrCancelled()
			}
			if fail {
				return runtime.Answer{}, runtime.Errorf(runtime.Refused, "no")
			}
			return runtime.Answer{Value: runtime.Payload("1")}, nil
		}}
	}
	timed := &scripted{answer: func(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
		<-time.After(min(c.Timeout, 10*time.Second))
		if c.Timeout < 10*time.Second {
			return runtime.Answer{}, runtime.Errorf(runtime.Timeout, "late")
		}
		return runtime.Answer{Value: runtime.Payload("1")}, nil
	}}
	const wide = `
def one(i):
    return agent("a").ask("count", cache=True).cached
def main():
    done = parallel(one, range(8), on_error="collect")
    return [len(done.ok), len([c for c in done.values if c])]
`
	const impatient = `
def one(patience):
    return agent("a").ask("count", cache=True, timeout=patience).cached
def late():
    sleep("1s")
    return one("2s")
def main():
    return parallel([lambda: one("60s"), late]).values
`
	const lost = `
def one(i):
    sleep(i)
    return agent("a").ask("count", cache=True).cached
def main():
    r = attempt(within, "5s", parallel, one, range(2))
    return r.error.code
`
	const short = `
def one(i):
    return attempt(lambda: agent("a").ask("count", cache=True, timeout="2s" if i == 0 else "60s").cached).value
def main():
    return sorted([str(v) for v in parallel(one, range(5)).values])
`
	for name, c := range map[string]struct {
		agents *scripted
		src    string
		want   string
		calls  int
		took   time.Duration
	}{
		"answered":  {slow(false), wide, "[8,7]", 1, 10 * time.Second},
		"failed":    {slow(true), wide, "[0,0]", 8, 20 * time.Second},
		"impatient": {slow(false), impatient, "[false,false]", 2, 13 * time.Second},
		"short":     {timed, short, `["False","None","True","True","True"]`, 2, 12 * time.Second},
		"lost":      {slow(false), lost, `"timeout"`, 1, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				require.Equal(t, c.want, does(t, &local.Engine{Agents: c.agents, Cache: &local.Memory{}}, c.src))
				require.Len(t, c.agents.calls, c.calls)
				require.Equal(t, c.took, time.Since(start))
			})
		})
	}
}

// TestAnEarlierAnswerIsRecorded: a run that goes on, or is replayed, has the answer from its own record and asks no cache, even for an agent that
// must not be asked twice.
func TestAnEarlierAnswerIsRecorded(t *testing.T) {
	t.Parallel()
	const src = `
def main():
    r = agent("once").ask("count", cache=True)
    s = agent("once").ask("count", cache=True)
    return [r.value, r.cached, s.cached, s.usage.cost]
`
	agents := clerk()
	agents.infos = []runtime.AgentInfo{{Name: "once", AtMostOnce: true}}
	cache, book := &local.Memory{}, emptyBook()
	require.Equal(t, "[1,false,true,0.0]", does(t, &local.Engine{Agents: agents, Cache: cache, Keep: book}, src))
	require.Len(t, agents.calls, 1)
	facts, err := book.Load("r")
	require.NoError(t, err)
	for _, f := range facts {
		if f.Kind == runtime.Done && f.Addr.N == 2 {
			require.Contains(t, string(f.Request), `"count"`, "the fact says by itself what was asked")
			require.Zero(t, f.Attempt)
			require.Zero(t, f.Usage)
		}
	}
	var events []runtime.Event
	again := &local.Engine{Agents: agents, Keep: told(facts), Replay: true, Emit: func(e runtime.Event) { events = append(events, e) }}
	require.Equal(t, "[1,false,true,0.0]", does(t, again, src))
	calls, cached := 0, 0
	for _, e := range events {
		if e.Kind == runtime.AgentCalled {
			calls++
		}
		if e.Kind == runtime.AgentAnswered && e.Cached {
			cached++
		}
	}
	require.Equal(t, []int{1, 1}, []int{calls, cached})

	without := `
def main():
    r = agent("once").ask("count")
    s = agent("once").ask("count")
    return [r.value, r.cached, s.cached, s.usage.cost]
`
	require.Equal(t, "[1,false,true,0.0]", does(t, &local.Engine{Agents: agents, Keep: told(facts), Replay: true}, without), "consent is no part of the request")
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var m local.Memory
	big := runtime.Payload(make([]byte, 20<<20))
	q := func(i byte) engine.Question { return engine.Question{i} }
	for i := range byte(3) {
		m.Put(q(i), engine.Kept{Answer: big})
		m.Put(q(i), engine.Kept{Answer: big})
	}
	_, ok := m.Get(q(0))
	require.True(t, ok)
	m.Put(q(3), engine.Kept{Answer: big})
	_, ok = m.Get(q(0))
	require.False(t, ok, "the oldest goes")
	for i := range byte(3) {
		_, ok = m.Get(q(i + 1))
		require.True(t, ok)
	}
}

// TestARunThatTakesEarlierAnswersGoesOnBehindEveryFact: whatever was recorded when the host died, the answers are the same, and an answer that was
// kept is not asked for again.
func TestARunThatTakesEarlierAnswersGoesOnBehindEveryFact(t *testing.T) {
	t.Parallel()
	p := compiled(t, `
def ask(n):
    return agent("a").ask("x%d after %dms" % (n % 3, 1 + n), cache=True).value
def main():
    side = parallel(ask, range(6), limit=4).values
    return side + [ask(n % 2) for n in range(4)]
`)
	for kill := range 40 {
		synctest.Test(t, func(t *testing.T) {
			book, o, cache := &notebook{}, newOffice(), &local.Memory{}
			live := func(facts int) (runtime.Payload, error) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				book.kill, book.left = cancel, facts
				e := host(book, o)
				e.Cache = cache
				return e.Run(ctx, engine.Run{ID: "r", Program: p})
			}
			_, _ = live(kill)
			kept := book.outcomes(t)
			before := len(o.seen)
			got, err := live(-1)
			require.NoError(t, err)
			require.JSONEq(t, `["x0", "x1", "x2", "x0", "x1", "x2", "x0", "x1", "x0", "x1"]`, string(got), "resumed behind fact %d", kill)
			for id := range kept {
				require.LessOrEqual(t, len(o.seen[id]), 1, "%s has an outcome and was asked again", id)
			}
			if book.left = -1; kill > 30 {
				require.Len(t, o.seen, before, "it was over")
			}
			again, err := live(-1)
			require.NoError(t, err)
			require.Equal(t, got, again)
		})
	}
}
