package limiter

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// How calls wait for a slot of other processes.
const (
	firstPoll   = 5 * time.Millisecond
	longestPoll = 50 * time.Millisecond
	shareAfter  = 50 * time.Millisecond // how long a process may hand a slot from call to call before others may have it
)

// slots are the calls that may be under way at a time. A slot is a locked file, and the lowest that is free is taken: so processes that
// allow different numbers of calls agree on how many there are.
type slots struct {
	place *place
	now   func() time.Time
	most  int // zero means that there is no limit

	mu      sync.Mutex
	held    map[int]bool // by calls of this process
	waiting chan *slot   // of the one call that waits, which gets a slot of this process; a nil slot bids it look again soon
}

// slot is the right to make one call.
type slot struct {
	n     int
	file  *os.File  // nil where processes cannot meet
	since time.Time // this process has it
}

// take waits for a slot; it is nil where there is no limit. One call at a time waits.
func (s *slots) take(w *waiter, what string) (*slot, error) {
	if s.most <= 0 {
		return nil, nil
	}
	poll := firstPoll
	for {
		got := s.try()
		if got != nil {
			return got, nil
		}
		handed, err := s.wait(w, poll/2+rand.N(poll/2), "a slot of "+what)
		switch {
		case err != nil:
			return nil, err
		case handed == nil:
			poll = min(poll*3/2, longestPoll)
		case handed.n >= 0:
			return handed, nil
		default:
			poll = firstPoll * 2 // others first
		}
	}
}

// freed bids the waiting call look again soon.
func freed() *slot { return &slot{n: -1} }

// wait sleeps until a slot is handed over or it is time to look again.
func (s *slots) wait(w *waiter, d time.Duration, why string) (*slot, error) {
	ch := make(chan *slot, 1)
	s.mu.Lock()
	s.waiting = ch
	s.mu.Unlock()
	w.tell(why)
	t := time.NewTimer(d)
	defer t.Stop()
	var err error
	select {
	case got := <-ch:
		return got, nil
	case <-t.C:
	case <-w.ctx.Done():
		err = w.over()
	}
	s.mu.Lock()
	s.waiting = nil
	s.mu.Unlock()
	select {
	case got := <-ch:
		if err == nil || got.n < 0 {
			return got, err
		}
		s.free(got)
	default:
	}
	return nil, err
}

// free gives a slot back, or to the next call of this process.
func (s *slots) free(give *slot) {
	if give == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.waiting
	s.waiting = nil
	if next != nil && (give.file == nil || s.now().Sub(give.since) < shareAfter) {
		next <- give
		return
	}
	unlock(give.file)
	delete(s.held, give.n)
	if next != nil {
		next <- freed()
	}
}

// try takes the lowest slot that is free.
func (s *slots) try() *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(map[int]bool)
	}
	dir, shared := s.place.open()
	for n := 0; n < s.most; n++ {
		if s.held[n] {
			continue
		}
		got := &slot{n: n, since: s.now()}
		if shared {
			f, err := lockFile(filepath.Join(dir, slotName(n)), os.O_CREATE)
			switch {
			case errors.Is(err, errBusy):
				continue
			case errors.Is(err, fs.ErrNotExist):
				s.place.again()
				return nil
			case err != nil:
				s.place.fail(err)
				shared = false
			}
			got.file = f
		}
		s.held[n] = true
		return got
	}
	return nil
}

func slotName(n int) string { return "slot-" + strconv.Itoa(n) }
