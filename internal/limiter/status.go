package limiter

import (
	"errors"
	"path/filepath"
	"time"
)

// Status is what is known of a limit.
type Status struct {
	Dir    string    // its files; "" where processes cannot meet
	InUse  int       // slots
	Held   time.Time // nobody calls before; zero when nobody asked for a pause
	Down   time.Time // nobody calls before, as calls failed; zero when they did not
	Trying bool      // a call tries whether it is back, or the next one will
	Err    error     // why nothing of this is known but the slots, and each process has the limit for itself; nil when that is not so
	Last   string    // failure or request for a pause, "" when there was none of late
}

// Status looks at a limit and changes nothing.
func (l *Limits) Status(lim Limit) Status {
	if l.dir == "" {
		return Status{}
	}
	st := Status{Dir: filepath.Join(l.dir, lim.directory())}
	for n := range lim.Concurrency {
		f, err := lockFile(filepath.Join(st.Dir, slotName(n)), 0)
		if errors.Is(err, errBusy) {
			st.InUse++
		}
		unlock(f)
	}
	raw, err := readFile(filepath.Join(st.Dir, "state"))
	if err != nil {
		st.Err = err
		return st
	}
	text, _ := unseal(raw)
	s, now := decode(text), l.now()
	s.bound(now.UnixNano(), lim.Rate)
	if s.Until > now.UnixNano() {
		st.Held = time.Unix(0, s.Until)
	}
	if s.Fails >= breakerFails {
		st.Trying = s.Open <= now.UnixNano()
		if !st.Trying {
			st.Down = time.Unix(0, s.Open)
		}
	}
	st.Last = s.Why
	return st
}

// Recall gives what is kept under a key for the processes that come later, nil when that is nothing.
func (l *Limits) Recall(key string) []byte { return l.memory(key).read() }

// Change makes a new text of what is kept under a key while no other process does. It may be at most some kilobytes long.
func (l *Limits) Change(key string, f func(old []byte) []byte) { l.memory(key).change(f) }

func (l *Limits) memory(key string) *page {
	lim := Limit{Kind: "process", Identity: key}
	return &l.gate(lim).page
}
