package badger

import (
	"encoding/binary"
	"errors"

	"github.com/parallax-run/parallax/runtime"
)

// A batch is what was kept of one run in one transaction, or a part of that: facts as they are stored, each with its length before it. Its key
// ends in the time of the database at which it was written and the number of the part, so that batches of a run are in order. Of facts that are
// the same the last one counts.

// batchBytes is how long batches get, unless a single fact is longer.
const batchBytes = 8 << 10

func appendToBatch(batch, fact []byte) []byte {
	return append(binary.AppendUvarint(batch, uint64(len(fact))), fact...)
}

func eachInBatch(batch []byte, do func(fact []byte) error) error {
	for len(batch) > 0 {
		n, size := binary.Uvarint(batch)
		if size <= 0 || n > uint64(len(batch)-size) {
			return errors.New("a batch of facts is cut off")
		}
		if err := do(batch[size : size+int(n) : size+int(n)]); err != nil {
			return err
		}
		batch = batch[size+int(n):]
	}
	return nil
}

// identity is what makes a fact the same as another.
type identity struct {
	addr runtime.Address
	kind runtime.FactKind
	seq  int
}

// factsOf reads batches in their order and gives the facts by address.
func (b *blobs) factsOf(batches []item) ([]runtime.Fact, error) {
	var list []runtime.Fact
	at := make(map[identity]int)
	for _, i := range batches {
		err := eachInBatch(i.Value, func(value []byte) error {
			f, err := b.decodeFact(value)
			if err != nil {
				return err
			}
			id := identity{f.Addr, f.Kind, f.Seq}
			if k, ok := at[id]; ok {
				list[k] = f
				return nil
			}
			at[id] = len(list)
			list = append(list, f)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	sortFacts(list)
	return list, nil
}

// keep adds facts to what the transaction writes of a run.
func (t *tx) keep(run string, facts [][]byte) {
	if len(facts) == 0 {
		return
	}
	if t.batches == nil {
		t.batches = make(map[string][][]byte)
	}
	known, ok := t.batches[run]
	if !ok {
		t.order = append(t.order, run)
	}
	t.batches[run] = append(known, facts...)
}

// flush sets the keys of the batches.
func (t *tx) flush() error {
	for _, run := range t.order {
		for i, batch := range rebatch(t.batches[run], batchBytes) {
			key := binary.BigEndian.AppendUint16(keyOfSeq(factKey, run, t.disk.base+t.txn.ReadTs()), uint16(i))
			if err := t.set(item{key, batch}); err != nil {
				return err
			}
		}
	}
	return nil
}
