package engine

import "github.com/parallax-run/parallax/runtime"

// maxCount is how many bytes a count of votes may take that is kept. One that is longer can be had again by a replay.
const maxCount = 64 << 10

// counts is where a branch is with its counts of votes.
type counts struct{ n, seq int }

// next is the place of the next count behind an effect.
func (c *counts) next(n int) (seq int) {
	if c.n != n {
		*c = counts{n: n}
	}
	c.seq++
	return c.seq - 1
}

// count is a place of a count.
type count struct {
	at  runtime.Address
	seq int
}

var _ runtime.Witness = (*branch)(nil)

// Counted implements runtime.Witness.
func (b *branch) Counted(name string, value func() (runtime.Payload, error)) {
	if !b.keeps() || b.x.Replay {
		return
	}
	c := count{runtime.Address{Path: b.path, N: b.n}, b.counts.next(b.n)}
	if b.past != nil && b.past.counted[c] {
		return
	}
	p, err := value()
	if err != nil || len(p) > maxCount {
		return // it is for people only
	}
	request := runtime.Payload(`{"effect":"` + name + `"}`)
	b.x.Keep.Note(b.run.ID, runtime.Fact{
		Addr: c.at, Kind: runtime.Counted, Seq: c.seq, At: b.now, Print: runtime.PrintOf(request), Request: request, Outcome: p,
	})
}
