package badger

import (
	"context"
	"crypto/sha256"
	"iter"

	"github.com/parallax-run/parallax/runtime"
)

// Change is something that was kept of a run: either a fact or its record. The last one may be an error instead.
type Change struct {
	Run    string // the run or child run
	Fact   *runtime.Fact
	Record *Record
	Err    error
}

// Watch gives what is kept of a run and its child runs: facts and records so far first, then each as it becomes durable. It ends with ctx.
func (s *Store) Watch(ctx context.Context, id string) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		seen := make(map[string][sha256.Size]byte) // another owner begins again from the beginning
		err := s.follow(ctx, &request{Op: opWatch, Run: id}, func(a *answer) bool {
			sum := sha256.Sum256(a.Change.Value)
			if seen[string(a.Change.Key)] == sum {
				return true
			}
			seen[string(a.Change.Key)] = sum
			return yield(s.changed(a.Change))
		})
		if err != nil {
			yield(Change{Run: id, Err: err})
		}
	}
}

func (s *Store) changed(c change) Change {
	out := Change{Run: runOf(c.Key)}
	if c.Key[0] == factKey {
		f, err := s.blobs.decodeFact(c.Value)
		out.Fact, out.Err = &f, err
	} else {
		r, err := decodeRecord(c.Value, s.blobs, false)
		out.Record, out.Err = &r, err
	}
	if out.Err != nil {
		out.Fact, out.Record = nil, nil
	}
	return out
}
