package badger

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parallax-run/parallax/runtime"
)

// Past is what a run, or a child run of it, is to have done before it begins.
type Past struct {
	Run   string
	Facts []runtime.Fact
}

// Begin keeps the record of a new run with messages and facts that it is to find. The run is seen when all of them are there, and not before: nobody
// goes on with one that has only some. What is left when this process dies meanwhile is no run, and gc takes it away.
func (s *Store) Begin(r Record, messages []Message, past []Past) error {
	if len(messages) == 0 && len(past) == 0 {
		if err := s.Create(r); !errors.Is(err, ErrExists) {
			return err
		} // it may be what is left of one that never began
	}
	if err := validID(r.ID); err != nil {
		return err
	}
	record, err := s.itemsOf(&r)
	if err != nil {
		return err
	}
	return s.staged(r.ID, func(part func() *request, last *request) error {
		last.Items = record
		n := 0
		for _, p := range past {
			if err := s.takePast(part, p, &n); err != nil {
				return err
			}
		}
		return s.takeMessages(part, r.ID, messages)
	})
}

func (s *Store) takePast(part func() *request, p Past, n *int) error {
	var batch []byte
	for i := range p.Facts {
		value, _, err := s.blobs.encodeFact(&p.Facts[i])
		if err != nil {
			return fmt.Errorf("run %s: %w", p.Run, err)
		}
		batch = appendToBatch(batch, value)
	}
	return s.takeFacts(part, frame{run: p.Run, value: batch}, n)
}

// takeMessages keeps the first messages of a run, as if each had been sent.
func (s *Store) takeMessages(next func() *request, run string, messages []Message) error {
	part, size := next(), 0
	for i, m := range messages {
		m.Seq, m.Run, m.Token, m.At = uint64(i)+1, run, rand.Text(), now()
		value, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("run %s: the message: %w", run, err)
		}
		if size > 0 && (size+len(value) > chunkBytes || len(part.Items) >= chunkItems) {
			if _, err := s.ask(part); err != nil {
				return err
			}
			part, size = next(), 0
		}
		size += len(value)
		count := binary.BigEndian.AppendUint64(nil, m.Seq)
		part.Items = append(part.Items, item{append(under(tokenKey, run), m.Token...), count}, item{keyOf(countKey, run), count}, item{keyOfSeq(messageKey, run, m.Seq), value})
	}
	if size == 0 {
		return nil
	}
	_, err := s.ask(part)
	return err
}
