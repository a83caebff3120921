package enginetest_test

import (
	"context"
	"flag"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/runtime"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keeper is a place for facts that says which runs it has.
type keeper interface {
	local.Keeper
	Runs() []string
}

// life is one life of a run in this process: from its beginning or its record to its end, or to that of the host.
type life struct {
	c      *enginetest.Case
	cast   *enginetest.Cast
	loaded *pattern.Loaded
	id     string
	keep   local.Keeper // nil keeps nothing
	taken  map[string]int
}

func (l *life) run(ctx context.Context) enginetest.Outcome {
	ctx, cancel := context.WithCancel(ctx)
	signals, decisions := &local.Signals{}, &local.Decisions{}
	var wg sync.WaitGroup
	wg.Go(func() {
		l.cast.Outside(ctx, enginetest.Doors{
			Signal: signals.Send,
			Decide: func(child, at string, value runtime.Payload) {
				run := l.id
				if child != "" {
					run += "/" + child
				}
				decisions.Send(run, at, value)
			},
			Cancel: cancel,
			Taken:  l.taken,
		})
	})
	eng := &local.Engine{
		Agents: l.cast, Keep: l.keep, Open: l.loaded.Open, Budget: l.c.Script.Budget, Signals: signals, Decisions: decisions, Emit: l.cast.Emit,
	}
	result, err := eng.Run(ctx, local.Run{ID: l.id, Program: l.loaded.Program, Inputs: l.c.Script.Inputs, Config: l.c.Config()})
	cancel()
	wg.Wait()
	return enginetest.Outcome{Run: l.id, Result: result, Err: err}
}

// factsOf gives all that a place keeps.
func factsOf(t *testing.T, k keeper) map[string][]runtime.Fact {
	t.Helper()
	all := make(map[string][]runtime.Fact)
	for _, run := range k.Runs() {
		facts, err := k.Load(run)
		require.NoError(t, err)
		all[run] = facts
	}
	return all
}

// inMemory runs a case in virtual time, with facts in memory.
func inMemory(t *testing.T, c *enginetest.Case, cast *enginetest.Cast) (o enginetest.Outcome) {
	t.Helper()
	loaded := c.Load(t)
	synctest.Test(t, func(t *testing.T) {
		book := &notebook.Notebook{}
		l := &life{c: c, cast: cast, loaded: loaded, id: "r", keep: book}
		o = l.run(t.Context())
		o.Facts = factsOf(t, book)
	})
	return o
}

func TestInMemory(t *testing.T) {
	t.Parallel()
	if *update {
		for _, c := range enginetest.Cases(t) {
			o := inMemory(t, c, c.Cast())
			require.NoError(t, c.Rewrite(o.Goldens()))
		}
		return
	}
	enginetest.Run(t, inMemory)
}

func TestWithoutARecord(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, func(t *testing.T, c *enginetest.Case, cast *enginetest.Cast) (o enginetest.Outcome) {
		t.Helper()
		loaded := c.Load(t)
		synctest.Test(t, func(t *testing.T) {
			l := &life{c: c, cast: cast, loaded: loaded, id: "r"}
			o = l.run(t.Context())
		})
		return o
	})
}
