package market

import "hash"

// behind hashes what is written to it while its writer goes on.
type behind struct {
	full, free chan []byte
	done       chan struct{}
}

// ahead is how many chunks a writer may be ahead of the hash.
const ahead = 4

// hashBehind begins to hash into h, which nobody else touches until wait.
func hashBehind(h hash.Hash) *behind {
	b := &behind{full: make(chan []byte, ahead), free: make(chan []byte, ahead), done: make(chan struct{})}
	for range ahead {
		b.free <- nil
	}
	go func() {
		defer close(b.done)
		for p := range b.full {
			_, _ = h.Write(p) // a hash takes all
			b.free <- p
		}
	}()
	return b
}

func (b *behind) Write(p []byte) (int, error) {
	b.full <- append((<-b.free)[:0], p...)
	return len(p), nil
}

// wait ends the hashing, after which all that was written is in the hash.
func (b *behind) wait() {
	close(b.full)
	<-b.done
}
