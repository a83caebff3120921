package local

import (
	"context"
	"slices"
	"sync"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/runtime"
)

// Signals carries signals from outside into a run: first in, first out per name, and the lowest waiting address takes one.
// The zero value is ready.
type Signals struct {
	mu      sync.Mutex
	queued  map[string][]runtime.Payload
	waiting map[string][]*waiter // by address
	closed  bool
}

type waiter struct {
	at   runtime.Address
	take chan runtime.Payload // of one
}

// Send hands a signal to whoever waits for it, now or later.
func (s *Signals) Send(name string, p runtime.Payload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.waiting[name]; len(w) > 0 {
		s.waiting[name] = w[1:]
		w[0].take <- p
		return
	}
	if s.queued == nil {
		s.queued = make(map[string][]runtime.Payload)
	}
	s.queued[name] = append(s.queued[name], p)
}

// Close says that no more signals will come; waiting for one without a timeout is then a *NeedsPerson.
func (s *Signals) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// take waits for a signal. bounded says that ctx will end in time even if none comes.
func (s *Signals) take(ctx context.Context, name string, at runtime.Address, bounded bool) (runtime.Payload, error) {
	if s == nil {
		s = &Signals{closed: true}
	}
	w, p, err := s.enlist(name, at, bounded)
	if w == nil {
		return p, err
	}
	select {
	case p := <-w.take:
		return p, nil
	case <-ctx.Done():
		return s.leave(name, w, ctx.Err())
	}
}

// enlist takes a queued signal, or adds a waiter for the next one.
func (s *Signals) enlist(name string, at runtime.Address, bounded bool) (*waiter, runtime.Payload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queued[name]; len(q) > 0 {
		s.queued[name] = q[1:]
		return nil, q[0], nil
	}
	if s.closed && !bounded {
		return nil, nil, &engine.NeedsPerson{What: "the pattern waits for the signal \"" + name + "\", and nobody can send it; give --signal " + name + "=JSON, or wait_for a timeout", Signal: name}
	}
	w := &waiter{at, make(chan runtime.Payload, 1)}
	if s.waiting == nil {
		s.waiting = make(map[string][]*waiter)
	}
	list := append(s.waiting[name], w)
	slices.SortFunc(list, func(a, b *waiter) int { return a.at.Compare(b.at) })
	s.waiting[name] = list
	return w, nil, nil
}

// leave ends a wait that ran out; a signal that came at the same moment is passed on.
func (s *Signals) leave(name string, w *waiter, err error) (runtime.Payload, error) {
	s.mu.Lock()
	s.waiting[name] = slices.DeleteFunc(s.waiting[name], func(o *waiter) bool { return o == w })
	s.mu.Unlock()
	select {
	case p := <-w.take:
		return p, nil
	default:
		return nil, err
	}
}
