package story_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/runtime"
)

var update = flag.Bool("update", false, "rewrite golden files")

// office answers for agents: "say X" with X, "fail" with a refusal, "flaky" at the second attempt; "after D" takes that long.
type office struct{}

func (office) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	task, rest, _ := strings.Cut(c.Task, " after ")
	wait, _ := time.ParseDuration(rest)
	select {
	case <-time.After(wait + 100*time.Millisecond):
	case <-ctx.Done():
		return runtime.Answer{}, runtime.ErrCancelled()
	}
	used := runtime.Usage{InputTokens: 10, OutputTokens: 2, CostMicroUSD: 1500, Model: "tiny"}
	if task == "fail" {
		return runtime.Answer{Usage: used}, runtime.Errorf(runtime.Refused, "not this one")
	}
	if task == "flaky" && c.Attempt == 1 {
		e := runtime.Errorf(runtime.Unavailable, "not yet")
		e.Retryable = true
		return runtime.Answer{Usage: used}, e
	}
	sure := 0.75
	return runtime.Answer{
		Value: runtime.Payload(fmt.Sprintf("%q", strings.TrimPrefix(task, "say "))), Confidence: &sure, Reasoning: "it was asked for", Usage: used,
	}, nil
}

func (office) Info(name string) (runtime.AgentInfo, bool) { return runtime.AgentInfo{Name: name}, true }

func (office) Lookup(string) []runtime.AgentInfo {
	return []runtime.AgentInfo{{Name: "ada"}, {Name: "bo"}, {Name: "cy"}}
}

func compiled(src string) (*runtime.Program, error) {
	f, err := runtime.Parse("p.star", []byte(src))
	if err != nil {
		return nil, err
	}
	return runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: builtins.All()})
}

// told runs a pattern and tells its story. With a timeout the host goes away then.
func told(t *testing.T, src string, timeout time.Duration) *story.Run {
	t.Helper()
	book := &notebook.Notebook{}
	host := &local.Engine{Agents: office{}, Keep: book, Open: func(string, string) (*runtime.Program, error) {
		return compiled("def main(n):\n    return vote([agent(\"ada\").ask(\"say a\"), agent(\"bo\").ask(\"say b\"), \"a\"])\n")
	}}
	p, err := compiled(src)
	require.NoError(t, err)
	ctx := t.Context()
	suspended := errors.New("the host goes away")
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, suspended)
		defer cancel()
	}
	head := story.Head{ID: "r", Pattern: "p.star", Started: time.Now().UTC(), Inputs: runtime.Payload("{}"), Status: story.Done}
	head.Result, err = host.Run(ctx, engine.Run{ID: "r", Program: p, Config: runtime.Config{Seed: 5}})
	head.Ended = time.Now().UTC()
	if err != nil {
		head.Status = story.Failed
		head.Error, _ = errors.AsType[*runtime.Error](err)
	}
	if ctx.Err() != nil {
		head.Status, head.Why, head.Error = story.Suspended, suspended.Error(), nil
	}
	return story.Tell(kept(t, book, head), childrenOf(t, book)...)
}

func kept(t *testing.T, book *notebook.Notebook, head story.Head) story.Kept {
	t.Helper()
	facts, err := book.Load(head.ID)
	require.NoError(t, err)
	return story.Kept{Head: head, Facts: facts}
}

func childrenOf(t *testing.T, book *notebook.Notebook) []story.Kept {
	t.Helper()
	var children []story.Kept
	for _, id := range book.Runs() {
		if strings.Contains(id, "/") {
			children = append(children, kept(t, book, story.Head{ID: id}))
		}
	}
	return children
}

var stories = map[string]struct {
	src  string
	stop time.Duration
}{
	"steps": {src: `
def main():
    phase("Think")
    log("begun", n = 1)
    a = agent("ada").ask("flaky", retry = retry(3), text = "hello").value
    b = attempt(agent("bo").ask, "fail")
    sleep("1h")
    emit("found", what = a)
    gate("sure", a)
    return [a, b.error.code, budget.remaining("calls"), [x.name for x in agents("any")]]
`},
	"branches": {src: `
def work(n):
    if n == 3:
        return agent("bo").ask("fail after 25ms").value
    return agent("ada").ask("say x%d after %dms" % (n, 10 * n)).value
def pure(n):
    return n
def main():
    a = parallel(work, range(5), on_error = "collect")
    b = attempt(parallel, work, [3, 9])
    c = parallel(pure, ["left", "right"])
    return [a.values, b.error.code, c.values]
`},
	"race": {src: `
def slow(n):
    first = agent("ada").ask("say r%d after %dms" % (n, 130 * n)).value
    return first + agent("bo").ask("say s%d after 7ms" % n).value
def main():
    won = race(defer(slow, 3), defer(slow, 1), defer(slow, 2))
    some = parallel(slow, range(5), until = first(2))
    late = parallel(slow, [1, 90], timeout = "1s", on_error = "collect")
    return [won, len(some.cancelled), len(late.values)]
`},
	"nested": {src: `
def inner(m, n):
    return agent("ada").ask("say i%d-%d" % (n, m)).value
def outer(name):
    return [parallel(inner, range(2), n = len(name)).values, run(":child.star", n = 1)["winner"]]
def main():
    return parallel(outer, ["a", "bb"]).values
`},
	"failed": {src: `
def work(n):
    agent("ada").ask("say %d after %dms" % (n, 10 * n))
    if n == 1:
        fail("there is no one")
    return agent("bo").ask("say more after 1h").value
def main():
    phase("Work")
    return parallel(work, range(3)).values
`},
	"suspended": {src: `
def work(n):
    if n == 0:
        return agent("ada").ask("say soon").value
    if n == 1:
        return agent("ada").ask("say late after 1h").value
    if n == 2:
        sleep("2h")
    return wait_for("go", timeout = "3h")
def main():
    log("first")
    return parallel(work, range(4)).values
`, stop: time.Minute},
}

func TestAStoryIsTold(t *testing.T) {
	t.Parallel()
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := told(t, s.src, s.stop)
				everyFactIsShown(t, r)
				var b strings.Builder
				require.NoError(t, story.Text(&b, r, story.TextOptions{}))
				golden(t, name, b.String())
			})
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// everyFactIsShown says that each fact hangs on a node that stands where the fact says.
func everyFactIsShown(t require.TestingT, r *story.Run) int {
	n := 0
	r.Root.Walk(func(node *story.Node, _ int) bool {
		for _, f := range node.Facts {
			n++
			if f.Addr != (runtime.Address{}) {
				require.Equal(t, f.Addr, node.Addr)
			}
		}
		return true
	})
	return n
}
