package temporal

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/runtime"
)

// place is where one branch runs: a coroutine of the workflow. The contexts that the engine hands over say only whether a branch is cancelled;
// the workflow's own is never cancelled, so that a cancelled branch ends in its own time.
type place struct {
	*run
	own workflow.Context
}

// Go implements engine.Place.
func (p *place) Go(f func(engine.Place)) {
	workflow.Go(p.own, func(own workflow.Context) { f(&place{p.run, own}) })
}

// until waits for something, or for the branch to be cancelled.
func (p *place) until(ctx context.Context, ready func() bool) error {
	if err := workflow.Await(p.own, func() bool { return ready() || ctx.Err() != nil }); err != nil {
		return err
	}
	return ctx.Err()
}

// maxPending is how many activities a run has under way at most. Past 2,000 the server would hang it.
const maxPending = 1000

// Enter implements engine.Place. It waits while as many activities are under way as may be, and for ever where the run is about to continue as
// new.
func (p *place) Enter(ctx context.Context) error {
	for p.leaves() || p.pending >= maxPending {
		if err := p.until(ctx, func() bool { return !p.left && p.pending < maxPending }); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// leaves says whether the run is about to continue as new, for which it must be at rest. Where calls that are under way take long it goes on
// meanwhile, as long as its history may grow.
func (p *place) leaves() bool {
	info := workflow.GetInfo(p.own)
	if p.left || info.GetCurrentHistoryLength() <= p.events && info.GetCurrentHistorySize() <= p.size {
		return p.left
	}
	p.left = true
	if info.GetCurrentHistoryLength() < lastEvents && info.GetCurrentHistorySize() < lastHistory {
		p.After(patience, func() {
			p.left = false
			p.events, p.size = info.GetCurrentHistoryLength()+maxEvents/2, info.GetCurrentHistorySize()+maxHistory/2
		})
	}
	return true
}

// Cond implements engine.Place.
func (p *place) Cond(l sync.Locker) engine.Cond { return &cond{own: p.own, l: l} }

// cond wakes whoever waits at most once for each time that it rang.
type cond struct {
	own  workflow.Context
	l    sync.Locker
	rang bool
}

// Wait implements engine.Cond.
func (c *cond) Wait() {
	c.l.Unlock()
	defer c.l.Lock()                                         // also when the workflow is put away and never goes on
	_ = workflow.Await(c.own, func() bool { return c.rang }) // it is never cancelled
	c.rang = false
}

// Signal implements engine.Cond.
func (c *cond) Signal() { c.rang = true }

// After implements engine.Place.
func (p *place) After(d time.Duration, f func()) (stop func()) {
	ctx, cancel := workflow.WithCancel(p.own)
	workflow.Go(ctx, func(own workflow.Context) {
		if workflow.NewTimer(own, d).Get(own, nil) == nil {
			f()
		}
	})
	return cancel
}

// Sleep implements engine.Place.
func (p *place) Sleep(ctx context.Context, d time.Duration) error {
	own, cancel := workflow.WithCancel(p.own)
	defer cancel()
	timer := workflow.NewTimer(own, d)
	return p.until(ctx, timer.IsReady)
}

// Await implements engine.Place.
func (p *place) Await(ctx context.Context, done <-chan struct{}) error {
	return p.until(ctx, func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
}

// Yield implements engine.Place.
func (p *place) Yield() {
	passed := false
	workflow.Go(p.own, func(workflow.Context) { passed = true })
	_ = workflow.Await(p.own, func() bool { return passed }) // it is never cancelled
}

// Ready implements engine.Place. However many branches want to know at a time, the agent is asked once.
func (p *place) Ready(ctx context.Context, agent string) error {
	a := p.agents.find(agent)
	if a == nil {
		return nil
	}
	for !a.Asked {
		if !a.asking {
			return p.describe(ctx, a)
		}
		failed := a.failed
		if err := p.until(ctx, func() bool { return !a.asking }); err != nil {
			return err
		}
		if a.failed > failed {
			return errNotReady
		}
	}
	return nil
}

var errNotReady = errors.New("the agent cannot say what it is")

// describe asks an agent what it declares.
func (p *place) describe(ctx context.Context, a *Agent) error {
	a.asking = true
	var info runtime.AgentInfo
	err := p.activity(ctx, a.Queue, describeName, workflow.ActivityOptions{
		StartToCloseTimeout: longest, HeartbeatTimeout: heartbeatTimeout, RetryPolicy: lostWorkers,
	}, &info, a.Name)
	a.asking = false
	switch {
	case err == nil:
		a.AgentInfo, a.Asked = info, true
	case ctx.Err() == nil: // else the next branch asks
		a.failed++
	}
	return err
}

// Call implements engine.Place.
func (p *place) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	a := p.agents.find(c.Agent)
	var reply runtime.Payload
	var err error
	if a.Instant && a.Queue == "" {
		err = p.atOnce(ctx, &reply, wireCall(c))
	} else {
		options := workflow.ActivityOptions{StartToCloseTimeout: longest, HeartbeatTimeout: heartbeatTimeout, RetryPolicy: lostWorkers}
		wire := wireCall(c)
		wire.Once = a.AtMostOnce
		err = p.activity(ctx, a.Queue, callName, options, &reply, wire)
	}
	if err != nil {
		if e, took := fromTemporal(err); e != nil {
			return runtime.Answer{Usage: took}, e
		}
		return runtime.Answer{}, p.failed(c, err)
	}
	return runtime.ParseAnswer(reply)
}

// failed makes of Temporal's own error what the engine understands.
func (p *place) failed(c runtime.Call, err error) error {
	if _, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		e := runtime.Errorf(runtime.Unavailable, "agent %q: the worker that asked it was lost", c.Agent)
		e.Agent, e.Retryable = c.Agent, true
		return e
	}
	return err
}

// activity waits for an activity, or cancels it with the branch.
func (p *place) activity(ctx context.Context, queue, name string, options workflow.ActivityOptions, reply any, args ...any) error {
	p.pending++
	defer func() { p.pending-- }()
	if queue != "" {
		options.TaskQueue = QueueOf(workflow.GetInfo(p.own).TaskQueueName, queue)
	}
	own, cancel := workflow.WithCancel(workflow.WithActivityOptions(p.own, options))
	defer cancel()
	future := workflow.ExecuteActivity(own, name, args...)
	if err := p.until(ctx, future.IsReady); err != nil {
		return err
	}
	return future.Get(own, reply)
}

// atOnce asks an agent that answers at once, without a task of its own.
func (p *place) atOnce(ctx context.Context, reply any, c call) error {
	p.pending++
	defer func() { p.pending-- }()
	own, cancel := workflow.WithCancel(workflow.WithLocalActivityOptions(p.own, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: longest, RetryPolicy: lostWorkers,
	}))
	defer cancel()
	future := workflow.ExecuteLocalActivity(own, callName, c)
	if err := p.until(ctx, future.IsReady); err != nil {
		return err
	}
	return future.Get(own, reply)
}

// Landed implements engine.Place.
func (p *place) Landed(ctx context.Context) error {
	return p.until(ctx, func() bool { return p.pending == 0 })
}

// Signal implements engine.Place.
func (p *place) Signal(ctx context.Context, at runtime.Address, e runtime.WaitSignal) (runtime.Payload, error) {
	w := &listener{name: e.Name, at: at}
	p.listeners = append(p.listeners, w)
	slices.SortStableFunc(p.listeners, func(a, b *listener) int { return a.at.Compare(b.at) })
	err := p.until(ctx, func() bool { return p.first(w) && p.next(w.name) >= 0 })
	p.listeners = slices.DeleteFunc(p.listeners, func(other *listener) bool { return other == w })
	if err != nil {
		return nil, err
	}
	i := p.next(w.name)
	got := p.signals[i].Value
	p.signals = slices.Delete(p.signals, i, i+1)
	return got, nil
}

// listener is a branch that waits for a signal.
type listener struct {
	name string
	at   runtime.Address
}

// first says whether nobody of a lower address waits for the same signal.
func (r *run) first(w *listener) bool {
	i := slices.IndexFunc(r.listeners, func(other *listener) bool { return other.name == w.name })
	return i >= 0 && r.listeners[i] == w
}

// next is the index of the first signal of that name, or -1.
func (r *run) next(name string) int {
	return slices.IndexFunc(r.signals, func(s Signal) bool { return s.Name == name })
}

// Decide implements engine.Place.
func (p *place) Decide(ctx context.Context, id string, at runtime.Address, e runtime.Approval) (runtime.Payload, error) {
	w := Waiting{Run: id, Address: at.String(), Title: e.Title, Options: e.Options, By: e.By, Context: e.Context}
	forget := func(other Waiting) bool { return other.Run == w.Run && other.Address == w.Address }
	p.asked = append(slices.DeleteFunc(p.asked, forget), w) // it may be known from the history before this one
	err := p.until(ctx, func() bool { return p.made(w.Run, w.Address) >= 0 })
	p.asked = slices.DeleteFunc(p.asked, forget)
	i := p.made(w.Run, w.Address)
	if i < 0 {
		return nil, err
	}
	got := p.decided[i].Value
	p.decided = slices.Delete(p.decided, i, i+1)
	return got, nil
}

// made is the index of the decision for an address, or -1.
func (r *run) made(id, address string) int {
	return slices.IndexFunc(r.decided, func(d Decide) bool { return d.Run == id && d.Address == address })
}
