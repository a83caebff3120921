package limiter

import (
	"slices"
	"sync"
	"time"
)

// queue lets one call at a time have its turn, in the order in which they came. The zero queue is empty.
type queue struct {
	mu      sync.Mutex
	taken   bool
	waiting []chan struct{} // closed when it is its turn
}

// take waits for the turn.
func (q *queue) take(w *waiter, what string) error {
	mine := q.join()
	if mine == nil {
		return nil
	}
	var late <-chan time.Time
	if w.watch != nil {
		t := time.NewTimer(w.left())
		defer t.Stop()
		late = t.C
	}
	for {
		select {
		case <-mine:
			return nil
		case <-late:
			w.tell("its turn at " + what)
			late = nil
		case <-w.ctx.Done():
			q.quit(mine)
			return w.over()
		}
	}
}

// join takes the turn if nobody has it, and gives nil; else it gives what to wait for.
func (q *queue) join() chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.taken {
		q.taken = true
		return nil
	}
	mine := make(chan struct{})
	q.waiting = append(q.waiting, mine)
	return mine
}

// quit leaves the queue, or passes on the turn that has just come.
func (q *queue) quit(mine chan struct{}) {
	q.mu.Lock()
	i := slices.Index(q.waiting, mine)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	q.mu.Unlock()
	if i < 0 {
		q.leave()
	}
}

// leave gives the turn to the next.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.taken = false
		return
	}
	close(q.waiting[0])
	q.waiting = q.waiting[1:]
}
