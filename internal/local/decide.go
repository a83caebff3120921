package local

import (
	"context"
	"fmt"
	"sync"

	"github.com/parallax-run/parallax/internal/engine"
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
func (p *place) decide(ctx context.Context, key string, e runtime.Approval) (runtime.Payload, error) {
	if made, later := p.Decisions.look(key); made != nil || (later == nil && p.People == nil) {
		if made == nil {
			return nil, &engine.NeedsPerson{What: fmt.Sprintf("%q needs a person to decide, and there is no terminal to ask on", e.Title)}
		}
		return made, nil
	}
	if p.People == nil {
		return p.Decisions.take(ctx, key)
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var elsewhere runtime.Payload
	var wg sync.WaitGroup
	wg.Go(func() {
		if made, err := p.Decisions.take(asking, key); err == nil && made != nil {
			elsewhere = made
			stop()
		}
	})
	made, err := p.People.Decide(asking, e)
	stop()
	wg.Wait()
	if err != nil && elsewhere != nil {
		return elsewhere, nil
	}
	return made, err
}
