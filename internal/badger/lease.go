package badger

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/parallax-run/parallax/runtime"
)

// Lease is the right to go on with a run, which one holder has at a time. It keeps the facts of the run and of its child runs. It ends when it
// is released, or with the store or the process; then it can be taken again, and who had it before can write nothing more.
type Lease struct {
	store *Store
	run   string
	fence uint64

	mu    sync.Mutex
	noted error // why a note could not be kept
}

// Lease takes the run with this id. The error is a *Held when somebody has it, and ErrEnded when the run has ended.
func (s *Store) Lease(id string) (*Lease, error) {
	a, err := s.ask(&request{Op: opLease, Run: id})
	if err != nil {
		return nil, err
	}
	l := &Lease{store: s, run: id, fence: a.Fence}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases[l] = true
	return l, nil
}

// Fence counts how often the run was taken.
func (l *Lease) Fence() uint64 { return l.fence }

// Append keeps facts and returns when they are durable.
func (l *Lease) Append(run string, facts ...runtime.Fact) error {
	var last chan error
	err := l.each(run, facts, func(r *request) error {
		done := make(chan error, 1)
		last = done
		return l.store.send(r, func(a *answer) { done <- l.note(a.Fail.error()) })
	})
	if err != nil || last == nil {
		return err
	}
	return <-last
}

// Note keeps facts soon. That they could not be kept is the error of a later Append.
func (l *Lease) Note(run string, facts ...runtime.Fact) {
	err := l.each(run, facts, func(r *request) error {
		return l.store.send(r, func(a *answer) { _ = l.note(a.Fail.error()) })
	})
	_ = l.note(err)
}

// note remembers why something could not be kept.
func (l *Lease) note(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.noted == nil {
		l.noted = err
	}
	return l.noted
}

// each makes requests of facts, none of them too long.
func (l *Lease) each(run string, facts []runtime.Fact, do func(*request) error) error {
	if err := l.note(nil); err != nil {
		return err
	}
	if rootOf(run) != l.run {
		return fmt.Errorf("run %s is not under the lease of %s", run, l.run)
	}
	r := &request{Op: opAppend, Run: run, Fence: l.fence}
	size := 0
	for i := range facts {
		value, needs, err := l.store.blobs.encodeFact(&facts[i])
		if err != nil {
			return fmt.Errorf("run %s: %w", run, err)
		}
		if size > 0 && (size+len(value) > chunkBytes || len(r.Facts)+len(r.Items) >= chunkItems) {
			if err := do(r); err != nil {
				return err
			}
			r, size = &request{Op: opAppend, Run: run, Fence: l.fence}, 0
		}
		r.Items, r.Facts = append(r.Items, needed(run, needs)...), append(r.Facts, value)
		size += len(value)
	}
	if len(r.Facts) == 0 {
		return nil
	}
	return do(r)
}

// Load gives the facts of a run, by address; none if it never began. What was noted is among them.
func (l *Lease) Load(run string) ([]runtime.Fact, error) {
	if err := l.flush(); err != nil {
		return nil, err
	}
	return l.store.Facts(run)
}

// flush waits until what was noted is durable.
func (l *Lease) flush() error {
	_, err := l.store.ask(&request{Op: opAppend, Run: l.run, Fence: l.fence})
	return l.note(err)
}

// Update changes the record of the run. What was noted before is durable then. When that could not be kept the run can be suspended, not ended.
func (l *Lease) Update(change func(*Record)) error { return l.update(change, false) }

// update changes the record. Ending gives a final status without a time the present one.
func (l *Lease) update(change func(*Record), ending bool) error {
	lost := l.flush()
	r, err := l.store.Record(l.run)
	if err != nil {
		return err
	}
	if r.Status == Lost {
		r.Status = Running
	}
	change(&r)
	if r.Status.Final() && lost != nil {
		return lost
	}
	r.ID, r.Fence = l.run, l.fence
	r.ending = ending && r.Status.Final() && r.Ended.IsZero()
	items, err := l.store.itemsOf(&r)
	if err != nil {
		return err
	}
	_, err = l.store.ask(&request{Op: opUpdate, Run: l.run, Fence: l.fence, Items: items})
	return err
}

// End changes the record of a run that has ended or that is suspended. A final status without a time gets the present one.
func (l *Lease) End(change func(*Record)) error {
	_ = l.flush() // Update says what became of it
	a, err := l.store.ask(&request{Op: opCount, Run: l.run})
	if err != nil {
		return err
	}
	return l.update(func(r *Record) {
		change(r)
		r.Facts = a.Count
	}, true)
}

// Release lets others go on with the run. It may be called more than once.
func (l *Lease) Release() error {
	l.store.mu.Lock()
	held := l.store.leases[l]
	delete(l.store.leases, l)
	l.store.mu.Unlock()
	if !held {
		return nil
	}
	_, err := l.store.ask(&request{Op: opRelease, Run: l.run, Fence: l.fence})
	return err
}

// sortFacts orders facts by address, kind and seq.
func sortFacts(list []runtime.Fact) {
	slices.SortFunc(list, func(a, b runtime.Fact) int { return compareFacts(&a, &b) })
}

func compareFacts(a, b *runtime.Fact) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Seq, b.Seq))
}
