package local

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/parallax-run/parallax/runtime"
)

// Decisions carries decisions from outside to the approvals that wait for them, in the run and in its child runs. The zero value is ready.
type Decisions struct {
	mu      sync.Mutex
	made    map[string]runtime.Payload
	changed chan struct{} // closed when one is made
	closed  bool
}

// Send hands a decision, a JSON object {choice, by, comment}, to the approval at an address of a run, which asks for it now or later.
func (d *Decisions) Send(run, address string, p runtime.Payload) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made == nil {
		d.made = make(map[string]runtime.Payload)
	}
	d.made[run+"/"+address] = p
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// Close says that nobody is to wait for decisions that were not sent yet.
func (d *Decisions) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// look gives a decision, or else a channel that is closed when there may be one; nil when nobody is to wait.
func (d *Decisions) look(key string) (p runtime.Payload, later <-chan struct{}) {
	if d == nil {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.made[key]; ok {
		return p, nil
	}
	if d.closed {
		return nil, nil
	}
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return nil, d.changed
}

// take waits for a decision; it gives nil when there is none and nobody is to wait.
func (d *Decisions) take(ctx context.Context, key string) (runtime.Payload, error) {
	for {
		p, later := d.look(key)
		if p != nil || later == nil {
			return p, nil
		}
		select {
		case <-later:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// decide asks the person who is there and waits for those who are elsewhere; whoever comes first has decided.
func (b *branch) decide(ctx context.Context, at runtime.Address, e runtime.Approval) (runtime.Payload, error) {
	key := b.run.ID + "/" + at.String()
	if p, later := b.x.Decisions.look(key); p != nil || (later == nil && b.x.People == nil) {
		if p == nil {
			return nil, &NeedsPerson{What: fmt.Sprintf("%q needs a person to decide, and there is no terminal to ask on", e.Title)}
		}
		return p, nil
	}
	if b.x.People == nil {
		return b.x.Decisions.take(ctx, key)
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var elsewhere runtime.Payload
	var wg sync.WaitGroup
	wg.Go(func() {
		if p, err := b.x.Decisions.take(asking, key); err == nil && p != nil {
			elsewhere = p
			stop()
		}
	})
	p, err := b.x.People.Decide(asking, e)
	stop()
	wg.Wait()
	if err != nil && elsewhere != nil {
		return elsewhere, nil
	}
	return p, err
}

// rested waits for something that people have to give. Where nobody is there to give it the run is to be suspended, but not before the calls
// that are under way have ended: they would be made and paid for again.
func (b *branch) rested(take func() (runtime.Payload, error)) (runtime.Payload, error) {
	p, err := take()
	if _, ok := errors.AsType[*NeedsPerson](err); !ok || !b.keeps() {
		return p, err
	}
	select {
	case <-b.x.flights.none():
		return take() // it may have come meanwhile
	case <-b.ctx.Done():
		return nil, b.stopped()
	}
}

// flights counts the agent calls under way in a run and its child runs.
type flights struct {
	mu      sync.Mutex
	n       int
	landing chan struct{} // closed when there is none
}

func (f *flights) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *flights) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.landing != nil {
		close(f.landing)
		f.landing = nil
	}
}

// none gives a channel that is closed once no call is under way.
func (f *flights) none() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == 0 {
		now := make(chan struct{})
		close(now)
		return now
	}
	if f.landing == nil {
		f.landing = make(chan struct{})
	}
	return f.landing
}
