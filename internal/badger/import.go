package badger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// Import keeps the run that is in a file which Export wrote, and gives its id. A run that is there already is refused with ErrExists, unless
// it is equal. Nothing of a file that is not whole is kept.
func (s *Store) Import(r io.Reader) (id string, err error) {
	if s.opts.ReadOnly {
		return "", ErrReadOnly
	}
	spool, err := os.CreateTemp(s.dir, "import-*")
	if err != nil {
		return "", failed(s.dir, err)
	}
	defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
	if _, err := io.Copy(spool, r); err != nil {
		return "", failed(s.dir, err)
	}
	id, err = s.inspect(spool)
	if err != nil {
		return "", err
	}
	if _, err := s.Record(id); err == nil || !errors.Is(err, ErrNotFound) {
		if _, prefix := errors.AsType[*Ambiguous](err); !prefix {
			return id, errorsOr(err, s.same(id, spool))
		}
	}
	return id, s.take(id, spool)
}

// inspect reads a whole file, checks that what is in it can be read, and says which run it is.
func (s *Store) inspect(f *os.File) (id string, err error) {
	texts := make(map[string]bool)
	var needs []string
	need := func(digest string) { needs = append(needs, digest) }
	err = each1(f, func(fr frame) error {
		switch fr.kind {
		case frameBlob:
			sum := sha256.Sum256(fr.value)
			texts[hex.EncodeToString(sum[:])] = true
		case frameRecord:
			id = fr.run
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if id == "" || rootOf(id) != id {
		return "", errFile("it has no record of a run")
	}
	err = each1(f, func(fr frame) error {
		if fr.kind != frameBlob && rootOf(fr.run) != id {
			return errFile("it has parts of %s and of %s", id, fr.run)
		}
		if fr.kind == frameFacts {
			return eachInBatch(fr.value, func(value []byte) error { return outline(value, need) })
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, digest := range needs {
		if !texts[digest] {
			return "", errFile("it lacks the text %s", digest)
		}
	}
	return id, nil
}

// outline tells which texts a stored value names itself, and that it can be read so far.
func outline(value []byte, need func(digest string)) error {
	if !folded(value) {
		b := &blobs{}
		_, err := b.shallow(value, need)
		return err
	}
	return eachPart(value, func(_ []byte, digest string) error {
		if digest != "" {
			need(digest)
		}
		return nil
	})
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
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(theirs, f); err != nil {
		return err
	}
	if !bytes.Equal(ours.Sum(nil), theirs.Sum(nil)) {
		return fmt.Errorf("run %s: %w, and the one in the file is another; remove it first", id, ErrExists)
	}
	return nil
}

// take keeps the parts of a file. The run is seen when all of them are there.
func (s *Store) take(id string, f *os.File) error {
	r := &request{Op: opImport, Run: id, First: true}
	if _, err := s.ask(r); err != nil {
		return err
	}
	last := &request{Op: opImport, Run: id, Last: true}
	n := 0
	err := each1(f, func(fr frame) error {
		switch fr.kind {
		case frameBlob:
			_, err := s.Put(fr.value)
			return err
		case frameRecord:
			return s.takeRecord(fr, last)
		}
		return s.takeFacts(id, fr, &n)
	})
	if err == nil {
		_, err = s.ask(last)
	}
	if err != nil {
		_, undo := s.ask(&request{Op: opImport, Run: id})
		return errors.Join(err, undo)
	}
	return nil
}

// takeFacts keeps facts in batches of our own size, as if written before the database had a time.
func (s *Store) takeFacts(id string, fr frame, n *int) error {
	needs := make(map[string]bool)
	values, err := s.blobs.distinct([]item{{Value: fr.value}}, needs)
	if err != nil {
		return err
	}
	part, size := &request{Op: opImport, Run: id}, 0
	for _, batch := range rebatch(values, batchBytes) {
		if size > 0 && size+len(batch) > chunkBytes {
			if _, err := s.ask(part); err != nil {
				return err
			}
			part, size = &request{Op: opImport, Run: id}, 0
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
		if _, err := s.ask(&request{Op: opImport, Run: id, Items: needed(fr.run, some)}); err != nil {
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
	if r.ID != fr.run {
		return errFile("the record of %s is that of %s", fr.run, r.ID)
	}
	items, err := s.itemsOf(&r)
	last.Items = append(last.Items, items...)
	return err
}

// importing marks a run first, which hides it and has it deleted if the import dies, then keeps parts, and last its records. Without parts it
// is given up.
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
		text, err := json.Marshal(by)
		switch {
		case err != nil:
			return err
		case r.Again && r.Last && old == nil && record != nil:
			return nil
		case record != nil || r.First && atWork(old) && !bytes.Equal(old, text):
			return fmt.Errorf("run %s: %w", r.Run, ErrExists)
		case r.First:
			return t.set(item{mark, text})
		case !bytes.Equal(old, text):
			return fmt.Errorf("run %s: its import was given up", r.Run)
		case r.Last:
			return t.setAll(append(r.Items, item{Key: mark}))
		case len(r.Items) == 0:
			return t.set(item{mark, []byte{}})
		}
		for _, i := range r.Items {
			if k := string(i.Key); !strings.HasPrefix(k, "f\x00") && !strings.HasPrefix(k, "b\x00") {
				return fmt.Errorf("run %s: an import may not write %q", r.Run, k)
			}
		}
		return t.setAll(r.Items)
	}}
}

// atWork says whether the process that a mark names is still there.
func atWork(mark []byte) bool {
	var h holder
	return len(mark) > 0 && json.Unmarshal(mark, &h) == nil && h.alive()
}
