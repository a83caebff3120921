package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// group is a running fork. Workers take indices in order, so at most Limit branches live and none is started early. There is one
// worker at first; a branch that is about to wait, or has worked for a while, starts the next, so that branches whose agents
// answer at once cost no goroutine each.
type group struct {
	spec   runtime.ForkSpec
	at     runtime.Address
	parent *branch
	body   func(i int, fx runtime.Effects) (any, error)
	ctx    context.Context
	cancel context.CancelCauseFunc
	disarm func() // calls the deadline off; nil when there is none

	mu      sync.Mutex
	changed Cond // an outcome can be delivered, or the last worker ended
	outs    []out
	next    int   // first index that was not started
	begun   int   // branches that were started
	weighed int   // outcomes that the script has made up its mind about
	width   int   // most workers
	workers int   // still running
	keen    int   // workers that will take another branch by themselves, because theirs does not wait for anything
	queue   []int // ended and to be delivered at once: failures, or all where the order is Settled
	cursor  int   // first index that may still have to be delivered in input order
	left    int   // not delivered yet
	cause   error // why the group was cancelled, nil while it was not
	latest  time.Time

	record  *record // nil when nothing is kept
	trouble error   // the host's, for the parent
}

// out is what a branch came to.
type out struct {
	v         any
	err       error
	ended     bool
	delivered bool
}

// Fork implements runtime.Effects.
func (b *branch) Fork(spec runtime.ForkSpec, n int, body func(i int, fx runtime.Effects) (any, error)) runtime.Group {
	b.n++
	b.told = b.n
	g := &group{
		spec: spec, parent: b, body: body, at: runtime.Address{Path: b.path, N: b.n},
		outs: make([]out, n), left: n, latest: b.now,
	}
	g.changed = b.place.Cond(&g.mu)
	g.ctx, g.cancel = context.WithCancelCause(b.ctx)
	left := spec.Timeout
	if b.keeps() {
		var err error
		if left, err = g.keep(); err != nil {
			g.cancel(err)
			b.trouble = err
			return &fault{n: n, err: err}
		}
	}
	b.emit(runtime.Event{Kind: runtime.ForkStarted, Addr: g.at, Name: spec.Name, N: n, Then: b.then(g.at)})
	g.width = n
	for _, limit := range []int{spec.Limit, b.x.Width} {
		if limit > 0 {
			g.width = min(g.width, limit)
		}
	}
	g.arm(left)
	g.mu.Lock()
	g.hire()
	g.mu.Unlock()
	b.yield()
	return g
}

// more starts another worker if there is work for it, because a branch is about to wait.
func (g *group) more() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keen--
	g.hire()
}

// hire is more for those who hold the lock.
func (g *group) hire() {
	if g.cause == nil && g.workers < g.width && g.upcoming() {
		g.workers++
		g.keen++
		g.parent.place.Go(g.work)
	}
}

// upcoming says whether there is a branch to start now. Where successes are looked at as they come, one that ended keeps its place in the limit
// until the script has looked at it: it may be that no more are needed.
func (g *group) upcoming() bool {
	if g.spec.Order == runtime.Settled && g.begun-g.weighed >= g.width {
		return false
	}
	if g.record != nil {
		return g.record.upcoming()
	}
	return g.next < len(g.outs)
}

// take gives the branch to start; there is one.
func (g *group) take() int {
	g.begun++
	if g.record != nil {
		return g.record.take()
	}
	g.next++
	return g.next - 1
}

// began says whether a branch was started.
func (g *group) began(i int) bool {
	if g.record != nil {
		return g.record.started[i]
	}
	return i < g.next
}

// work runs branches until none is left to start.
func (g *group) work(place Place) {
	for {
		g.mu.Lock()
		if g.cause != nil || !g.upcoming() {
			g.workers--
			g.keen--
			g.mu.Unlock()
			g.changed.Signal()
			return
		}
		i := g.take()
		g.mu.Unlock()
		if waited := g.branch(i, place); waited {
			g.mu.Lock()
			g.keen++
			g.mu.Unlock()
		}
	}
}

// branch runs one, and says whether it waited for anything.
func (g *group) branch(i int, place Place) (waited bool) {
	b := &branch{x: g.parent.x, run: g.parent.run, ctx: g.ctx, place: place, fork: g, path: g.parent.path.Child(g.at.N, i), now: g.parent.now, depth: g.parent.depth, past: g.parent.past, index: i}
	if b.x.Emit != nil {
		e := runtime.Event{Kind: runtime.BranchStarted, Addr: g.at, N: i}
		if g.spec.Label != nil {
			e.Text = g.spec.Label(i)
		}
		b.emit(e)
	}
	v, err := g.body(i, b)
	b.tellRest()
	if short := b.fell(err); short != nil {
		err = short
	}
	b.ends()
	if g.end(i, v, err, b.now) {
		g.announce(b, i, err)
	}
	return b.idle
}

// end records an outcome and says whether it counts, which it does not after the group was cancelled.
func (g *group) end(i int, v any, err error, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.After(g.latest) {
		g.latest = now
	}
	if g.cause != nil {
		return false
	}
	g.outs[i] = out{v: v, err: err, ended: true}
	switch {
	case err != nil || g.spec.Order == runtime.Settled:
		g.queue = append(g.queue, i)
		g.changed.Signal()
	case i == g.cursor:
		g.changed.Signal()
	}
	return true
}

func (g *group) announce(b *branch, i int, err error) {
	e := runtime.Event{Kind: runtime.BranchDone, Addr: g.at, N: i}
	if failed, ok := errors.AsType[*runtime.Error](err); ok {
		e.Kind, e.Error = runtime.BranchFailed, failed
		if failed.Code == runtime.Cancelled {
			e.Kind = runtime.BranchCancelled
		}
	} else if err != nil {
		e.Kind, e.Text = runtime.BranchFailed, err.Error()
	}
	b.emit(e)
}

// Cancel implements runtime.Group.
func (g *group) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	g.mu.Lock()
	if g.cause == nil && g.left > 0 {
		g.cause = cause
		g.stop(cause)
	}
	g.mu.Unlock()
	g.cancel(cause)
	g.changed.Signal()
}

// Next implements runtime.Group.
func (g *group) Next() (int, any, error, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.weighed = len(g.outs) - g.left; g.spec.Order == runtime.Settled && g.keen == 0 {
		g.hire()
	}
	for g.left > 0 {
		if i, ok := g.ready(); ok {
			if err := g.delivers(i); err != nil {
				g.outs[i].err = err
			}
			g.outs[i].delivered = true
			g.left--
			return g.deliver(i)
		}
		g.changed.Wait()
	}
	g.close()
	return 0, nil, nil, false
}

// ready gives the index whose turn it is, if any.
func (g *group) ready() (int, bool) {
	for len(g.queue) > 0 && g.outs[g.queue[0]].delivered {
		g.queue = g.queue[1:] // as it was before the run was resumed
	}
	switch {
	case g.replays():
		return g.replayed()
	case g.lapsed():
		return g.ready()
	case g.cause != nil:
		if g.workers > 0 {
			return 0, false
		}
		return g.advance(), true
	case len(g.queue) > 0:
		i := g.queue[0]
		g.queue = g.queue[1:]
		return i, true
	case g.spec.Order == runtime.Indexed:
		i := g.advance()
		return i, g.outs[i].ended
	}
	return 0, false
}

// advance moves the cursor to the first index that was not delivered; there is one.
func (g *group) advance() int {
	for g.outs[g.cursor].delivered {
		g.cursor++
	}
	return g.cursor
}

func (g *group) deliver(i int) (int, any, error, bool) {
	o := &g.outs[i]
	if g.cause != nil {
		if g.began(i) {
			b := branch{x: g.parent.x, run: g.parent.run, path: g.parent.path.Child(g.at.N, i)}
			b.emit(runtime.Event{Kind: runtime.BranchCancelled, Addr: g.at, N: i})
		} else {
			g.tellLost(i)
		}
		return i, nil, cancelled(g.cause), true
	}
	v, err := o.v, o.err
	o.v = nil
	return i, v, err, true
}

// close ends a drained group: its workers are gone, its timer is off, the parent's time is at least that of its branches.
func (g *group) close() {
	for g.workers > 0 {
		g.changed.Wait()
	}
	if g.disarm != nil {
		g.disarm()
	}
	g.cancel(nil)
	if g.trouble != nil {
		g.parent.trouble = g.trouble
	}
	if g.latest.After(g.parent.now) {
		g.parent.now = g.latest
	}
	g.parent.emit(runtime.Event{Kind: runtime.ForkEnded, Addr: g.at, Name: g.spec.Name})
}
