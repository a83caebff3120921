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
	shareAfter  = 50 * time.Millisecond // how long a process may hand a slot from call to call while other processes wait
	mostMarks   = 64                    // processes that are seen to wait
)

// slots are the calls that may be under way at a time. A slot is a locked file, and the lowest that is free is taken: so processes that
// allow different numbers of calls agree on how many there are.
type slots struct {
	place *place
	now   func() time.Time
	most  int // zero means that there is no limit

	mu      sync.Mutex
	held    map[int]bool // by calls of this process
	waiting chan *slot   // of the one call that waits, which gets a slot of this process
	mark    *os.File     // that shows other processes that this one waits
	marked  int          // its number
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
	if got := s.try(); got != nil {
		return got, nil
	}
	s.show()
	defer s.hide()
	why := "a slot of " + what
	for poll := firstPoll; ; poll = min(poll*3/2, longestPoll) {
		got, err := s.wait(w, poll/2+rand.N(poll/2), why)
		if got != nil && got.n < 0 { // others first
			got, err = s.wait(w, longestPoll+rand.N(firstPoll), why)
		}
		if err != nil {
			return nil, err
		}
		if got == nil || got.n < 0 {
			got = s.try()
		}
		if got != nil {
			return got, nil
		}
	}
}

// freed tells the waiting call that its process has let a slot go, for others.
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
	if next != nil && (give.file == nil || s.now().Sub(give.since) < shareAfter || !s.othersWait()) {
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
			}
			got.file = f
		}
		s.held[n] = true
		return got
	}
	return nil
}

// show lets other processes see that this one waits for a slot.
func (s *slots) show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, shared := s.place.open()
	for n := 0; shared && n < mostMarks; n++ {
		f, err := lockFile(filepath.Join(dir, markName(n)), os.O_CREATE)
		if err == nil {
			s.mark, s.marked = f, n
			return
		}
	}
}

func (s *slots) hide() {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock(s.mark)
	s.mark = nil
}

// othersWait says whether another process waits for a slot.
func (s *slots) othersWait() bool {
	for n := range mostMarks {
		if s.mark != nil && n == s.marked {
			continue
		}
		path, shared := s.place.file(markName(n))
		if !shared {
			return false
		}
		f, err := lockFile(path, 0)
		unlock(f)
		if errors.Is(err, errBusy) {
			return true
		}
		if err != nil { // there are no more
			return false
		}
	}
	return false
}

func markName(n int) string { return "waits-" + strconv.Itoa(n) }

func slotName(n int) string { return "slot-" + strconv.Itoa(n) }
