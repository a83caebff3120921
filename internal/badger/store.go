// Package badger keeps runs: their facts, records, messages and texts. It also keeps answers of agents for whoever asks the same later.
//
// A store is a directory. One process at a time owns it: it holds the lock, has the database open and serves the store on a socket, through
// which all other processes go. When the owner ends or dies another of them takes over, and what had not been acknowledged is sent again;
// facts are the same when they are written twice. Who uses a Store sees none of this.
//
// In the directory: db is the Badger database, blobs the texts by their sha256, lock and store.sock belong to the owner, version says which
// format this is, and ballast is room kept for when the disk is full.
package badger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Durability says when something counts as kept.
type Durability uint8

// Durabilities. Process survives the end of every process, but not that of the machine; it saves the wait for the disk.
const (
	Fsync Durability = iota
	Process
)

// Options of a store. The zero value is right for most.
type Options struct {
	Durability Durability
	Version    string // of this program, for messages
	ReadOnly   bool

	Silent   func(*Silent) // is told when the owner of the store has not answered for some seconds, and may be stopped; nil tells nobody
	Patience time.Duration // how long an owner is waited for that does not answer; zero means a minute
}

// Store is a place where runs are kept. Its methods may be called from any goroutine.
type Store struct {
	dir     string
	opts    Options
	blobs   *blobs
	self    *holder
	answers atomic.Bool // some were kept

	user   context.Context //nolint:containedctx // ends when whoever uses the store wants to end
	waits  waits
	ctx    context.Context //nolint:containedctx // ends with the store, for what it does on its own
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	backend backend       // nil while there is no owner
	up      chan struct{} // is closed when there is one again
	waiting []*call       // for that
	trouble error         // nothing can be asked any more
	leases  map[*Lease]bool
}

// Open is OpenFor somebody who never wants to end.
func Open(dir string, o Options) (*Store, error) { return OpenFor(context.Background(), dir, o) }

// OpenFor opens the store in a directory, which it makes if need be. Any number of processes may do so at once. When ctx ends the store stays open;
// what waits for an owner that does not answer ends with a *Silent, as it does without when Patience is over.
func OpenFor(ctx context.Context, dir string, o Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if o.ReadOnly {
		_, err = os.Stat(filepath.Join(dir, "db"))
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, failed(dir, fmt.Errorf("the store cannot be opened: %w", err))
	}
	self := newHolder()
	s := &Store{
		dir: dir, opts: o, self: &self, leases: make(map[*Lease]bool), user: ctx, waits: waitsOf(o),
		blobs: &blobs{dir: filepath.Join(dir, "blobs"), fsync: o.Durability == Fsync, locked: o.ReadOnly},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	b, err := s.reach(s.ctx, true) //nolint:contextcheck // it ends with ctx too
	if err != nil {
		s.cancel()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resume(b) //nolint:contextcheck // what it starts ends with the store
	return s, nil
}

// Dir is where the store is.
func (s *Store) Dir() string { return s.dir }

// Damage says what is wrong with the store, and what is lost; nil when nothing is known to be. A damaged store can only be read until it is
// repaired.
func (s *Store) Damage() (*Report, error) {
	a, err := s.ask(&request{Op: opDamage})
	if err != nil {
		return nil, err
	}
	return a.Damage, nil
}

// Put keeps a text once, under its digest. Whoever puts a text says soon which run needs it, or gc takes it away again.
func (s *Store) Put(text []byte) (digest string, err error) { return s.blobs.put(text) }

// Get gives a text.
func (s *Store) Get(digest string) ([]byte, error) { return s.blobs.get(digest) }

// Create keeps the record of a new run.
func (s *Store) Create(r Record) error {
	if err := validID(r.ID); err != nil {
		return err
	}
	items, err := s.itemsOf(&r)
	if err != nil {
		return err
	}
	_, err = s.ask(&request{Op: opCreate, Run: r.ID, Items: items})
	return err
}

func (s *Store) itemsOf(r *Record) ([]item, error) {
	value, needs, err := r.encode(s.blobs)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", r.ID, err)
	}
	return append([]item{{keyOf(recordKey, r.ID), value}}, needed(r.ID, needs)...), nil
}

// Record gives what is known of a run. The beginning of an id is enough if no other begins so.
func (s *Store) Record(id string) (Record, error) {
	a, err := s.ask(&request{Op: opRecord, Run: id})
	if err != nil {
		return Record{}, err
	}
	r, err := decodeRecord(a.Found[0].Value, s.blobs, false)
	r.hold(a.Found[0].Holder)
	return r, err
}

// Records gives the runs that pass a filter, newest first. Inputs and results that are kept as files are left out.
func (s *Store) Records(f Filter) ([]Record, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	a, err := s.ask(&request{Op: opRecords, Filter: f})
	if err != nil {
		return nil, err
	}
	list := make([]Record, len(a.Found))
	for i, f := range a.Found {
		if list[i], err = decodeRecord(f.Value, s.blobs, true); err != nil {
			return nil, err
		}
		list[i].hold(f.Holder)
	}
	return list, nil
}

// Facts gives the facts of a run, by address; none if there is no such run. Child runs are runs of their own.
func (s *Store) Facts(id string) ([]runtime.Fact, error) {
	a, err := s.ask(&request{Op: opFacts, Run: id})
	if err != nil {
		return nil, err
	}
	list, err := s.blobs.factsOf(a.Items)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	return list, nil
}

// ask sends a request and waits for the answer.
func (s *Store) ask(r *request) (*answer, error) {
	got := make(chan *answer, 1)
	if err := s.send(r, func(a *answer) { got <- a }); err != nil {
		return nil, err
	}
	a := <-got
	return a, a.Fail.error()
}

// Close gives the store up, and every lease with it. What was noted is durable then.
func (s *Store) Close() error {
	s.mu.Lock()
	given := is[*Silent](s.trouble) // and everybody has been told
	leases := make([]*Lease, 0, len(s.leases))
	for l := range s.leases {
		leases = append(leases, l)
	}
	s.mu.Unlock()
	var errs []error
	for _, l := range leases {
		if err := l.Release(); !given {
			errs = append(errs, err)
		}
	}
	s.mu.Lock()
	b := s.backend
	if errors.Is(s.trouble, ErrClosed) {
		s.mu.Unlock()
		return nil
	}
	s.trouble = ErrClosed
	s.cancel()
	s.mu.Unlock()
	if b != nil {
		errs = append(errs, b.close())
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func now() time.Time { return time.Now().UTC() }
