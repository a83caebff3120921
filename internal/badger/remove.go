package badger

import (
	"bytes"
	"fmt"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// Remove deletes a run and its child runs. The error is a *Held when somebody goes on with it.
func (s *Store) Remove(id string) error {
	_, err := s.ask(&request{Op: opRemove, Run: id})
	return err
}

// remove takes the run away at once, and then, bit by bit, what was kept of it. A store that dies meanwhile goes on with that at the next gc.
func (d *disk) remove(r *request) error {
	var ended time.Time
	err := d.wait(&job{size: 512, frees: true, sync: r.Sync, do: func(t *tx) error {
		value, err := t.get(keyOf(recordKey, r.Run))
		if err != nil {
			return err
		}
		if value == nil && !r.Again {
			return fmt.Errorf("run %s: %w", r.Run, ErrNotFound)
		}
		if pid, err := holderOf(t.txn, r.Run); err != nil || pid != 0 {
			return errorsOr(err, &Held{Run: r.Run, By: pid})
		}
		if rec, err := decodeRecord(value, d.blobs, true); err == nil && rec.Status.Final() {
			ended = rec.Ended
		}
		return t.setAll([]item{{keyOf(removedKey, r.Run), []byte{}}, {Key: keyOf(recordKey, r.Run)}})
	}})
	if err != nil {
		return err
	}
	return d.sweep(r.Run, ended)
}

func errorsOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// sweep deletes every key of a run that is marked so, and at last the mark. A run that is being imported anew meanwhile stays. The run ended then,
// or nobody knows when.
func (d *disk) sweep(run string, ended time.Time) error {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	var mark []byte
	err := d.read(func(txn *badger.Txn) (err error) {
		mark, err = get(txn, keyOf(removedKey, run))
		return err
	})
	if err != nil || mark == nil || atWork(mark) {
		return err
	}
	if err := d.drop(run, ended); err != nil {
		return err
	}
	if err := d.clearRun(run); err != nil {
		return err
	}
	return d.unmark(run)
}

// unmark gives the name of a run free.
func (d *disk) unmark(run string) error {
	return d.wait(&job{size: 64, frees: true, do: func(t *tx) error { return t.set(item{Key: keyOf(removedKey, run)}) }})
}

// clearRun deletes every key of a run but the mark.
func (d *disk) clearRun(run string) error {
	for _, kind := range []byte{factKey, blobKey, holderKey, messageKey, tokenKey, countKey, recordKey} {
		prefixes := append(tree(kind, run), keyOf(kind, run))
		for _, prefix := range prefixes {
			if err := d.clear(prefix, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// clear deletes the keys with a prefix that are those of the run or its child runs.
func (d *disk) clear(prefix []byte, run string) error {
	var keys []item
	err := d.read(func(txn *badger.Txn) error {
		return each(txn, prefix, false, func(k, _ []byte) error {
			if id := runOf(k); rootOf(id) == run || id == run || bytes.HasPrefix([]byte(id), []byte(run+"/")) {
				keys = append(keys, item{Key: bytes.Clone(k)})
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return d.setChunks(keys)
}
