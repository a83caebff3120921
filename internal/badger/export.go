package badger

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/parallax-run/parallax/runtime"
)

// Export writes a run as one file: its facts and record, those of its child runs, and the texts that they need. Equal runs make equal files,
// whoever held them, wherever they ran, and in whatever order their facts were kept.
func (s *Store) Export(w io.Writer, id string) error {
	return s.export(w, id, func(digest string, f *frameWriter) error {
		text, err := s.blobs.get(digest)
		if err != nil {
			return err
		}
		return f.frame(frameBlob, text)
	})
}

func (s *Store) export(w io.Writer, id string, blob func(string, *frameWriter) error) error {
	a, err := s.ask(&request{Op: opFacts, Run: id, Tree: true})
	if err != nil {
		return err
	}
	c, err := s.contentsOf(id, a.Items)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	f, err := newFrameWriter(w)
	if err != nil {
		return err
	}
	for _, digest := range slices.Sorted(maps.Keys(c.needs)) {
		if err := blob(digest, f); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
	}
	for _, run := range slices.Sorted(maps.Keys(c.facts)) {
		for _, batch := range c.facts[run] {
			if err := f.named(frameFacts, run, batch); err != nil {
				return err
			}
		}
	}
	for _, r := range c.records { // the children first
		if err := f.named(frameRecord, r.id, r.value); err != nil {
			return err
		}
	}
	return f.end()
}

// contents are what there is of a run and its child runs.
type contents struct {
	facts   map[string][][]byte // batches by run
	records []namedValue
	needs   map[string]bool
}

type namedValue struct {
	id    string
	value []byte
}

func (s *Store) contentsOf(id string, batches []item) (*contents, error) {
	c := &contents{facts: make(map[string][][]byte), needs: make(map[string]bool)}
	byRun := make(map[string][]item)
	for _, i := range batches {
		byRun[runOf(i.Key)] = append(byRun[runOf(i.Key)], i)
	}
	n := 0
	for run, items := range byRun {
		values, err := s.blobs.distinct(items, c.needs)
		if err != nil {
			return nil, err
		}
		n += len(values)
		c.facts[run] = rebatch(values, batchBytes)
	}
	children, err := s.children(id)
	if err != nil {
		return nil, err
	}
	for _, run := range append(children, id) {
		r, err := s.Record(run)
		if err != nil {
			return nil, err
		}
		if r.Status == Lost {
			r.Status = Running
		}
		r.Fence = 0
		r.stripped()
		if run == id && r.Facts > 0 {
			r.Facts = n
		}
		value, needs, err := r.encode(s.blobs)
		if err != nil {
			return nil, err
		}
		c.records = append(c.records, namedValue{run, value})
		for _, digest := range needs {
			c.needs[digest] = true
		}
	}
	return c, nil
}

// stripped takes away what is true on one machine only: where the pattern and its manifest were.
func (r *Record) stripped() {
	r.Root, r.Manifest = "", ""
	if filepath.IsAbs(r.Pattern) {
		r.Pattern = r.Name
	}
}

// children gives the ids of the child runs that have records, those of children too.
func (s *Store) children(id string) ([]string, error) {
	list, err := s.Records(Filter{Parent: id})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range list {
		below, err := s.children(r.ID)
		if err != nil {
			return nil, err
		}
		ids = append(append(ids, below...), r.ID)
	}
	slices.Sort(ids)
	return ids, nil
}

// distinct gives the facts of batches as they are stored, each once and in order, and adds the texts that they need.
func (b *blobs) distinct(batches []item, needs map[string]bool) ([][]byte, error) {
	type stored struct {
		f     runtime.Fact
		value []byte
	}
	var list []stored
	at := make(map[identity]int)
	for _, i := range batches {
		err := eachInBatch(i.Value, func(value []byte) error {
			f, err := b.shallow(value, func(string) {})
			if err != nil {
				return err
			}
			id := identity{f.Addr, f.Kind, f.Seq}
			if k, ok := at[id]; ok {
				list[k].value = value
				return nil
			}
			at[id] = len(list)
			list = append(list, stored{f, value})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(x, y stored) int { return compareFacts(&x.f, &y.f) })
	values := make([][]byte, len(list))
	for i, s := range list {
		values[i] = s.value
		if _, err := b.shallow(s.value, func(digest string) { needs[digest] = true }); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// shallow decodes a fact whose payloads stay folded, and tells which texts it needs.
func (b *blobs) shallow(value []byte, need func(digest string)) (runtime.Fact, error) {
	tell := func(value []byte) error {
		if !folded(value) {
			return nil
		}
		return eachPart(value, func(_ []byte, digest string) error {
			if digest != "" {
				need(digest)
			}
			return nil
		})
	}
	if err := tell(value); err != nil {
		return runtime.Fact{}, err
	}
	value, err := b.unfold(value)
	if err != nil {
		return runtime.Fact{}, err
	}
	f, err := runtime.DecodeFact(value)
	return f, errorsOr(err, errors.Join(tell(f.Request), tell(f.Outcome)))
}

// rebatch makes batches that are not longer than the limit, unless a single fact is.
func rebatch(values [][]byte, limit int) (batches [][]byte) {
	var batch []byte
	for _, v := range values {
		if len(batch) > 0 && len(batch)+len(v) > limit {
			batches, batch = append(batches, batch), nil
		}
		batch = appendToBatch(batch, v)
	}
	if len(batch) > 0 {
		batches = append(batches, batch)
	}
	return batches
}
