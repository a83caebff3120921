package enginetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/runtime"
)

// host runs a case in this process, in one life after another.
type host struct {
	c      *enginetest.Case
	cast   *enginetest.Cast
	loaded *pattern.Loaded
	id     string
	clock  time.Time // when its last life ended
	replay bool      // it only tells what is kept
}

// run is one life, with what is kept of those before it: nothing when keep is nil.
func (h *host) run(ctx context.Context, keep engine.Keeper, taken map[enginetest.TakenSignal]int) enginetest.Outcome {
	ctx, cancel := context.WithCancel(ctx)
	signals, decisions := &local.Signals{}, &local.Decisions{}
	var wg sync.WaitGroup
	wg.Go(func() {
		h.cast.Outside(ctx, enginetest.Doors{
			Signal: signals.Send,
			Decide: func(child, at string, value runtime.Payload) {
				run := h.id
				if child != "" {
					run += "/" + child
				}
				decisions.Send(run, at, value)
			},
			Cancel: cancel,
			Taken:  taken,
		})
	})
	eng := &local.Engine{
		Agents: h.cast, Keep: keep, Open: h.loaded.Open, Budget: h.c.Script.Budget, Replay: h.replay, Signals: signals, Decisions: decisions, Emit: h.cast.Emit,
	}
	result, err := eng.Run(ctx, engine.Run{ID: h.id, Program: h.loaded.Program, Inputs: h.c.Script.Inputs, Config: h.c.Config()})
	cancel()
	wg.Wait()
	return enginetest.Outcome{Run: h.id, Result: result, Err: err}
}

// live is one life that ends when so many facts were kept, or with the run where facts is negative. It says whether the run has ended, and checks that no
// call is made again that had an outcome.
func (h *host) live(t *testing.T, keep engine.Keeper, facts int) (o enginetest.Outcome, ended bool) {
	t.Helper()
	before, err := enginetest.Family(h.id, keep.Load)
	require.NoError(t, err)
	made := h.cast.Made()
	<-time.After(time.Until(h.clock)) // each life may have a bubble of its own
	h.cast.Again(before)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	d := &dying{Keeper: keep, left: facts, kill: kill, cast: h.cast}
	o = h.run(ctx, d, enginetest.Taken(before))
	o.Facts, err = enginetest.Family(h.id, keep.Load)
	require.NoError(t, err)
	h.clock = time.Now()
	now := h.cast.Made()
	for _, id := range enginetest.Durable(before) {
		require.Equal(t, made[id], now[id], "call %s has an outcome and was made again", id)
	}
	for id, attempts := range now {
		require.True(t, slices.IsSorted(attempts), "attempts at call %s: %v", id, attempts)
	}
	return o, !d.dead
}

// deaths are the numbers of facts behind which the host of a case is to die: all there are, or some of them where there are many. Behind the last of
// them the run has ended, and is only told again.
func deaths(t *testing.T, c *enginetest.Case, loaded *pattern.Loaded) (all []int) {
	t.Helper()
	n := 0
	synctest.Test(t, func(t *testing.T) {
		h := host{c: c, cast: c.Cast(), loaded: loaded, id: "r"}
		h.cast.Again(nil)
		d := &dying{Keeper: &notebook.Notebook{}, left: -1, cast: h.cast}
		h.run(t.Context(), d, nil)
		n = -1 - d.left
	})
	for k := 0; k < n; k += 1 + n/30 {
		all = append(all, k)
	}
	return append(all, n)
}

var errDead = errors.New("the host is dead")

// dying is a keeper whose host dies when so many facts were kept. Those behind them, also such as were only noted, are lost.
type dying struct {
	engine.Keeper
	kill context.CancelFunc
	cast *enginetest.Cast

	mu   sync.Mutex
	left int // facts before the host dies; negative means that it lives
	dead bool
}

func (d *dying) admit(facts []runtime.Fact) ([]runtime.Fact, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range facts {
		if d.left == 0 {
			d.dead = true
			d.kill()
			return facts[:i], errDead
		}
		d.left--
	}
	return facts, nil
}

func (d *dying) Append(run string, facts ...runtime.Fact) error {
	facts, dead := d.admit(facts)
	if err := d.Keeper.Append(run, facts...); err != nil {
		return err
	}
	d.cast.Kept(run, facts...)
	return dead
}

func (d *dying) Note(run string, facts ...runtime.Fact) {
	facts, _ = d.admit(facts)
	d.Keeper.Note(run, facts...)
}
