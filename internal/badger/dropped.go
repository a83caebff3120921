package badger

import (
	"bytes"
	"encoding/binary"
	"os"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// droppedGrace is how long a text of a removed run stays after somebody put it: another run that puts the same text says within it that it needs it.
const droppedGrace = time.Minute

// drop notes which texts a run needed that is being removed, and when it ended, or zero: they need not wait as long as those of which nobody knows
// whose they are.
func (d *disk) drop(run string, ended time.Time) error {
	at := []byte{}
	if !ended.IsZero() {
		at = binary.BigEndian.AppendUint64(at, uint64(ended.UnixNano())) //nolint:gosec // it is read back as it was
	}
	var marks []item
	err := d.read(func(txn *badger.Txn) error {
		for _, prefix := range tree(blobKey, run) {
			err := each(txn, prefix, false, func(k, _ []byte) error {
				if digest := string(k[bytes.LastIndexByte(k, 0)+1:]); isDigest(digest) {
					marks = append(marks, item{keyOf(droppedKey, digest), at})
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return errorsOr(err, d.setChunks(marks))
}

// dropped gives the texts that removed runs needed, and until when whoever touched one last did so in vain.
func (d *disk) dropped() (map[string]time.Time, error) {
	free := make(map[string]time.Time)
	waited := time.Now().Add(-droppedGrace)
	err := d.read(func(txn *badger.Txn) error {
		return each(txn, []byte{droppedKey, 0}, true, func(k, v []byte) error {
			until := waited
			if len(v) == 8 {
				until = later(until, time.Unix(0, int64(binary.BigEndian.Uint64(v)))) //nolint:gosec // it was written so
			}
			free[string(k[2:])] = until
			return nil
		})
	})
	return free, err
}

// settled deletes the marks of texts that are gone, or that somebody needs.
func (d *disk) settled(marked map[string]time.Time, need map[string]bool) error {
	var keys []item
	for digest := range marked {
		if _, err := os.Stat(d.blobs.path(digest)); err != nil || need[digest] {
			keys = append(keys, item{Key: keyOf(droppedKey, digest)})
		}
	}
	return d.setChunks(keys)
}

// setChunks writes items a bit at a time, so that others get their turn.
func (d *disk) setChunks(items []item) error {
	for len(items) > 0 {
		some := items[:min(len(items), chunkItems)]
		err := d.wait(&job{size: sizeOf(some), frees: true, do: func(t *tx) error { return t.setAll(some) }})
		if err != nil {
			return err
		}
		items = items[len(some):]
	}
	return nil
}
