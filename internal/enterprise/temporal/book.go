package temporal

import (
	"encoding/binary"
	"errors"
	"iter"

	"github.com/parallax-run/parallax/runtime"
)

// book is what is recorded of a run and its child runs. The history makes it durable: whoever replays the history writes the same book. It
// goes into a blob only when the run continues as new, and starts from those blobs.
type book struct {
	runs  map[string]*record
	order []string // of the runs
	fresh []fact   // that are in no blob yet
}

// record is the facts of one run. A fact that is written again replaces what it was.
type record struct {
	facts []runtime.Fact
	index map[factKey]int
}

type factKey struct {
	addr runtime.Address
	kind runtime.FactKind
	seq  int
}

type fact struct {
	run string
	runtime.Fact
}

func newBook() *book { return &book{runs: make(map[string]*record)} }

// Append implements engine.Keeper.
func (b *book) Append(run string, facts ...runtime.Fact) error {
	for i := range facts {
		b.fresh = append(b.fresh, fact{run, facts[i]})
		b.put(run, facts[i])
	}
	return nil
}

// Note implements engine.Keeper.
func (b *book) Note(run string, facts ...runtime.Fact) { _ = b.Append(run, facts...) }

// Load implements engine.Keeper.
func (b *book) Load(run string) ([]runtime.Fact, error) {
	if r := b.runs[run]; r != nil {
		return r.facts, nil
	}
	return nil, nil
}

func (b *book) put(run string, f runtime.Fact) {
	r := b.runs[run]
	if r == nil {
		r = &record{index: make(map[factKey]int)}
		b.runs[run] = r
		b.order = append(b.order, run)
	}
	key := factKey{f.Addr, f.Kind, f.Seq}
	if i, ok := r.index[key]; ok {
		r.facts[i] = f
		return
	}
	r.index[key] = len(r.facts)
	r.facts = append(r.facts, f)
}

// all gives the facts of all runs.
func (b *book) all() iter.Seq2[string, []runtime.Fact] {
	return func(yield func(string, []runtime.Fact) bool) {
		for _, run := range b.order {
			if !yield(run, b.runs[run].facts) {
				return
			}
		}
	}
}

// encode gives facts as bytes.
func encode(facts []fact) []byte {
	var b []byte
	for i := range facts {
		f := facts[i].Encode()
		b = append(binary.AppendUvarint(b, uint64(len(facts[i].run))), facts[i].run...)
		b = append(binary.AppendUvarint(b, uint64(len(f))), f...)
	}
	return b
}

// read adds what encode wrote.
func (b *book) read(blob []byte) error {
	for len(blob) > 0 {
		var run, text []byte
		var ok bool
		if run, blob, ok = cut(blob); ok {
			text, blob, ok = cut(blob)
		}
		if !ok {
			return errors.New("the record of the run is cut off")
		}
		f, err := runtime.DecodeFact(text)
		if err != nil {
			return err
		}
		b.put(string(run), f)
	}
	return nil
}

// cut takes a text with its length before it.
func cut(b []byte) (text, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}
