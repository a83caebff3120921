package screen

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// lookup makes an environment of pairs.
func lookup(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// shown gives what a screen that is no terminal shows of a run, the times left out.
func shown(p *play, o Options) string {
	var b bytes.Buffer
	o.LookupEnv = lookup()
	s := New(&b, o)
	for _, e := range p.events {
		s.Event(e)
	}
	s.Summary("done", true)
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		if len(line) > 9 && line[8] == ' ' && line[7] == 's' {
			line = line[9:]
		}
		out.WriteString(line)
	}
	return out.String()
}

func TestOnAPipeARunIsLines(t *testing.T) {
	t.Parallel()
	var p play
	p.fork(2)
	p.answer(0)
	p.fail(1)
	p.add(0, runtime.Event{Kind: runtime.ForkEnded, Addr: addr("", 1), Name: "parallel"})
	p.add(0, runtime.Event{Kind: runtime.Logged, Addr: addr("", 2), Name: "note", Value: runtime.Payload(`{"n":1}`)})
	require.Equal(t, `run team.star r
parallel of 2 branches (1)
ask reader "read it" (1.0/1)
ask reader "read it" (1.1/1)
ok  reader 12ms 1,234 tok $0.0015 conf 0.90 (1.0/1)
fail reader 20ms: refused: no such page (1.1/1)
branch 1.1 failed refused: no such page
log note {"n":1}
✓ done in 24ms, 1 agent, 2 calls, 2 branches, 1 failed, 1,234 tokens, $0.0015
  reader  2 calls, 1 failed, 32ms, 1,234 tok, $0.0015
  failures:
    1.1/1 reader refused: no such page
`, shown(&p, Options{}))
	require.Empty(t, shown(&p, Options{Quiet: true}))
}

func TestAWideForkIsToldByTenths(t *testing.T) {
	t.Parallel()
	var p play
	p.fork(100)
	for i := range 100 {
		if i == 42 {
			p.fail(i)
		} else {
			p.answer(i)
		}
	}
	p.add(0, runtime.Event{Kind: runtime.ForkEnded, Addr: addr("", 1), Name: "parallel"})
	p.add(0, runtime.Event{Kind: runtime.AgentCalled, Addr: addr("", 2), Agent: "writer", Text: "write", N: 1})
	lines := strings.Split(shown(&p, Options{}), "\n")
	require.Equal(t, []string{
		"run team.star r", "parallel of 100 branches (1)",
		"10 of 100 branches ended (1)", "20 of 100 branches ended (1)", "30 of 100 branches ended (1)", "40 of 100 branches ended (1)",
		"fail reader: refused: no such page (1.42/1)", "branch 1.42 failed refused: no such page",
		"50 of 100 branches ended (1)", "60 of 100 branches ended (1)", "70 of 100 branches ended (1)", "80 of 100 branches ended (1)",
		"90 of 100 branches ended (1)", "100 of 100 branches ended (1)", `ask writer "write" (2)`,
	}, lines[:15])
}

func TestASummaryNamesTheFirstFailuresAndCountsTheRest(t *testing.T) {
	t.Parallel()
	var p play
	p.fork(50)
	for i := range 50 {
		p.fail(i)
	}
	got := shown(&p, Options{})
	_, summary, _ := strings.Cut(got, "failures:")
	require.Equal(t, maxFailures, strings.Count(summary, "no such page"))
	require.Contains(t, summary, "40 more failures")
	require.Contains(t, got, "50 calls, 50 branches, 50 failed")
}

func TestAnErrorThatABranchPassesOnIsOneFailure(t *testing.T) {
	t.Parallel()
	tally := newTallier()
	inner := &runtime.Error{Code: runtime.Failed, Message: "too deep"}
	for _, e := range []runtime.Event{
		{Kind: runtime.BranchFailed, Branch: "1.0.1.3", Error: inner},
		{Kind: runtime.BranchFailed, Branch: "1.0", Error: inner},
		{Kind: runtime.BranchFailed, Branch: "1.1", Error: &runtime.Error{Code: runtime.Failed, Message: "something else"}},
	} {
		tally.add(&e)
	}
	require.Len(t, tally.Failures, 2)
}

func TestNoColorAndDumbTerminals(t *testing.T) {
	t.Parallel()
	require.True(t, color(lookup()))
	require.True(t, color(lookup("NO_COLOR", "")))
	require.False(t, color(lookup("NO_COLOR", "1")))
	require.False(t, color(lookup("TERM", "dumb")))
	require.False(t, moves(lookup("TERM", "dumb")))
	for _, painted := range []string{style{}.good("x"), style{color: true}.bad("")} {
		require.NotContains(t, painted, "\x1b")
	}
	require.Equal(t, fmt.Sprintf("%sx%s", "\x1b[32m", "\x1b[0m"), style{color: true}.good("x"))
}

func TestWhatHappenedBeforeARunWasResumedIsShownAsDone(t *testing.T) {
	t.Parallel()
	var p play
	p.fork(3)
	p.answer(0)
	for i := range p.events {
		p.events[i].Past = p.events[i].Branch == "1.0"
	}
	p.answer(1)
	text := shown(&p, Options{})
	require.Contains(t, text, "before: ok  reader 1,234 tok $0.0015 conf 0.90 (1.0/1)\n")
	require.Contains(t, text, "\nok  reader 22ms")
	require.NotContains(t, text, `"read it" (1.0/1)`)
	require.Regexp(t, "doc-0 · reader  before .*1,234 tok", p.picture(110, 20))
}
