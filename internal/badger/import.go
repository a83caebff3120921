package badger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
)

// Import keeps the run that is in a file which Export wrote, and gives its id. A run that is there already is refused with ErrExists, unless
// it is equal. Nothing of a file that is not whole is kept.
func (s *Store) Import(r io.Reader) (id string, err error) {
	if s.opts.ReadOnly {
		return "", ErrReadOnly
	}
	spool, err := newSpool(s.dir)
	if err != nil {
		return "", failed(s.dir, err)
	}
	defer func() { err = errors.Join(err, spool.remove()) }()
	if _, err := io.Copy(spool, r); err != nil {
		return "", failed(s.dir, err)
	}
	id, err = inspect(spool.File)
	if err != nil {
		return "", err
	}
	if _, err := s.Record(id); err == nil || !errors.Is(err, ErrNotFound) {
		if _, prefix := errors.AsType[*Ambiguous](err); !prefix {
			return id, errorsOr(err, s.same(id, spool.File))
		}
	}
	return id, s.take(id, spool.File)
}

func each1(f *os.File, do func(frame) error) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return readFrames(f, do)
}

// same compares a run with the file that has one of the same id.
func (s *Store) same(id string, f *os.File) error {
	ours, theirs := sha256.New(), sha256.New()
	if err := s.Export(ours, id); err != nil {
		return err
	}
	if err := s.again(theirs, f); err != nil {
		return err
	}
	if !bytes.Equal(ours.Sum(nil), theirs.Sum(nil)) {
		return fmt.Errorf("run %s: %w, and the one in the file is another; remove it first", id, ErrExists)
	}
	return nil
}

// again writes a file as Export does now: earlier ones said where the run had been.
func (s *Store) again(w io.Writer, f *os.File) error {
	out, err := newFrameWriter(w)
	if err != nil {
		return err
	}
	err = each1(f, func(fr frame) error {
		switch fr.kind {
		case frameBlob:
			return out.frame(fr.kind, fr.value)
		case frameRecord:
			if fr.value, err = s.strip(fr.value); err != nil {
				return err
			}
		}
		return out.named(fr.kind, fr.run, fr.value)
	})
	if err != nil {
		return err
	}
	return out.end()
}

// strip gives a record of a file without what is true on one machine only. One that is too long to stand there itself stays as it is.
func (s *Store) strip(value []byte) ([]byte, error) {
	if folded(value) {
		return value, nil
	}
	var k kept
	if err := json.Unmarshal(value, &k); err != nil {
		return nil, errFile("%v", err)
	}
	k.stripped()
	return json.Marshal(k)
}

// take keeps the parts of a file.
func (s *Store) take(id string, f *os.File) error {
	return s.staged(id, func(part func() *request, last *request) error {
		n := 0
		return each1(f, func(fr frame) error {
			switch fr.kind {
			case frameBlob:
				_, err := s.Put(fr.value)
				return err
			case frameRecord:
				return s.takeRecord(fr, last)
			}
			return s.takeFacts(part, fr, &n)
		})
	})
}

// staged keeps a run in parts. It is seen when all of them are there: fill asks for those before the last, and says what that is to hold.
func (s *Store) staged(id string, fill func(part func() *request, last *request) error) error {
	token := Message{Token: rand.Text()}
	part := func() *request { return &request{Op: opImport, Run: id, Msg: token} }
	first, last := part(), part()
	first.First, last.Last = true, true
	if _, err := s.ask(first); err != nil {
		return err
	}
	err := fill(part, last)
	if err == nil {
		_, err = s.ask(last)
	}
	if err != nil {
		_, undo := s.ask(part())
		return errors.Join(err, undo)
	}
	return nil
}

// takeFacts keeps facts in batches of our own size, as if written before the database had a time.
func (s *Store) takeFacts(next func() *request, fr frame, n *int) error {
	needs := make(map[string]bool)
	values, err := s.blobs.distinct([]item{{Value: fr.value}}, needs)
	if err != nil {
		return err
	}
	part, size := next(), 0
	for _, batch := range rebatch(values, batchBytes) {
		if size > 0 && size+len(batch) > chunkBytes {
			if _, err := s.ask(part); err != nil {
				return err
			}
			part, size = next(), 0
		}
		*n++
		size += len(batch)
		part.Items = append(part.Items, item{binary.BigEndian.AppendUint32(keyOfSeq(factKey, fr.run, 0), uint32(*n)), batch})
	}
	if size > 0 {
		if _, err := s.ask(part); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(needs)), chunkItems) {
		part := next()
		part.Items = needed(fr.run, some)
		if _, err := s.ask(part); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) takeRecord(fr frame, last *request) error {
	r, err := decodeRecord(fr.value, s.blobs, false)
	if err != nil {
		return errFile("%v", err)
	}
	r.Fence = 0
	r.stripped()
	items, err := s.itemsOf(&r)
	last.Items = append(last.Items, items...)
	return err
}

// staging are the kinds of keys that may be written before the record of a run.
const staging = string(factKey) + string(blobKey) + string(messageKey) + string(tokenKey) + string(countKey)

// importing keeps parts of a run, and last its records. The mark of beginImport hides the run until then.
func (d *disk) importing(by *holder, r *request) *job {
	mark := keyOf(removedKey, r.Run)
	return &job{size: sizeOf(r.Items) + 512, sync: r.Sync, do: func(t *tx) error {
		old, err := t.get(mark)
		if err != nil {
			return err
		}
		record, err := t.get(keyOf(recordKey, r.Run))
		if err != nil {
			return err
		}
		switch {
		case r.Again && r.Last && old == nil && record != nil:
			return nil
		case record != nil:
			return fmt.Errorf("run %s: %w", r.Run, ErrExists)
		case !bytes.Equal(old, markOf(by, r)):
			return fmt.Errorf("run %s: its import was given up", r.Run)
		case r.Last:
			return t.setAll(append(r.Items, item{Key: mark}))
		}
		for _, i := range r.Items {
			if rootOf(runOf(i.Key)) != r.Run || !strings.ContainsRune(staging, rune(i.Key[0])) {
				return fmt.Errorf("run %s: an import may not write %q", r.Run, i.Key)
			}
		}
		return t.setAll(r.Items)
	}}
}

// markOf is what stands at a run while it is imported: who does it, and which import it is.
func markOf(by *holder, r *request) []byte {
	text, _ := json.Marshal(struct { //nolint:errchkjson // these are texts and a number
		holder
		Import string
	}{*by, r.Msg.Token})
	return text
}

// beginImport marks a run, which hides it and has it deleted if the import dies. What is left of an earlier import or run goes first.
func (d *disk) beginImport(by *holder, r *request) error {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	mark, left := markOf(by, r), false
	err := d.wait(&job{size: 1 << 10, sync: r.Sync, do: func(t *tx) error {
		old, err := t.get(keyOf(removedKey, r.Run))
		if err != nil {
			return err
		}
		record, err := t.get(keyOf(recordKey, r.Run))
		if err != nil {
			return err
		}
		if record != nil || atWork(old) && !bytes.Equal(old, mark) {
			return fmt.Errorf("run %s: %w", r.Run, ErrExists)
		}
		left = old != nil
		return t.set(item{keyOf(removedKey, r.Run), mark})
	}})
	if err != nil || !left {
		return err
	}
	return d.clearRun(r.Run)
}

// endImport takes back what an import has kept that cannot be finished.
func (d *disk) endImport(by *holder, r *request) error {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	var old []byte
	err := d.read(func(txn *badger.Txn) (err error) {
		old, err = get(txn, keyOf(removedKey, r.Run))
		return err
	})
	if err != nil || !bytes.Equal(old, markOf(by, r)) {
		return err // it is finished, or somebody else's
	}
	if err := d.clearRun(r.Run); err != nil {
		return err
	}
	return d.unmark(r.Run)
}

// atWork says whether the process that a mark names is still there.
func atWork(mark []byte) bool {
	var h holder
	return len(mark) > 0 && json.Unmarshal(mark, &h) == nil && h.alive()
}
