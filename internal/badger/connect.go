package badger

import (
	"context"
	"errors"
	"time"
)

// call is a request that is not answered yet.
type call struct {
	r     *request
	reply func(*answer)
	sent  time.Time // zero while there is no owner
}

// reach makes this process the owner of the store, or finds the one that is, which may take long to open or to close it. The error is a *Silent
// when that does not answer.
func (s *Store) reach(ctx context.Context, opening bool) (backend, error) {
	ctx, cancel := s.impatient(ctx, opening)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		d, err := openOwner(s.dir, s.opts)
		if err == nil || !errors.Is(err, errBusy) {
			return d, err
		}
		l, err := dial(ctx, s.dir, s.opts.Version, s.self)
		if err == nil {
			return l, nil
		}
		if _, ok := errors.AsType[*Mixed](err); ok {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, s.gaveUp()
		case <-time.After(wait):
		}
	}
}

// send sends a request, now or when there is an owner again. Requests are done in the order in which they are sent.
func (s *Store) send(r *request, reply func(*answer)) error {
	r.Sync = s.opts.Durability == Fsync
	if s.opts.ReadOnly && r.Op.writes() {
		return ErrReadOnly
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil {
		return s.trouble
	}
	if s.backend == nil || !s.backend.send(s.self, r, reply) {
		s.waiting = append(s.waiting, &call{r: r, reply: reply})
	}
	return nil
}

// lost is told of the calls that the owner had not answered when it went away.
func (s *Store) lost(_ backend, open []*call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range open {
		c.r.Again = true
	}
	s.waiting = append(open, s.waiting...)
	s.backend, s.up = nil, make(chan struct{})
	if s.trouble != nil {
		close(s.up)
		s.dropAll()
		return
	}
	s.wg.Go(s.reconnect)
}

func (s *Store) reconnect() {
	b, err := s.reach(s.ctx, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(s.up)
	if err != nil {
		if s.trouble == nil {
			s.trouble = err
		}
		s.dropAll()
		return
	}
	if s.trouble != nil { // it was closed meanwhile
		s.wg.Go(func() { _ = b.close() })
		s.dropAll()
		return
	}
	s.resume(b)
}

// resume takes the leases again and sends what waits. Whoever calls it holds the lock.
func (s *Store) resume(b backend) {
	s.backend = b
	b.start(s.lost)
	if l, ok := b.(*link); ok {
		s.wg.Go(func() { s.attend(l) })
	}
	waiting := s.waiting
	s.waiting = nil
	for l := range s.leases {
		r := &request{Op: opReclaim, Run: l.run, Fence: l.fence}
		if !b.send(s.self, r, func(*answer) {}) { // if it is refused so are the writes under it
			break
		}
	}
	for i, c := range waiting {
		if !b.send(s.self, c.r, c.reply) {
			s.waiting = append(s.waiting, waiting[i:]...)
			return
		}
	}
}

// dropAll answers what waits with the trouble that the store is in. Whoever calls it holds the lock.
func (s *Store) dropAll() {
	for _, c := range s.waiting {
		c.reply(&answer{ID: c.r.ID, Fail: &failure{here: s.trouble}})
	}
	s.waiting = nil
}

// follow streams until do is false or ctx ends, over any number of owners. What an owner had handed over the next one hands over again.
func (s *Store) follow(ctx context.Context, r *request, do func(*answer) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // the store ends it too
	for {
		s.mu.Lock()
		b, up, err := s.backend, s.up, s.trouble
		s.mu.Unlock()
		if err == nil && b != nil {
			err = b.stream(ctx, r, do)
			up = nil
			if err == nil {
				return nil
			}
		}
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
		if up == nil {
			up = closedSoon(ctx)
		}
		select {
		case <-ctx.Done():
			return s.state()
		case <-up:
		}
	}
}

// closedSoon is closed when a link had time to see that its owner is gone.
func closedSoon(ctx context.Context) chan struct{} {
	soon := make(chan struct{})
	ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	context.AfterFunc(ctx, func() { cancel(); close(soon) })
	return soon
}

func (s *Store) state() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}
