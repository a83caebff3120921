package local_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

func emptyBook() *notebook { return &notebook{left: -1} }

// replayed does a run again from its record, with a pattern.
func (n *notebook) replayed(t *testing.T, src string) (runtime.Payload, error) {
	t.Helper()
	facts, err := n.Load("r")
	require.NoError(t, err)
	eng := &local.Engine{Agents: newOffice(), Keep: told(facts), Replay: true}
	return eng.Run(t.Context(), engine.Run{ID: "r", Program: compiled(t, src), Config: runtime.Config{Seed: 5}})
}

// TestADeadlineDoesNotOvertakeWhatWasInTime resumes a day later, when every deadline has long passed.
func TestADeadlineDoesNotOvertakeWhatWasInTime(t *testing.T) {
	t.Parallel()
	p := compiled(t, `
def work(n):
    return agent("a").ask("x%d" % n).value
def twice(n):
    return parallel(work, range(n), timeout = "1s").values + parallel(lambda i: -i, range(n), timeout = "1s").values
def main():
    all = []
    for n in range(20):
        all += parallel(work, range(4), timeout = "1s").values
        all += parallel(lambda i: i, range(4), timeout = "1s").values
        all += within("1s", twice, 3)
    all.append(agent("a").ask("last").value)
    return all
`)
	whole := emptyBook()
	want, err := whole.live(t.Context(), newOffice(), p, -1)
	require.NoError(t, err)
	facts := -1 - whole.left
	for early := range 3 {
		book := emptyBook()
		_, _ = book.live(t.Context(), newOffice(), p, facts-early-1)
		book.left = -1
		eng := host(book, newOffice())
		eng.Now = func() time.Time { return time.Now().Add(24 * time.Hour) }
		got, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p, Config: runtime.Config{Seed: 5}})
		require.NoError(t, err)
		require.Equal(t, want.String(), got.String(), "%d facts less", early+1)
	}
}

func TestASuspendedRunIsToldSoAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := compiled(t, `
def main():
    return [agent("a").ask(task).value for task in ["x", "y after 1h"]] + [run(":child.star")]
`)
		child := compiled(t, "def main():\n    return agent(\"a\").ask(\"z after 1h\").value\n")
		book, o := emptyBook(), newOffice()
		var kinds []runtime.EventKind
		life := func(d time.Duration) (runtime.Payload, error) {
			ctx, stop := context.WithCancelCause(t.Context())
			defer time.AfterFunc(d, func() { stop(&engine.Suspension{Why: "it was interrupted"}) }).Stop()
			book.kill = func() {}
			eng := host(book, o)
			eng.Open = func(string, string) (*runtime.Program, error) { return child, nil }
			eng.Emit = func(e runtime.Event) { kinds = append(kinds, e.Kind) }
			return eng.Run(ctx, engine.Run{ID: "r", Program: p})
		}
		for _, d := range []time.Duration{time.Minute, 90 * time.Minute} { // once in the run itself, once in its child
			_, err := life(d)
			require.ErrorAs(t, err, new(*engine.Suspension))
			require.ErrorContains(t, err, "it was interrupted")
			require.Equal(t, runtime.RunSuspended, kinds[len(kinds)-1])
		}
		got, err := life(2 * time.Hour)
		require.NoError(t, err)
		require.Equal(t, `["x","y","z"]`, got.String())
		require.Equal(t, []int{1}, o.seen["r/1"])
		require.Equal(t, []int{1, 2}, o.seen["r/2"])
		require.Equal(t, []int{1, 2}, o.seen["r/3/1"])
	})
}

func TestAReplaySaysWhereAnEditIsNotSafe(t *testing.T) {
	t.Parallel()
	book := emptyBook()
	src := `
def main():
    a = parallel(lambda n: agent("a").ask("x%d" % n).value, range(3)).values
    sleep("1ms")
    return a + [agent("a").ask("last").value]
`
	want, err := book.live(t.Context(), newOffice(), compiled(t, src), -1)
	require.NoError(t, err)
	again, err := book.replayed(t, src)
	require.NoError(t, err)
	require.Equal(t, want, again)

	for name, c := range map[string]struct {
		src      string
		addr     string
		recorded string
		asked    string
		line     string
	}{
		"another call": {
			"def main():\n    parallel(lambda n: agent(\"a\").ask(\"z%d\" % n).value, range(3))\n",
			"1.0/1", `"task":"x0"`, `"task":"z0"`, "p.star:2:",
		},
		"another fork":  {"def main():\n    parallel(lambda n: n, range(4))\n", "1", `"branches":3`, `"branches":4`, "p.star:2:"},
		"another sleep": {"def main():\n    parallel(lambda n: agent(\"a\").ask(\"x%d\" % n), range(3))\n    sleep(\"1h\")\n", "2", `"1ms"`, `"1h0m0s"`, "p.star:3:"},
		"an earlier end": {
			"def main():\n    parallel(lambda n: agent(\"a\").ask(\"x%d\" % n), range(3))\n",
			"2", `"effect":"sleep"`, "nothing more", "",
		},
		"an earlier end of a branch": {"def main():\n    parallel(lambda n: n, range(3))\n", "1.0/1", `"task":"x0"`, "nothing more", ""},
	} {
		_, err := book.replayed(t, c.src)
		other, ok := errors.AsType[*engine.Diverged](err)
		require.True(t, ok, "%s: %v", name, err)
		require.Equal(t, c.addr, other.Addr.String(), name)
		require.Contains(t, other.Recorded, c.recorded, name)
		require.Contains(t, other.Asked, c.asked, name)
		if c.line != "" {
			h, ok := errors.AsType[*runtime.HostError](err)
			require.True(t, ok, name)
			require.Contains(t, h.Trace[0].Pos, c.line, name)
		}
	}
	_, err = book.replayed(t, src[:len(src)-1]+" + [agent(\"a\").ask(\"more\").value]\n")
	more, ok := errors.AsType[*engine.Beyond](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "4", more.Addr.String())
	require.Contains(t, more.Asked, `"task":"more"`)
}

// decider is a person at the terminal, who takes his time.
type decider struct{ after time.Duration }

func (d decider) Decide(ctx context.Context, _ runtime.Approval) (runtime.Payload, error) {
	select {
	case <-time.After(d.after):
		return runtime.Payload(`{"by":"terminal","choice":"approve","comment":""}`), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestWhoeverDecidesFirstHasDecided(t *testing.T) {
	t.Parallel()
	p := compiled(t, "def main():\n    return approve(\"Go?\").by\n")
	for name, c := range map[string]struct {
		here, elsewhere time.Duration // zero is nobody
		want            string
	}{
		"the person who is there": {time.Minute, time.Hour, `"terminal"`},
		"somebody elsewhere":      {time.Hour, time.Minute, `"elsewhere"`},
		"nobody is there":         {0, time.Hour, `"elsewhere"`},
		"nobody is elsewhere":     {time.Hour, 0, `"terminal"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			var d local.Decisions
			eng := &local.Engine{Agents: newOffice(), Decisions: &d}
			if c.here > 0 {
				eng.People = decider{c.here}
			}
			var wg sync.WaitGroup
			if c.elsewhere > 0 {
				wg.Go(func() {
					<-time.After(c.elsewhere)
					d.Send("r", "1", runtime.Payload(`{"by":"elsewhere","choice":"reject","comment":""}`))
				})
			}
			got, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p})
			require.NoError(t, err, name)
			require.Equal(t, c.want, got.String(), name)
			wg.Wait()
		})
	}
}

func TestADecisionThatWasMadeBeforehandIsTaken(t *testing.T) {
	t.Parallel()
	p := compiled(t, "def main():\n    return approve(\"Go?\").choice\n")
	var d local.Decisions
	d.Close()
	eng := &local.Engine{Agents: newOffice(), Decisions: &d}
	_, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p})
	require.ErrorAs(t, err, new(*engine.NeedsPerson))
	d.Send("r", "1", runtime.Payload(`{"by":"ada","choice":"approve","comment":""}`))
	got, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p})
	require.NoError(t, err)
	require.Equal(t, `"approve"`, got.String())
}

func TestWhoMustNotBeAskedTwiceIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	p := compiled(t, "def main():\n    return attempt(agent(\"once\").ask, \"flaky\", retry = 3).error.code\n")
	o := newOffice()
	known := false
	eng := &local.Engine{Agents: o, Keep: emptyBook(), Ready: func(context.Context, string) error { known = true; return nil }}
	got, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p})
	require.NoError(t, err)
	require.Equal(t, `"unavailable"`, got.String())
	require.Equal(t, []int{1}, o.seen["r/1"])
	require.True(t, known, "what the agent declares was asked for before")
}
