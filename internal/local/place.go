package local

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/runtime"
)

// place is where all branches of a run are: goroutines of this process.
type place struct {
	*Engine
	flights flights
}

// Enter implements engine.Place. Here anything may begin at any time.
func (p *place) Enter(context.Context) error { return nil }

// Go implements engine.Place.
func (p *place) Go(f func(engine.Place)) { go f(p) }

// Cond implements engine.Place.
func (p *place) Cond(l sync.Locker) engine.Cond { return sync.NewCond(l) }

// After implements engine.Place.
func (p *place) After(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// Sleep implements engine.Place.
func (p *place) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Await implements engine.Place.
func (p *place) Await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Yield implements engine.Place. Goroutines need not.
func (p *place) Yield() {}

// Ready implements engine.Place.
func (p *place) Ready(ctx context.Context, agent string) error {
	if p.Engine.Ready == nil {
		return nil
	}
	return p.Engine.Ready(ctx, agent)
}

// Call implements engine.Place.
func (p *place) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	p.flights.start()
	defer p.flights.end()
	return p.Agents.Call(ctx, c)
}

// Landed implements engine.Place.
func (p *place) Landed(ctx context.Context) error {
	return p.Await(ctx, p.flights.none())
}

// Signal implements engine.Place.
func (p *place) Signal(ctx context.Context, at runtime.Address, e runtime.WaitSignal) (runtime.Payload, error) {
	return p.rested(ctx, func() (runtime.Payload, error) { return p.Signals.take(ctx, e.Name, at, e.Timeout > 0) })
}

// Decide implements engine.Place.
func (p *place) Decide(ctx context.Context, run string, at runtime.Address, e runtime.Approval) (runtime.Payload, error) {
	return p.rested(ctx, func() (runtime.Payload, error) { return p.decide(ctx, run+"/"+at.String(), e) })
}

// rested waits for something that people have to give. Where nobody is there to give it the run is to be suspended, but not before the calls
// that are under way have ended: they would be made and paid for again.
func (p *place) rested(ctx context.Context, take func() (runtime.Payload, error)) (runtime.Payload, error) {
	got, err := take()
	if _, ok := errors.AsType[*engine.NeedsPerson](err); !ok || p.Keep == nil {
		return got, err
	}
	if err := p.Landed(ctx); err != nil {
		return nil, err
	}
	return take() // it may have come meanwhile
}
