package screen

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// play makes the events of a run, each some milliseconds after the one before.
type play struct {
	at     time.Time
	events []runtime.Event
}

func (p *play) add(after int, e runtime.Event) {
	if p.at.IsZero() {
		p.at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	}
	p.at = p.at.Add(time.Duration(after) * time.Millisecond)
	e.At, e.Run, e.Seq = p.at, "r", uint64(len(p.events)+1)
	p.events = append(p.events, e)
}

func addr(path runtime.Path, n int) runtime.Address { return runtime.Address{Path: path, N: n} }

// fork starts a fork of n branches at address 1 of main, each of which asks an agent.
func (p *play) fork(n int) {
	p.add(0, runtime.Event{Kind: runtime.RunStarted, Name: "team.star"})
	p.add(0, runtime.Event{Kind: runtime.ForkStarted, Addr: addr("", 1), Name: "parallel", N: n})
	for i := range n {
		p.start(i)
	}
}

func (p *play) start(i int) {
	path := runtime.Path("").Child(1, i)
	p.add(1, runtime.Event{Kind: runtime.BranchStarted, Addr: addr("", 1), Branch: path, N: i, Text: fmt.Sprintf("doc-%d", i)})
	p.add(1, runtime.Event{Kind: runtime.AgentCalled, Addr: addr(path, 1), Branch: path, Agent: "reader", Text: "read it", N: 1})
}

func (p *play) answer(i int) {
	path, conf := runtime.Path("").Child(1, i), 0.9
	p.add(10, runtime.Event{
		Kind: runtime.AgentAnswered, Addr: addr(path, 1), Branch: path, Agent: "reader", N: 1, Confidence: &conf,
		Usage: &runtime.Usage{InputTokens: 1000, OutputTokens: 234, CostMicroUSD: 1500},
	})
	p.add(0, runtime.Event{Kind: runtime.BranchDone, Addr: addr("", 1), Branch: path, N: i})
}

func (p *play) fail(i int) {
	path := runtime.Path("").Child(1, i)
	err := &runtime.Error{Code: runtime.Refused, Message: "no such page", Agent: "reader"}
	p.add(10, runtime.Event{Kind: runtime.AgentFailed, Addr: addr(path, 1), Branch: path, Agent: "reader", N: 1, Error: err})
	p.add(0, runtime.Event{Kind: runtime.BranchFailed, Addr: addr("", 1), Branch: path, N: i, Error: err})
}

// picture paints the state after all events.
func (p *play) picture(width, height int) string {
	t := newTree()
	for i := range p.events {
		t.add(&p.events[i])
	}
	painter := painter{now: p.at.Add(time.Second), width: width, height: height}
	return strings.Join(painter.paint(t), "\n") + "\n"
}

func TestANarrowForkShowsItsBranches(t *testing.T) {
	t.Parallel()
	var p play
	p.fork(3)
	p.answer(0)
	p.fail(1)
	require.Equal(t, strings.TrimLeft(`
⠋ team.star                                                     1.0s  1,234 tok  $0.0015
  ⠋ parallel 2/3, 1 failed                                      1.0s
    ✓ doc-0 · reader                                            14ms  1,234 tok  $0.0015  conf 0.90
    ✗ doc-1 · reader  refused: no such page                     22ms
    ⠋ doc-2 · reader  read it                                   1.0s
`, "\n"), p.picture(110, 20))
}

func TestAWideForkShowsWhatRunsAndFailed(t *testing.T) {
	t.Parallel()
	var p play
	p.fork(40)
	for i := range 36 {
		if i == 7 {
			p.fail(i)
		} else {
			p.answer(i)
		}
	}
	got := p.picture(80, 24)
	require.Contains(t, got, "parallel 36/40, 1 failed, 4 running")
	require.Contains(t, got, "✗ doc-7 · reader  refused: no such page")
	require.Contains(t, got, "⠋ doc-39 · reader")
	require.NotContains(t, got, "doc-35")
}

func TestThePictureFitsTheWindow(t *testing.T) {
	t.Parallel()
	var p play
	p.fork(200)
	for i := range 50 {
		p.answer(i)
	}
	for _, size := range [][2]int{{80, 24}, {40, 10}, {20, 4}, {200, 50}} {
		got := strings.Split(strings.TrimRight(p.picture(size[0], size[1]), "\n"), "\n")
		require.LessOrEqual(t, len(got), size[1])
		for _, line := range got {
			require.Less(t, columns(line), size[0], "%q in %d columns", line, size[0])
		}
		require.Contains(t, strings.Join(got, "\n"), "not shown")
	}
}

func TestFinishedBranchesOfAWideForkAreForgotten(t *testing.T) {
	t.Parallel()
	tr := newTree()
	var p play
	p.add(0, runtime.Event{Kind: runtime.RunStarted, Name: "team.star"})
	p.add(0, runtime.Event{Kind: runtime.ForkStarted, Addr: addr("", 1), Name: "parallel", N: 10_000})
	for i := range 10_000 {
		p.start(i)
		p.answer(i)
	}
	for i := range p.events {
		tr.add(&p.events[i])
	}
	require.Equal(t, 10_000, tr.byKey["r 1"].fork.done)
	require.Less(t, len(tr.byKey["r 1"].kids), 2*maxFinished+2)
	require.Len(t, tr.byKey, 2, "main and the fork are all that is open")
}

func TestPhasesFollowEachOther(t *testing.T) {
	t.Parallel()
	var p play
	p.add(0, runtime.Event{Kind: runtime.RunStarted, Name: "team.star"})
	p.add(5, runtime.Event{Kind: runtime.PhaseStarted, Addr: addr("", 1), Name: "Read"})
	p.add(5, runtime.Event{Kind: runtime.AgentCalled, Addr: addr("", 2), Agent: "reader", Text: "read", N: 1})
	p.add(5, runtime.Event{Kind: runtime.AgentAnswered, Addr: addr("", 2), Agent: "reader", N: 1})
	p.add(5, runtime.Event{Kind: runtime.PhaseStarted, Addr: addr("", 3), Name: "Write"})
	p.add(5, runtime.Event{Kind: runtime.ApprovalAsked, Addr: addr("", 4), Name: "Publish?"})
	require.Equal(t, strings.TrimLeft(`
⠋ team.star                                                     1.0s
  ✓ Read                                                        15ms
    ✓ reader                                                    5ms
  ⠋ Write                                                       1.0s
    ? approve: Publish?                                         1.0s
`, "\n"), p.picture(90, 20))
}

func TestTextCannotTakeOverTheTerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a [2J b", clean("a\x1b[2J\r\n\tb"))
	require.Equal(t, "a b", clean("\u202ea\u2028 b\x00"))
	require.LessOrEqual(t, len(clean(strings.Repeat("x", 10_000))), maxLabel+4)
}

func TestWidthsAreThoseOfATerminal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"abc": 3, "日本": 4, "e\u0301": 1, "✓": 1, "": 0} {
		require.Equal(t, want, columns(text), text)
	}
	require.Equal(t, "日…", fit("日本語", 4))
	require.Equal(t, "abc", fit("abc", 3))
	require.Equal(t, "ab…", fit("abcd", 3))
}

func TestNumbersReadWell(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1,234,567", number(1234567))
	require.Equal(t, "999", number(999))
	require.Equal(t, "1 branch", plural(1, "branch"))
	require.Equal(t, "2 branches", plural(2, "branch"))
	require.Equal(t, "$0.0015", dollars(1500))
	require.Equal(t, "$12.30", dollars(12_300_000))
	require.Equal(t, "2m05s", elapsed(125*time.Second))
	require.Equal(t, "59.9s", elapsed(59_940*time.Millisecond))
}
