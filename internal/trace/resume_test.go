package trace_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/internal/testkit/otlp"
	"github.com/parallax-run/parallax/internal/trace"
	"github.com/parallax-run/parallax/runtime"
)

// receiver has every span that was ever exported.
type receiver struct {
	mu    sync.Mutex
	spans []*tracepb.Span
}

func (r *receiver) Put(spans ...*tracepb.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, spans...)
}

// tree requires that all that came is one tree.
func (r *receiver) tree(t *testing.T, why string) []string {
	t.Helper()
	require.Equal(t, trace.ID("r"), hex.EncodeToString(r.spans[0].GetTraceId()))
	return otlp.Tree(t, r.spans, why, "parallax.branch", "parallax.address")
}

var errDead = errors.New("the host is dead")

// host is a process that dies behind so many facts: nothing that happens in it later reaches its record or the receiver.
type host struct {
	paper notebook.Notebook
	mu    sync.Mutex
	noted []func() // not durable yet
	left  int      // facts until it dies; negative means that it lives
	dead  bool
	kill  context.CancelFunc
}

func (h *host) Append(run string, facts ...runtime.Fact) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead || !h.count() {
		return errDead
	}
	for _, write := range h.noted {
		write()
	}
	h.noted = nil
	return h.paper.Append(run, facts...)
}

func (h *host) Note(run string, facts ...runtime.Fact) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.dead && h.count() {
		h.noted = append(h.noted, func() { h.paper.Note(run, facts...) })
	}
}

func (h *host) count() bool {
	if h.left == 0 {
		h.dead = true
		h.noted = nil
		h.kill()
		return false
	}
	h.left--
	return true
}

func (h *host) Load(run string) ([]runtime.Fact, error) { return h.paper.Load(run) }

// office answers: "x after 10ms" takes so long, "fail" fails, "flaky" fails at first, "tools" uses some.
type office struct{}

func (office) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	var wait time.Duration
	if _, rest, ok := strings.Cut(c.Task, " after "); ok {
		wait, _ = time.ParseDuration(rest)
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return runtime.Answer{}, runtime.ErrCancelled()
	}
	switch {
	case strings.HasPrefix(c.Task, "fail"):
		return runtime.Answer{}, runtime.Errorf(runtime.Refused, "no: %s", c.Task)
	case strings.HasPrefix(c.Task, "flaky") && c.Attempt == 1:
		e := runtime.Errorf(runtime.Unavailable, "not yet")
		e.Retryable = true
		return runtime.Answer{}, e
	case strings.HasPrefix(c.Task, "tools") && c.Watch != nil:
		c.Watch(runtime.Progress{Tool: "search", Use: runtime.ToolUse{ID: "t1", Arguments: []byte(`{"q":"x"}`)}})
		c.Watch(runtime.Progress{Tool: "search", Use: runtime.ToolUse{ID: "t1", Output: []byte(`"found"`)}})
		c.Watch(runtime.Progress{Tool: "shell", Use: runtime.ToolUse{Failed: true}})
	}
	return runtime.Answer{
		Value: runtime.Payload(fmt.Sprintf("%q", strings.Fields(c.Task)[0])),
		Usage: runtime.Usage{InputTokens: 3, OutputTokens: 5, Model: "m-1"},
	}, nil
}

func (office) Info(name string) (runtime.AgentInfo, bool) { return runtime.AgentInfo{Name: name}, true }

func (office) Lookup(string) []runtime.AgentInfo { return []runtime.AgentInfo{{Name: "a"}} }

func compiled(t *testing.T, src string) *runtime.Program {
	t.Helper()
	f, err := runtime.Parse("p.star", []byte(src))
	require.NoError(t, err)
	p, err := runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: builtins.All()})
	require.NoError(t, err)
	return p
}

const childSource = `
def part(n):
    agent("a").ask("part%d after %dms" % (n, 5 * n))
    sleep("3ms")
def main():
    parallel(part, range(3))
    return agent("a").ask("child after 4ms").value
`

// live runs until the end, or until the host dies. What it exports arrives.
func (h *host) live(ctx context.Context, t *testing.T, p *runtime.Program, to *receiver, facts int) (*trace.Tracer, error) {
	t.Helper()
	ctx, h.kill = context.WithCancel(ctx)
	defer h.kill()
	h.left, h.dead = facts, false
	tracer := trace.New(to, trace.Options{Kept: true})
	child := compiled(t, childSource)
	eng := &local.Engine{
		Agents: office{}, Keep: h, Watch: true, Retell: true,
		Open: func(string, string) (*runtime.Program, error) { return child, nil },
		Emit: func(e runtime.Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if !h.dead {
				tracer.Event(e)
			}
		},
	}
	_, err := eng.Run(ctx, engine.Run{ID: "r", Program: p, Config: runtime.Config{Seed: 5}})
	return tracer, err
}

// lives are patterns whose host dies behind every fact in turn.
var lives = map[string]string{
	"parallel": `
def work(n):
    a = agent("a").ask("x%d after %dms" % (n, 10 * (7 - n))).value
    sleep(n / 1000.0)
    return a + agent("a").ask("y%d" % n).value
def main():
    phase("work")
    done = parallel(work, range(5), limit=3)
    return done.values
`,
	"failures": `
def work(n):
    if n == 3:
        return agent("a").ask("fail after 25ms").value
    return agent("a").ask("x%d after %dms" % (n, 10 * n)).value
def main():
    attempt(parallel, work, range(6))
    parallel(work, range(6), on_error="collect")
    return agent("b").ask("end").value
`,
	"race": `
def slow(n):
    first = agent("a").ask("r%d after %dms" % (n, 10 * (5 - n))).value
    sleep("1ms")
    return first + agent("b").ask("s%d after %dms" % (n, n)).value
def main():
    race(defer(slow, 1), defer(slow, 2), defer(slow, 3))
    parallel(slow, range(5), until=first(2))
    return agent("b").ask("end after 5ms").value
`,
	"retries": `
def main():
    agent("a").ask("flaky", retry=retry(3, backoff="10ms"))
    attempt(agent("a").ask, "fail", retry=1)
    attempt(wait_for, "never", timeout="5ms")
    sleep("1h")
    phase("end")
    log("done", n=1)
    return agent("a").ask("tools after 3ms").value
`,
	"nested": `
def inner(m, n):
    return agent("a").ask("i%d-%d after %dms" % (n, m, 5 * m + n)).value
def outer(n):
    return [parallel(inner, range(3), n=n).values, race(defer(inner, 1, n), defer(inner, 2, n))]
def deep(n):
    parallel(inner, range(3), n=n)
    return agent("b").ask("deep%d after %dms" % (n, 7 * n)).value
def main():
    race(defer(deep, 1), defer(deep, 5), defer(agent("b").ask, "won after 8ms"))
    return parallel(outer, range(3), limit=2).values
`,
	"children": `
def kid(n):
    return run(":child.star")
def main():
    a = run(":child.star")
    parallel(kid, range(2))
    return [a, agent("b").ask("end after 2ms").value]
`,
}

func TestARunThatDiesAndGoesOnIsOneTree(t *testing.T) {
	t.Parallel()
	for name, src := range lives {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compiled(t, src)
			var want []string
			facts := 0
			synctest.Test(t, func(t *testing.T) {
				h, to := &host{}, &receiver{}
				tracer, err := h.live(t.Context(), t, p, to, -1)
				require.NoError(t, err)
				tracer.Over()
				want = to.tree(t, "undisturbed")
				facts = -1 - h.left
			})
			for kill := range facts {
				synctest.Test(t, func(t *testing.T) { dieAndGoOn(t, p, want, kill) })
			}
		})
	}
}

// dieAndGoOn lets the host die behind so many facts, and the next one three facts later, and the run go on to its end.
func dieAndGoOn(t *testing.T, p *runtime.Program, want []string, facts int) {
	t.Helper()
	h, to := &host{}, &receiver{}
	for _, more := range []int{facts, 3} {
		if _, err := h.live(t.Context(), t, p, to, more); err == nil {
			break
		}
		time.Sleep(time.Second) //nolint:forbidigo // virtual: the next host comes later
	}
	tracer, err := h.live(t.Context(), t, p, to, -1)
	require.NoError(t, err)
	tracer.Over()
	why := fmt.Sprintf("died behind fact %d", facts)
	got := to.tree(t, why)
	for _, way := range want {
		if !slices.Contains(got, way) {
			// A call whose outcome was on record, and whose branch had not gone on: its span was not sent yet, and is not made again.
			require.Contains(t, way[strings.LastIndex(way, ">")+1:], " invoke_agent ", "%s", why)
		}
	}
	require.GreaterOrEqual(t, len(got), len(want)-8, "%s", why)
}
