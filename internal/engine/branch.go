package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// branch is one branch's runtime.Effects. It is used by one goroutine.
type branch struct {
	x     *execution
	run   *Run
	ctx   context.Context // ends when the branch's fork is cancelled, or one above it
	place Place
	path  runtime.Path
	fork  *group // whose branch this is, nil for main
	idle  bool   // it has let the next one begin
	n     int    // effects and forks so far
	told  int    // the last of them that was told
	now   time.Time
	depth int // child runs above

	abandon context.CancelCauseFunc // ends the run; of its main branch only

	past     *past         // what is recorded of the run's earlier life, or nil
	index    int           // of the branch in its fork
	fresh    atomic.Bool   // it, or a branch below it, has done something that was not recorded before
	trouble  error         // the host's, which ends the branch at its next effect
	took     runtime.Usage // by the effect under way, failed attempts included
	attempts int           // of the call under way
	began    time.Time     // when the effect under way was first begun, or zero
	counts   counts
}

// Do implements runtime.Effects.
func (b *branch) Do(e runtime.Effect) (runtime.Payload, error) {
	b.n++
	if b.trouble != nil {
		return nil, b.trouble
	}
	if err := b.stopped(); err != nil {
		return nil, err
	}
	b.told = b.n
	at := runtime.Address{Path: b.path, N: b.n}
	if b.x.Replay {
		if err := b.retrace(at, e); err != nil {
			return nil, err
		}
	}
	if p, err, known := b.recorded(at, e); known {
		return p, err
	}
	if b.x.Replay && !tells(e) {
		return nil, &Beyond{Run: b.run.ID, Addr: at, Asked: short(runtime.Request(e)), Pos: posOf(e)}
	}
	b.live()
	if waits(e) {
		b.yield()
	}
	if err := b.enter(); err != nil {
		return nil, err
	}
	b.took, b.attempts, b.began = runtime.Usage{}, 0, b.then(at)
	p, err := b.do(at, e)
	b.tick()
	if b.keeps() {
		if trouble := b.record(at, e, p, err); trouble != nil {
			return nil, trouble
		}
	}
	return p, err
}

// live notes that the branch has come to the end of what is recorded of it.
func (b *branch) live() {
	if b.past == nil || b.fresh.Swap(true) || b.fork == nil {
		return
	}
	b.fork.caughtUp(b.index, true)
	b.fork.parent.live()
}

// ends notes that the branch is over. If it came that far by what is recorded, nothing took any time.
func (b *branch) ends() {
	if b.past != nil && b.fork != nil && !b.fresh.Load() {
		b.fork.caughtUp(b.index, false)
	}
}

// enter waits until an effect may begin.
func (b *branch) enter() error {
	if b.place.Enter(b.ctx) != nil {
		return b.stopped()
	}
	return nil
}

func (b *branch) do(at runtime.Address, e runtime.Effect) (runtime.Payload, error) {
	switch e := e.(type) {
	case runtime.AgentCall:
		return b.call(at, e)
	case runtime.AgentLookup:
		return b.lookup(e)
	case runtime.Emit:
		b.emit(runtime.Event{Kind: e.Kind, Addr: at, Name: e.Name, Value: e.Data})
		return runtime.Null, nil
	case runtime.Sleep:
		return b.sleep(at, e)
	case runtime.WaitSignal:
		return b.wait(at, e)
	case runtime.Approval:
		return b.approve(at, e)
	case runtime.ChildRun:
		return b.child(at, e)
	case runtime.Budget:
		return b.x.ledger.remaining(e.Of, b.x.Now()), nil
	}
	return nil, fmt.Errorf("the engine does not know the effect %T", e)
}

// waits says that an effect may take long. An agent call says so itself, when it knows the agent.
func waits(e runtime.Effect) bool {
	switch e.(type) {
	case runtime.Emit, runtime.Budget, runtime.AgentLookup, runtime.AgentCall:
		return false
	case runtime.Sleep, runtime.WaitSignal, runtime.Approval, runtime.ChildRun:
		return true
	}
	return true
}

// yield lets the next branch of the fork begin beside this one.
func (b *branch) yield() {
	if b.fork != nil && !b.idle {
		b.idle = true
		b.fork.more()
	}
}

// Checkpoint implements runtime.Effects.
func (b *branch) Checkpoint() error {
	b.yield()
	b.place.Yield()
	return b.stopped()
}

// stopped gives the reason why the branch must end, if there is one.
func (b *branch) stopped() error {
	if b.ctx.Err() == nil {
		return nil
	}
	e := cancelled(context.Cause(b.ctx))
	e.Cause = nil // the cause is the cancelled fork's to tell, not that of a branch or fork below it
	return e
}

// halted says that the branch must end.
func (b *branch) halted() bool { return b.ctx.Err() != nil }

// Abandon implements runtime.Abandoner: the run ends as one that is interrupted, so that nothing of how it ends is recorded.
func (b *branch) Abandon(why error) {
	if b.abandon != nil {
		b.abandon(&Suspension{Why: why.Error()})
	}
}

// Now implements runtime.Effects.
func (b *branch) Now() time.Time { return b.now }

// tick moves the branch's time on to the clock's, never back.
func (b *branch) tick() {
	if now := b.x.Now().UTC(); now.After(b.now) {
		b.now = now
	}
}

// emit sends an event of this branch if anybody listens.
func (b *branch) emit(e runtime.Event) {
	if b.x.Emit == nil {
		return
	}
	e.Run, e.At, e.Branch = b.run.ID, b.x.Now().UTC(), b.path
	b.x.journal.add(e)
}

// cancelled is the error of a branch that was stopped.
func cancelled(cause error) *runtime.Error {
	e := runtime.ErrCancelled()
	if cause != nil && !errors.Is(cause, context.Canceled) {
		e.Message, e.Cause = "cancelled: "+cause.Error(), cause
	}
	return e
}
