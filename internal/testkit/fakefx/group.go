package fakefx

import (
	"context"
	"errors"
	"sync"

	"github.com/parallax-run/parallax/runtime"
)

// group is a running fork. Its mutex guards what branches and the parent share.
type group struct {
	spec   runtime.ForkSpec
	ctx    context.Context // the fork is its scope
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	ends    []end
	urgent  []int // undelivered ends that do not wait for their turn, as they came: failures, and in a settled group all
	next    int   // no index below it is undelivered
	left    int   // undelivered
	cause   error // given to Cancel
}

// end is how a branch ended.
type end struct {
	done, delivered bool
	v               any
	err             error
}

func (b *branch) Fork(spec runtime.ForkSpec, n int, body func(i int, fx runtime.Effects) (any, error)) runtime.Group {
	at := b.next()
	b.world.note(at, spec, n)
	g := &group{spec: spec, ends: make([]end, n), left: n}
	g.changed = sync.NewCond(&g.mu)
	g.ctx, g.cancel = context.WithCancelCause(b.ctx)
	if spec.Timeout > 0 {
		stop := g.deadline()
		g.wg.Go(func() { <-g.ctx.Done(); stop() })
	}
	width := n
	if spec.Limit > 0 {
		width = min(n, spec.Limit)
	}
	todo := make(chan int, n)
	for i := range n {
		todo <- i
	}
	close(todo)
	for range width {
		g.wg.Go(func() {
			for i := range todo {
				g.branch(i, &branch{ctx: g.ctx, world: b.world, path: b.path.Child(at.N, i)}, body)
			}
		})
	}
	return g
}

func (w *World) note(at runtime.Address, spec runtime.ForkSpec, n int) {
	f := Forked{Addr: at, Spec: spec}
	for i := range min(n, 100) {
		f.Labels = append(f.Labels, spec.Label(i))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forks = append(w.forks, f)
}

// deadline cancels the group when its time is up, and gives what calls that off.
func (g *group) deadline() (stop func()) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(g.ctx), g.spec.Timeout, runtime.ErrDeadline)
	unhook := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), runtime.ErrDeadline) {
			g.cancel(runtime.ErrDeadline)
		}
	})
	return func() { unhook(); cancel() }
}

// branch runs branch i, unless the group is cancelled before it begins.
func (g *group) branch(i int, fx *branch, body func(i int, fx runtime.Effects) (any, error)) {
	var e end
	if e.err = fx.cancelled(); e.err == nil {
		e.v, e.err = body(i, fx)
		if stopped := fx.cancelled(); stopped != nil {
			e.v, e.err = nil, stopped
		}
	}
	e.done = true
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ends[i] = e
	if e.err != nil || g.spec.Order == runtime.Settled {
		g.urgent = append(g.urgent, i)
	}
	g.changed.Broadcast()
}

func (g *group) Next() (i int, v any, err error, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.left > 0 {
		if i, ok := g.due(); ok {
			return g.deliver(i)
		}
		g.changed.Wait()
	}
	g.mu.Unlock()
	g.cancel(nil)
	g.wg.Wait()
	g.mu.Lock()
	return 0, nil, nil, false
}

// due picks the branch that is to be delivered now. A cancelled group is delivered in input order.
func (g *group) due() (i int, ok bool) {
	if g.cause == nil && len(g.urgent) > 0 {
		i, g.urgent = g.urgent[0], g.urgent[1:]
		return i, true
	}
	for g.next < len(g.ends) && g.ends[g.next].delivered {
		g.next++
	}
	waits := g.cause == nil && g.spec.Order == runtime.Settled
	return g.next, !waits && g.next < len(g.ends) && g.ends[g.next].done
}

func (g *group) deliver(i int) (int, any, error, bool) {
	e := &g.ends[i]
	e.delivered = true
	g.left--
	if g.cause != nil {
		return i, nil, &runtime.Error{Code: runtime.Cancelled, Message: "cancelled", Cause: g.cause}, true
	}
	return i, e.v, e.err, true
}

func (g *group) Cancel(cause error) {
	g.cancel(cause)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cause = cause
}
