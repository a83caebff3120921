package child

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// How long a child may compute without a word: it says something every quarter of a second of its own accord, unless one builtin takes longer
// than any may. Its own time counts, where it is known, so that a machine that is busy or asleep ends nobody.
const (
	patience = 10 * time.Second // of processors
	silence  = 2 * time.Minute  // of the clock
)

// Beats: how often the parent looks after the branches that compute, and whoever waits for something else.
const (
	quickBeat = 50 * time.Millisecond
	slowBeat  = 500 * time.Millisecond
)

// heart beats while something is expected from the child.
type heart struct {
	do       func()
	expected atomic.Int64

	mu      sync.Mutex
	timer   *time.Timer
	beats   bool
	stopped bool
}

func (h *heart) expect() {
	if h.expected.Add(1) == 1 {
		h.start()
	}
}

func (h *heart) unexpect() { h.expected.Add(-1) }

func (h *heart) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.beats || h.stopped {
		return
	}
	h.beats = true
	if h.timer == nil {
		h.timer = time.AfterFunc(quickBeat, h.turn)
	} else {
		h.timer.Reset(quickBeat)
	}
}

func (h *heart) turn() {
	h.mu.Lock()
	h.beats = false
	h.mu.Unlock()
	if h.expected.Load() > 0 {
		h.do()
		h.start()
	}
}

func (h *heart) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.timer != nil {
		h.timer.Stop()
	}
}

// watch is the watchdog of a child.
type watch struct {
	worked   func() time.Duration
	patience time.Duration
	heard    atomic.Uint64 // messages so far

	mu   sync.Mutex
	seen uint64 // of heard, when somebody last looked
	at   time.Time
	used time.Duration
}

func (w *watch) hear() { w.heard.Add(1) }

// late is asked while something is expected from the child. Its error is the end of the child.
func (w *watch) late() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, heard := time.Now(), w.heard.Load()
	var used time.Duration
	if w.worked != nil {
		used = w.worked()
	}
	if w.at.IsZero() || heard != w.seen {
		w.seen, w.at, w.used = heard, now, used
		return nil
	}
	switch {
	case w.worked != nil && used-w.used > w.patience:
		return &runtime.Error{
			Code:    runtime.Limit,
			Message: fmt.Sprintf("the pattern was ended in its process: one step of it took more than %s", w.patience),
			Hint:    "work on less at a time",
		}
	case now.Sub(w.at) > silence:
		return fmt.Errorf("the process that interprets the pattern has not said a word for %s", silence)
	}
	return nil
}

// deadline is the process's own time after which a branch that was told to stop has not. It says something or stops far sooner.
func (w *watch) deadline() time.Duration {
	if w.worked == nil {
		return 0
	}
	return w.worked() + w.patience
}

// over says whether a deadline is over. Where nobody knows the process's own time it never is.
func (w *watch) over(deadline time.Duration) bool {
	return w.worked != nil && w.worked() > deadline
}
