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
