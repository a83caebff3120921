package badger

import "sync"

// queue hands things from many to one, in order and in heaps: whoever takes gets all that is there. Its zero value is ready.
type queue[T any] struct {
	mu     sync.Mutex
	wake   sync.Cond
	things []T
	closed bool
}

// push gives false when the queue is closed.
func (q *queue[T]) push(t T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wake.L = &q.mu
	if q.closed {
		return false
	}
	q.things = append(q.things, t)
	q.wake.Signal()
	return true
}

// take waits for things. It gives none when the queue is closed and empty. spare is where to put the next ones.
func (q *queue[T]) take(spare []T) []T {
	clear(spare)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wake.L = &q.mu
	for len(q.things) == 0 && !q.closed {
		q.wake.Wait()
	}
	got := q.things
	q.things = spare[:0]
	return got
}

// close lets take give what is left, and nothing after that.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wake.L = &q.mu
	q.closed = true
	q.wake.Broadcast()
}
