package local_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	paper "github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/runtime"
)

// notebook keeps facts in memory, as bytes, until it has so many as are allowed: then the host is dead.
type notebook struct {
	paper.Notebook
	mu   sync.Mutex
	left int // facts before the host dies; negative means that it lives
	kill context.CancelFunc
}

var errDead = errors.New("the host is dead")

func (n *notebook) Append(run string, facts ...runtime.Fact) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range facts {
		if n.left == 0 {
			n.kill()
			return errDead
		}
		n.left--
		if err := n.Notebook.Append(run, f); err != nil {
			return err
		}
	}
	return nil
}

func (n *notebook) Note(run string, facts ...runtime.Fact) { _ = n.Append(run, facts...) }

// office answers for agents and keeps a log of its own, as an agent's process would: it survives the host.
type office struct {
	mu   sync.Mutex
	seen map[string][]int // attempts by call id
	done map[string]bool  // calls that were answered
}

func (o *office) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	o.mu.Lock()
	o.seen[c.ID] = append(o.seen[c.ID], c.Attempt)
	o.mu.Unlock()
	var wait time.Duration
	if _, rest, ok := strings.Cut(c.Task, " after "); ok {
		wait, _ = time.ParseDuration(rest)
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return runtime.Answer{}, runtime.ErrCancelled()
	}
	if strings.HasPrefix(c.Task, "fail") {
		return runtime.Answer{}, runtime.Errorf(runtime.Refused, "no")
	}
	if strings.HasPrefix(c.Task, "flaky") && c.Attempt == 1 {
		e := runtime.Errorf(runtime.Unavailable, "not yet")
		e.Retryable = true
		return runtime.Answer{}, e
	}
	o.mu.Lock()
	o.done[c.ID] = true
	o.mu.Unlock()
	return runtime.Answer{Value: runtime.Payload(fmt.Sprintf("%q", strings.Fields(c.Task)[0])), Usage: runtime.Usage{InputTokens: 3}}, nil
}

func (o *office) Info(name string) (runtime.AgentInfo, bool) {
	return runtime.AgentInfo{Name: name, AtMostOnce: name == "once"}, true
}

func (o *office) Lookup(string) []runtime.AgentInfo {
	return []runtime.AgentInfo{{Name: "a"}, {Name: "b"}}
}

func compiled(t *testing.T, src string) *runtime.Program {
	t.Helper()
	f, err := runtime.Parse("p.star", []byte(src))
	require.NoError(t, err)
	p, err := runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: builtins.All()})
	require.NoError(t, err)
	return p
}

// lives are patterns whose record is cut off behind every fact in turn.
var lives = map[string]string{
	"parallel": `
def work(n):
    a = agent("a").ask("x%d after %dms" % (n, 10 * (7 - n))).value
    sleep(n / 1000.0)
    state.set("k%d" % n, a)
    return a + agent("a").ask("y%d" % n).value
def main():
    done = parallel(work, range(6), limit=3)
    return [done.values, state.keys(), random(), agents("x")[0].name]
`,
	"failures": `
def work(n):
    if n == 3:
        return agent("a").ask("fail after 25ms").value
    return agent("a").ask("x%d after %dms" % (n, 10 * n)).value
def main():
    a = attempt(parallel, work, range(6))
    b = parallel(work, range(6), on_error="collect")
    return [a.error.code, b.values, [f.index for f in b.failed], agent("b").ask("end").value]
`,
	"race": `
def slow(n):
    first = agent("a").ask("r%d after %dms" % (n, 10 * (5 - n))).value
    return first + agent("b").ask("s%d after %dms" % (n, n)).value
def main():
    won = race(defer(slow, 1), defer(slow, 2), defer(slow, 3))
    some = parallel(slow, range(5), until=first(2))
    return [won, sorted(some.values), len(some.cancelled), agent("b").ask("end").value]
`,
	"deadlines": `
def work(n):
    return agent("a").ask("d%d after %s" % (n, "0ms" if n < 3 else "1h")).value
def main():
    a = attempt(within, "30ms", work, 9)
    b = parallel(work, range(5), timeout="50ms", on_error="collect")
    c = parallel(lambda n: parallel(work, [n, 4], timeout="70ms", on_error="collect").values, [1, 2])
    return [a.error.code, b.values, [f.error.code for f in b.failed], c.values]
`,
	"retries": `
def main():
    a = agent("a").ask("flaky", retry=retry(3, backoff="10ms")).value
    b = attempt(agent("a").ask, "fail", retry=1)
    sleep("1h")
    phase("end")
    log("done", n=1)
    return [a, b.error.code, budget.remaining("calls"), now().year > 1999]
`,
	"nested": `
def inner(m, n):
    return agent("a").ask("i%d-%d after %dms" % (n, m, 5 * m + n)).value
def outer(n):
    return [parallel(inner, range(3), n=n).values, race(defer(inner, 1, n), defer(inner, 2, n))]
def main():
    return parallel(outer, range(3), limit=2).values
`,
}

// engine is a host: what it keeps and whom it asks survive it.
func host(n *notebook, o *office) *local.Engine { return &local.Engine{Agents: o, Keep: n} }

func newOffice() *office { return &office{seen: make(map[string][]int), done: make(map[string]bool)} }

// live runs until the end or until the host dies; it gives the result.
func (n *notebook) live(ctx context.Context, o *office, p *runtime.Program, facts int) (runtime.Payload, error) {
	ctx, n.kill = context.WithCancel(ctx)
	defer n.kill()
	n.left = facts
	return host(n, o).Run(ctx, engine.Run{ID: "r", Program: p, Config: runtime.Config{Seed: 5}})
}

func TestARunGoesOnBehindEveryFact(t *testing.T) {
	t.Parallel()
	for name, src := range lives {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compiled(t, src)
			var want runtime.Payload
			var facts int
			synctest.Test(t, func(t *testing.T) {
				book := &notebook{}
				var err error
				want, err = book.live(t.Context(), newOffice(), p, -1)
				require.NoError(t, err)
				facts = -1 - book.left

				o := newOffice()
				again, err := book.live(t.Context(), o, p, 0)
				require.NoError(t, err, "a replay records nothing")
				require.Equal(t, want, again)
				require.Empty(t, o.seen, "a replay asks nobody")
			})
			for kill := range facts {
				synctest.Test(t, func(t *testing.T) { dieAndGoOn(t, p, want, kill) })
			}
		})
	}
}

// dieAndGoOn lets the host die behind so many facts, and the next one two facts later, and then the run go on to its end.
func dieAndGoOn(t *testing.T, p *runtime.Program, want runtime.Payload, facts int) {
	t.Helper()
	book, o := &notebook{}, newOffice()
	for _, more := range []int{facts, 2} {
		if early, err := book.live(t.Context(), o, p, more); err == nil {
			require.Equal(t, want.String(), early.String(), "what was left to be kept did not matter")
		} else {
			require.NotContains(t, err.Error(), "another way")
		}
	}
	recorded := book.outcomes(t)
	before := maps.Clone(o.seen)
	got, err := book.live(t.Context(), o, p, -1)
	require.NoError(t, err, "resumed behind fact %d", facts)
	require.Equal(t, want.String(), got.String(), "resumed behind fact %d", facts)
	for id := range recorded {
		require.Equal(t, before[id], o.seen[id], "%s has an outcome and was asked again", id)
	}
	for id, attempts := range o.seen {
		for i := 1; i < len(attempts); i++ {
			require.GreaterOrEqual(t, attempts[i], attempts[i-1], "attempts of %s", id)
		}
	}
}

// outcomes are the ids of the calls whose outcome is kept.
func (n *notebook) outcomes(t *testing.T) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	facts, err := n.Load("r")
	require.NoError(t, err)
	for _, f := range facts {
		if f.Kind == runtime.Done {
			ids["r/"+f.Addr.String()] = true
		}
	}
	return ids
}

// BenchmarkReplay is a chain of calls that is told from its record, beside the same script with an outcome at hand for each call: the difference is what
// the record costs beyond the script's own time.
func BenchmarkReplay(b *testing.B) {
	f, err := runtime.Parse("p.star", []byte("def main():\n    for i in range(1000):\n        agent(\"a\").ask(\"x\", n=i)\n"))
	require.NoError(b, err)
	p, err := runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: builtins.All()})
	require.NoError(b, err)
	book := &notebook{}
	_, err = book.live(b.Context(), newOffice(), p, -1)
	require.NoError(b, err)
	facts, err := book.Load("r")
	require.NoError(b, err)
	answer := runtime.Answer{Agent: "a", Attempts: 1, Value: runtime.Payload(`"x"`), Usage: runtime.Usage{InputTokens: 3}}
	b.Run("script", func(b *testing.B) {
		for b.Loop() {
			_, err := p.Run(atHand{answer.Payload()}, nil, runtime.Config{})
			require.NoError(b, err)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/fact")
	})
	b.Run("replay", func(b *testing.B) {
		for b.Loop() {
			_, err := (&local.Engine{Agents: newOffice(), Keep: told(facts)}).Run(b.Context(), engine.Run{ID: "r", Program: p})
			require.NoError(b, err)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/fact")
	})
}

// atHand has one outcome for every effect.
type atHand struct{ outcome runtime.Payload }

func (a atHand) Do(runtime.Effect) (runtime.Payload, error) { return a.outcome, nil }
func (atHand) Fork(runtime.ForkSpec, int, func(int, runtime.Effects) (any, error)) runtime.Group {
	return nil
}
func (atHand) Checkpoint() error { return nil }
func (atHand) Now() time.Time    { return time.Time{} }

// told is a record that is only read.
type told []runtime.Fact

func (told) Append(string, ...runtime.Fact) error  { return errDead }
func (told) Note(string, ...runtime.Fact)          {}
func (f told) Load(string) ([]runtime.Fact, error) { return f, nil }

func (o *office) attempts() (n int) {
	for _, made := range o.seen {
		n += len(made)
	}
	return n
}

// What an ended child run took counts after a resume as before it.
func TestABudgetIsTheSameOverAResume(t *testing.T) {
	t.Parallel()
	child := compiled(t, "def main():\n    return [agent(\"a\").ask(\"c%d\" % i).value for i in range(2)]\n")
	parent := compiled(t, `
def main():
    got = run(":c.star")
    first = attempt(agent("a").ask, "x")
    second = attempt(agent("a").ask, "y")
    return [got, first.ok, second.error.code]
`)
	host := func(n *notebook, o *office) *local.Engine {
		e := host(n, o)
		e.Budget = runtime.BudgetLimits{Calls: 3}
		e.Open = func(string, string) (*runtime.Program, error) { return child, nil }
		return e
	}
	want := `[["c0","c1"],true,"budget"]`
	for kill := range 12 {
		synctest.Test(t, func(t *testing.T) {
			book, o := &notebook{}, newOffice()
			for _, facts := range []int{kill, -1} {
				ctx, cancel := context.WithCancel(t.Context())
				book.kill, book.left = cancel, facts
				got, err := host(book, o).Run(ctx, engine.Run{ID: "r", Program: parent})
				cancel()
				if err != nil {
					require.Equal(t, kill, facts, "%v", err)
				} else { // the budget may have no room to make a call again whose answer was lost
					require.Contains(t, []string{want, `[["c0","c1"],false,"budget"]`}, got.String(), "killed behind fact %d", kill)
				}
			}
			require.LessOrEqual(t, o.attempts(), 4, "killed behind fact %d: one call may have begun without a durable word of it", kill)
		})
	}
}
