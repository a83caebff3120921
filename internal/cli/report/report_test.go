package report_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli/report"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/runtime"
)

// hostile is what an agent says that wants to be more than text.
const hostile = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.exe\x1b[2J\x00 \" onload='alert(3)' {{.}} <!-- ]]>"

// office answers for agents, each after its own time.
type office struct{}

func (office) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	task, rest, _ := strings.Cut(c.Task, " after ")
	wait, _ := time.ParseDuration(rest)
	select {
	case <-time.After(wait + 120*time.Millisecond):
	case <-ctx.Done():
		return runtime.Answer{}, runtime.ErrCancelled()
	}
	a := runtime.Answer{Reasoning: "Because the question allows no other answer.", Usage: runtime.Usage{InputTokens: 812, OutputTokens: 40, CostMicroUSD: 3010, Model: "tiny-1"}}
	sure := 0.9
	a.Confidence, a.Basis = &sure, "self_report"
	text := strings.TrimPrefix(task, "say ")
	switch task {
	case "fail":
		return runtime.Answer{Usage: a.Usage}, runtime.Errorf(runtime.Refused, "%s", hostile)
	case "attack":
		text, a.Reasoning = hostile, hostile
	case "long":
		text = strings.Repeat("A long answer goes on & on. ", 20_000)
	case "flaky":
		if c.Attempt == 1 {
			e := runtime.Errorf(runtime.Unavailable, "not yet")
			e.Retryable = true
			return runtime.Answer{}, e
		}
	}
	a.Value = quote(text)
	return a, nil
}

func (office) Info(name string) (runtime.AgentInfo, bool) { return runtime.AgentInfo{Name: name}, true }

func (office) Lookup(string) []runtime.AgentInfo { return []runtime.AgentInfo{{Name: "ada"}} }

func compiled(src string) (*runtime.Program, error) {
	f, err := runtime.Parse("panel.star", []byte(src))
	if err != nil {
		return nil, err
	}
	return runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: builtins.All()})
}

const child = `
def main(text):
    return verify(text, lambda t: {"score": 0.9, "reason": "it is short"}, lambda t: {"score": 0.7, "reason": "it is plain"})
`

// told runs a pattern and tells its story.
func told(t *testing.T, src string) *story.Run {
	t.Helper()
	book := &notebook.Notebook{}
	host := &local.Engine{Agents: office{}, Keep: book, Open: func(string, string) (*runtime.Program, error) { return compiled(child) }}
	p, err := compiled(src)
	require.NoError(t, err)
	head := story.Head{ID: "20260504-101112-k2f7qa", Pattern: "panel.star", Version: "0.4.0", Started: time.Now().UTC(), Inputs: runtime.Payload("{}"), Status: story.Done}
	head.Result, err = host.Run(t.Context(), engine.Run{ID: head.ID, Program: p})
	head.Ended = time.Now().UTC()
	if err != nil {
		head.Status = story.Failed
		head.Error, _ = errors.AsType[*runtime.Error](err)
	}
	var children []story.Kept
	for _, id := range book.Runs() {
		facts, err := book.Load(id)
		require.NoError(t, err)
		if id == head.ID {
			children = append([]story.Kept{{Head: head, Facts: facts}}, children...)
		} else {
			children = append(children, story.Kept{Head: story.Head{ID: id}, Facts: facts})
		}
	}
	return story.Tell(children[0], children[1:]...)
}

const panel = `
def judge(name):
    answers = {"chemist": "say yes after 200ms", "lawyer": "say no after 700ms", "economist": "say yes after 90ms", "critic": "flaky"}
    log("asks", who = name)
    return agent(name).ask(answers[name], text = "The plant emits less than it did.", limits = {"words": 60, "tone": ["plain", "short"]}, retry = retry(2))

def draft(name):
    return agent(name).ask("long after %s" % ("300ms" if name == "fast" else "9s"))

def main():
    """Decides whether a report is sound."""
    phase("Ask the panel")
    answers = parallel(judge, ["chemist", "lawyer", "economist", "critic"], limit = 3)
    tally = vote(answers)
    phase("Write")
    text = race(defer(draft, "fast"), defer(draft, "slow")).value
    tried = parallel(lambda n: agent("guard").ask(n), ["fail", "attack", "say fine"], on_error = "collect")
    checked = run(":check.star", text = "A summary.")
    sleep("400ms")
    gate("it is sound", tally)
    emit("ready", words = 12)
    return {"tally": tally, "checked": checked, "refused": len(tried.failed), "text": text[:600]}
`

// pages are runs that look different from one another.
func pages(t *testing.T) map[string]*story.Run {
	t.Helper()
	runs := make(map[string]*story.Run)
	for name, src := range map[string]string{
		"panel": panel,
		"failed": `
def work(n):
    agent("ada").ask("say %d after %dms" % (n, 50 * n))
    if n == 2:
        fail("branch %d has nothing to say" % n)
    return agent("bo").ask("say more after 10s").value
def helper():
    return parallel(work, range(4)).values
def main():
    phase("Work")
    return helper()
`,
		"small": "def main():\n    return 1\n",
		"wide": `
def work(n):
    return agent("ada").ask("say %d after %dms" % (n, n % 97)).value
def main():
    return len(parallel(work, range(10000), limit = 500).values)
`,
	} {
		synctest.Test(t, func(t *testing.T) { runs[name] = told(t, src) })
	}
	runs["suspended"] = story.Tell(story.Kept{Head: story.Head{ID: "s", Status: story.Suspended, Why: "a person has to decide", Started: time.Unix(0, 0)}, Facts: []runtime.Fact{
		{Kind: runtime.Begun, At: time.Unix(0, 0)},
		{Addr: runtime.Address{N: 1}, Kind: runtime.Done, At: time.Unix(1, 0), Request: runtime.Payload(`{"effect":"phase","name":"Ask"}`), Outcome: runtime.Null},
		{Addr: runtime.Address{N: 2}, Kind: runtime.Begun, At: time.Unix(90_000, 0), Until: time.Unix(180_000, 0), Request: runtime.Payload(`{"context":{"diff":"+1 -1"},"effect":"approve","options":["approve","reject"],"title":"Deploy?"}`)},
	}})
	runs["deep"] = deep()
	return runs
}

// deep is a run of forks within forks, with words that nothing breaks.
func deep() *story.Run {
	word := strings.Repeat("unbreakable", 12)
	facts := []runtime.Fact{{Kind: runtime.Begun, At: time.Unix(0, 0)}}
	path := runtime.Path("")
	for i := range 24 {
		at := time.Unix(int64(i), 0)
		facts = append(facts,
			runtime.Fact{Addr: runtime.Address{Path: path, N: 1}, Kind: runtime.Begun, At: at, Attempt: 1, Request: runtime.Payload(`{"agent":"` + word + `","effect":"agent","task":"` + word + `"}`)},
			runtime.Fact{Addr: runtime.Address{Path: path, N: 1}, Kind: runtime.Done, At: at.Add(time.Second), Outcome: runtime.Payload(`{"value":{"` + word + `":["` + word + `"]}}`)},
			runtime.Fact{Addr: runtime.Address{Path: path, N: 2}, Kind: runtime.Begun, At: at, Request: runtime.NamedFork("parallel", 1, []string{word})},
		)
		path = path.Child(2, 0)
	}
	votes := runtime.Payload(`{"status":"tie","distribution":{"` + word + `":1,"b":1},"winner":null,"dissent":[{"option":"b","agents":["` + word + `"],"reasons":["` + word + `"]}]}`)
	head := story.Head{ID: word, Pattern: word + ".star", Status: story.Failed, Ended: time.Unix(100, 0), Result: votes, Error: &runtime.Error{Code: runtime.Script, Message: word, Hint: word, Trace: []runtime.Frame{{Func: word, Pos: word + ".star:1:2"}}}}
	return story.Tell(story.Kept{Head: head, Facts: facts})
}

func html(t require.TestingT, r *story.Run, l report.Limits) string {
	var b bytes.Buffer
	require.NoError(t, report.HTML(&b, r, l))
	return b.String()
}

// contains is require.Contains without the page in its message.
func contains(t *testing.T, page, said string) {
	t.Helper()
	require.True(t, strings.Contains(page, said), "%q is not on the page", said) //nolint:testifylint // a page is long
}

func TestNothingAnAgentSaysIsMoreThanText(t *testing.T) {
	t.Parallel()
	page := html(t, pages(t)["panel"], report.Limits{})
	require.Equal(t, 1, strings.Count(page, "<script>"), "our own script alone")
	require.Equal(t, 1, strings.Count(page, "</script>"))
	require.NotContains(t, page, "<img")
	require.NotContains(t, page, "\u202e")
	require.NotContains(t, page, "\x1b")
	contains(t, page, `\u202egnp.exe\u001b[2J`)
	contains(t, page, "&lt;script&gt;alert(1)&lt;/script&gt;")
	for _, outside := range []string{"http://", "https://", "url(", "@import", "src="} {
		require.NotContains(t, strings.ReplaceAll(page, "src=x onerror", ""), outside)
	}
}

func TestAPageSaysWhatHappened(t *testing.T) {
	t.Parallel()
	runs := pages(t)
	panel := html(t, runs["panel"], report.Limits{})
	for _, said := range []string{
		"<title>panel.star: done</title>", "winner: yes", "4 of 4 answers count", "dissent", "it is plain", "2 attempts", "self report", "1 failed", "delivered as number 1", "tiny-1",
	} {
		contains(t, panel, said)
	}
	failed := html(t, runs["failed"], report.Limits{})
	for _, said := range []string{"branch 2 has nothing to say", "Traceback (most recent call last):", "panel.star:", "in helper", "cancelled"} {
		contains(t, failed, said)
	}
	waits := html(t, runs["suspended"], report.Limits{})
	for _, said := range []string{"a person has to decide", "Deploy?", "until 1970-01-03", "cut short"} {
		contains(t, waits, said)
	}
}

// A run of ten thousand branches must fit a browser, and say what of it is not on the page.
func TestALargeRunIsFolded(t *testing.T) {
	t.Parallel()
	r := pages(t)["wide"]
	page := html(t, r, report.Limits{})
	require.Less(t, len(page), 3<<20)
	contains(t, page, "The run has 20,002 parts; 2,000 of them are on this page")
	contains(t, page, "more branches left out here:")
	contains(t, page, "more lines of work left out here.")
	small := html(t, r, report.Limits{Nodes: 50, Lanes: 5, Bytes: 2000})
	require.Less(t, len(small), 100<<10)
}

// Nor do three thousand failures that say much, in words that take more room on a page.
func TestALargeFailureIsFolded(t *testing.T) {
	t.Parallel()
	much := strings.Repeat(`"<&'>`, 1600)
	ask := runtime.Payload(`{"agent":` + string(quote(much)) + `,"effect":"agent","input":{"x":` + string(quote(much)) + `},"task":` + string(quote(much)) + `}`)
	facts := []runtime.Fact{{Addr: runtime.Address{N: 1}, Kind: runtime.Begun, Request: runtime.NamedFork("parallel", 3000, nil)}}
	for i := range 3000 {
		at := runtime.Address{Path: runtime.Path("").Child(1, i), N: 1}
		no := &runtime.Error{Code: runtime.Refused, Message: much, Hint: much}
		facts = append(facts,
			runtime.Fact{Addr: at, Kind: runtime.Begun, Request: ask}, runtime.Fact{Addr: at, Kind: runtime.Done, Err: no},
			runtime.Fact{Addr: runtime.Address{N: 1}, Kind: runtime.Delivered, Seq: i, Index: i, Err: no})
	}
	page := html(t, story.Tell(story.Kept{Head: story.Head{ID: "r", Status: story.Done}, Facts: facts}), report.Limits{})
	require.Less(t, len(page), 7<<20)
	contains(t, page, "2,950 more failures left out here.")
}

func TestLargeValuesAreCut(t *testing.T) {
	t.Parallel()
	page := html(t, pages(t)["panel"], report.Limits{Bytes: 10_000})
	require.Less(t, len(page), 120<<10)
	contains(t, page, "are shown; the record of the run has the rest.")
}

// Whatever a record holds, the page is written, and markup in it stays text.
func TestAnyRunBecomesAPage(t *testing.T) {
	t.Parallel()
	words := rapid.SampledFrom([]string{"", "a", hostile, strings.Repeat("x<", 3000), "\xff", `{"effect":"parallel","branches":7,"labels":["<b>"]}`})
	rapid.Check(t, func(t *rapid.T) {
		var facts []runtime.Fact
		for range rapid.IntRange(0, 12).Draw(t, "facts") {
			p := quote(words.Draw(t, "outcome"))
			facts = append(facts, runtime.Fact{
				Addr: runtime.Address{Path: runtime.Path(rapid.SampledFrom([]string{"", "1.0", "1.2.1.0", "<b>"}).Draw(t, "path")), N: rapid.IntRange(0, 3).Draw(t, "n")},
				Kind: runtime.FactKind(rapid.IntRange(1, 5).Draw(t, "kind")), At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 0),
				Request: runtime.Payload(`{"agent":` + string(p) + `,"effect":"agent","input":{"distribution":{` + string(p) + `:1},"winner":null},"task":` + string(p) + `}`),
				Outcome: runtime.Payload(`{"value":` + string(p) + `}`), Err: &runtime.Error{Message: words.Draw(t, "error")},
			})
		}
		r := story.Tell(story.Kept{Head: story.Head{ID: words.Draw(t, "id"), Pattern: words.Draw(t, "pattern"), Why: words.Draw(t, "why"), Result: quote(words.Draw(t, "result"))}, Facts: facts})
		page := html(t, r, report.Limits{})
		require.Equal(t, 1, strings.Count(page, "<script"))
		require.NotContains(t, page, "<b>")
		require.NotContains(t, page, "<img")
		require.True(t, strings.HasSuffix(strings.TrimSpace(page), "</html>"))
	})
}

// quote is a text as JSON.
func quote(s string) runtime.Payload {
	a, err := runtime.Encode(starlark.String(s))
	if err != nil {
		return runtime.Payload(`"\u0000"`)
	}
	return a
}
