package badger

import (
	"context"
	"crypto/sha256"
	"errors"
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
			return s.changed(a.Change, yield)
		})
		if err != nil {
			yield(Change{Run: id, Err: err})
		}
	}
}

// changed tells of what was written under one key.
func (s *Store) changed(c change, yield func(Change) bool) bool {
	run := runOf(c.Key)
	if c.Key[0] == recordKey {
		r, err := decodeRecord(c.Value, s.blobs, false)
		if err != nil {
			return yield(Change{Run: run, Err: err})
		}
		return yield(Change{Run: run, Record: &r})
	}
	err := eachInBatch(c.Value, func(value []byte) error {
		f, err := s.blobs.decodeFact(value)
		if err == nil && !yield(Change{Run: run, Fact: &f}) {
			err = errEnough
		}
		return err
	})
	if err == nil {
		return true
	}
	return !errors.Is(err, errEnough) && yield(Change{Run: run, Err: err})
}

// errEnough says that nobody wants more.
var errEnough = errors.New("enough")
