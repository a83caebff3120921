// Package fakefx performs the effects of a pattern in memory, as a test scripts them.
//
// It keeps the contract of runtime.Effects and runtime.Group and records nothing. Branches are goroutines and time is package time's, so that a
// test inside synctest.Test has waits, deadlines and races that are exact and cost nothing. Answers that arrive at different
// moments arrive in that order; answers of the same moment arrive in any.
package fakefx

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// World is everything a run can meet. A nil function means that the thing does not exist.
type World struct {
	// Ask answers a call. It may wait, and must return when ctx ends.
	Ask func(ctx context.Context, at runtime.Address, c runtime.AgentCall) (runtime.Answer, error)
	// Agents are the names that have a capability.
	Agents map[string][]string
	// Signals are what waits to be taken, by name.
	Signals map[string][]runtime.Payload
	// Approve decides.
	Approve func(a runtime.Approval) (runtime.Payload, error)
	// Child runs another pattern.
	Child func(c runtime.ChildRun) (runtime.Payload, error)
	// Left is what remains of the budget.
	Left map[runtime.BudgetUnit]runtime.Payload
	// Broken is what every effect ends in, when not nil: trouble of the host.
	Broken error

	mu      sync.Mutex
	effects []Entry
	forks   []Forked
}

// Entry is one effect that was performed.
type Entry struct {
	Addr   runtime.Address
	Effect runtime.Effect
}

// Forked is one fork.
type Forked struct {
	Addr   runtime.Address
	Spec   runtime.ForkSpec
	Labels []string
}

// Run runs a program in the world.
func (w *World) Run(ctx context.Context, p *runtime.Program, inputs runtime.Payload, cfg runtime.Config) (runtime.Payload, error) {
	return p.Run(&branch{ctx: ctx, world: w}, inputs, cfg)
}

// Effects lists what was performed, by address.
func (w *World) Effects() []Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.effects)
	slices.SortStableFunc(all, func(a, b Entry) int { return a.Addr.Compare(b.Addr) })
	return all
}

// Forks lists the forks, by address.
func (w *World) Forks() []Forked {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.forks)
	slices.SortStableFunc(all, func(a, b Forked) int { return a.Addr.Compare(b.Addr) })
	return all
}

// branch is the Effects of one branch.
type branch struct {
	ctx   context.Context // the branch is its scope
	world *World
	path  runtime.Path
	n     int
}

func (b *branch) Now() time.Time { return time.Now().UTC() }

func (b *branch) Checkpoint() error { return b.cancelled() }

// cancelled is the error of a branch that was stopped, or nil.
func (b *branch) cancelled() error {
	if b.ctx.Err() == nil {
		return nil
	}
	return &runtime.Error{Code: runtime.Cancelled, Message: "cancelled", Cause: context.Cause(b.ctx)}
}

func (b *branch) next() runtime.Address {
	b.n++
	return runtime.Address{Path: b.path, N: b.n}
}

func (b *branch) Do(e runtime.Effect) (runtime.Payload, error) {
	at := b.next()
	if err := b.cancelled(); err != nil {
		return nil, err
	}
	w := b.world
	w.mu.Lock()
	w.effects = append(w.effects, Entry{at, e})
	w.mu.Unlock()
	if w.Broken != nil {
		return nil, w.Broken
	}
	p, err := b.perform(at, e)
	if stopped := b.cancelled(); stopped != nil {
		return nil, stopped
	}
	return p, err
}

func (b *branch) perform(at runtime.Address, e runtime.Effect) (runtime.Payload, error) {
	w := b.world
	switch e := e.(type) {
	case runtime.AgentCall:
		return b.ask(at, e)
	case runtime.AgentLookup:
		return w.lookup(e)
	case runtime.Sleep:
		b.wait(e.For)
		return runtime.Null, nil
	case runtime.WaitSignal:
		return b.signal(e)
	case runtime.Approval:
		if w.Approve == nil {
			b.wait(e.Timeout)
			return nil, runtime.Errorf(runtime.Timeout, "nobody decided %q within %v", e.Title, e.Timeout)
		}
		return w.Approve(e)
	case runtime.ChildRun:
		if w.Child == nil {
			return nil, runtime.Errorf(runtime.NotFound, "there is no pattern %q", e.Pattern)
		}
		return w.Child(e)
	case runtime.Budget:
		if p, found := w.Left[e.Of]; found {
			return p, nil
		}
		return runtime.Null, nil
	case runtime.Emit:
		return runtime.Null, nil
	}
	panic("an effect that the fake does not know")
}

// ask makes the attempts that the call consents to, without pauses.
func (b *branch) ask(at runtime.Address, c runtime.AgentCall) (runtime.Payload, error) {
	if b.world.Ask == nil {
		return nil, runtime.Errorf(runtime.NotFound, "there is no agent %q", c.Agent)
	}
	for attempt := 1; ; attempt++ {
		a, err := b.attempt(at, c)
		if err == nil {
			a.Attempts = attempt
			if a.Agent == "" {
				a.Agent = c.Agent
			}
			return a.Payload(), nil
		}
		e, ok := errors.AsType[*runtime.Error](err)
		if !ok {
			return nil, err
		}
		if !c.Retry.Allows(e, attempt) {
			failed := *e
			failed.Agent, failed.Attempts = c.Agent, attempt
			return nil, &failed
		}
		b.wait(c.Retry.Wait(attempt))
	}
}

func (b *branch) attempt(at runtime.Address, c runtime.AgentCall) (runtime.Answer, error) {
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(b.ctx, c.Timeout)
	defer cancel()
	a, err := b.world.Ask(ctx, at, c)
	if ctx.Err() != nil && b.ctx.Err() == nil {
		return a, &runtime.Error{
			Code: runtime.Timeout, Retryable: true,
			Message: "agent " + strconv.Quote(c.Agent) + " did not answer within " + c.Timeout.String(),
		}
	}
	return a, err
}

// wait pauses until the time is up or the branch is cancelled.
func (b *branch) wait(d time.Duration) { Wait(b.ctx, d) }

// Wait pauses until the time is up or ctx ends, for agents that take their time.
func Wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (w *World) lookup(e runtime.AgentLookup) (runtime.Payload, error) {
	names := slices.Sorted(slices.Values(w.Agents[e.Capability]))
	if len(names) < e.Min {
		return nil, runtime.Errorf(runtime.NotFound, "%d agents have the capability %q, want at least %d", len(names), e.Capability, e.Min)
	}
	if e.Count > 0 {
		names = names[:min(e.Count, len(names))]
	}
	return json.Marshal(append([]string{}, names...))
}

func (b *branch) signal(e runtime.WaitSignal) (runtime.Payload, error) {
	w := b.world
	w.mu.Lock()
	if queue := w.Signals[e.Name]; len(queue) > 0 {
		w.Signals[e.Name] = queue[1:]
		w.mu.Unlock()
		return queue[0], nil
	}
	w.mu.Unlock()
	if e.Timeout == 0 {
		<-b.ctx.Done()
		return nil, b.cancelled()
	}
	b.wait(e.Timeout)
	return nil, runtime.Errorf(runtime.Timeout, "no signal %q within %v", e.Name, e.Timeout)
}
