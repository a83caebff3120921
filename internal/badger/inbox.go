package badger

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
)

// Send hands a message to a run or child run, whether somebody goes on with it now or later. It is durable when Send returns. For an address there
// is one message of a kind: to the next one the error is ErrExists.
func (s *Store) Send(id string, m Message) error {
	m.Run, m.Token, m.At = id, rand.Text(), now()
	_, err := s.ask(&request{Op: opSend, Run: rootOf(id), Msg: m})
	return err
}

// Messages gives what was sent to a run and its child runs and not acknowledged, in its order.
func (s *Store) Messages(id string) ([]Message, error) {
	a, err := s.ask(&request{Op: opMessages, Run: rootOf(id)})
	if err != nil {
		return nil, err
	}
	list := make([]Message, len(a.Items))
	for i, it := range a.Items {
		if err := json.Unmarshal(it.Value, &list[i]); err != nil {
			return nil, fmt.Errorf("run %s: a message cannot be read: %w", id, err)
		}
	}
	return list, nil
}

// Inbox gives the messages for the run and its child runs that were not acknowledged, in their order, and then those that come, until ctx
// ends. Whoever has acted upon one, and kept that, acknowledges it; else it comes again when the run goes on.
func (l *Lease) Inbox(ctx context.Context) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		var last uint64
		_ = l.store.follow(ctx, &request{Op: opInbox, Run: l.run}, func(a *answer) bool {
			var m Message
			if err := json.Unmarshal(a.Change.Value, &m); err != nil || m.Seq <= last {
				return true
			}
			last = m.Seq
			return yield(m)
		})
	}
}

// Ack says that a message need not come again.
func (l *Lease) Ack(m Message) error {
	_, err := l.store.ask(&request{Op: opAck, Run: l.run, Fence: l.fence, Msg: Message{Seq: m.Seq}})
	return err
}

// deliver keeps a message under the next number.
func (d *disk) deliver(r *request) *job {
	return &job{size: 512 + len(r.Msg.Value), sync: r.Sync, do: func(t *tx) error {
		value, err := t.get(keyOf(recordKey, r.Run))
		if err != nil {
			return err
		}
		if value == nil {
			return fmt.Errorf("run %s: %w", r.Run, ErrNotFound)
		}
		rec, err := decodeRecord(value, d.blobs, true)
		if err != nil {
			return err
		}
		if rec.Status.Final() {
			return fmt.Errorf("run %s: %w", r.Run, ErrEnded)
		}
		return t.number(r)
	}}
}

// number gives a message its number, unless it came already.
func (t *tx) number(r *request) error {
	token := append(under(tokenKey, r.Run), r.Msg.Token...)
	if old, err := t.get(token); old != nil || err != nil {
		return err
	}
	if err := t.first(r); err != nil {
		return err
	}
	count, err := t.get(keyOf(countKey, r.Run))
	if err != nil {
		return err
	}
	m := r.Msg
	if m.Seq = 1; count != nil {
		m.Seq = binary.BigEndian.Uint64(count) + 1
	}
	value, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("run %s: the message: %w", r.Run, err)
	}
	count = binary.BigEndian.AppendUint64(nil, m.Seq)
	return t.setAll([]item{{token, count}, {keyOf(countKey, r.Run), count}, {keyOfSeq(messageKey, r.Run, m.Seq), value}})
}

// first refuses a message for an address that has one of its kind.
func (t *tx) first(r *request) error {
	if r.Msg.Addr == "" {
		return nil
	}
	return each(t.txn, under(messageKey, r.Run), true, func(_, v []byte) error {
		var m Message
		if json.Unmarshal(v, &m) == nil && m.Run == r.Msg.Run && m.Addr == r.Msg.Addr && m.Kind == r.Msg.Kind {
			return fmt.Errorf("run %s: a %s for %s: %w", m.Run, m.Kind, m.Addr, ErrExists)
		}
		return nil
	})
}

func (d *disk) ack(r *request) *job {
	return d.guarded(r, func(t *tx) error { return t.set(item{Key: keyOfSeq(messageKey, r.Run, r.Msg.Seq)}) })
}
