package badger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// Answers are kept under a key of their maker's, for whoever asks the same later. No run needs them, and gc alone takes them away: those that
// nobody used for long, and as many as are too many. A value is answerMark, the time, and the answer; it is folded when it is long.
const (
	answerMark = 1
	usedStep   = 24 * time.Hour // how exactly it is known when an answer was last used
)

// KeepAnswer keeps an answer that was given at some time, instead of an earlier one under the same key.
func (s *Store) KeepAnswer(key [32]byte, at time.Time, text []byte) error {
	value := binary.BigEndian.AppendUint64([]byte{answerMark}, uint64(at.UnixNano()))
	var needs []string // which is said by the value itself
	value, err := s.blobs.whole(append(value, text...), &needs)
	if err != nil {
		return err
	}
	name := hex.EncodeToString(key[:])
	_, err = s.ask(&request{Op: opKeepAnswer, Items: []item{{keyOf(answerKey, name), value}, usedAs(name, now())}})
	if err == nil {
		s.answers.Store(true)
	}
	return err
}

// Answer gives the answer that is kept under a key, and when it was given; ErrNotFound when there is none.
func (s *Store) Answer(key [32]byte) (text []byte, at time.Time, err error) {
	a, err := s.ask(&request{Op: opAnswer, Items: []item{{Key: keyOf(answerKey, hex.EncodeToString(key[:]))}}})
	if err != nil {
		return nil, at, err
	}
	value, err := s.blobs.unfold(a.Items[0].Value)
	if err != nil {
		return nil, at, err
	}
	if len(value) < 9 || value[0] != answerMark {
		return nil, at, errors.New("an answer in the store is cut off")
	}
	return value[9:], time.Unix(0, int64(binary.BigEndian.Uint64(value[1:]))).UTC(), nil
}

// KeptAnswers says whether an answer was kept through this Store.
func (s *Store) KeptAnswers() bool { return s.answers.Load() }

func (d *disk) keepAnswer(r *request) *job {
	return &job{size: sizeOf(r.Items), sync: r.Sync, do: func(t *tx) error { return t.setAll(r.Items) }}
}

// answer gives what is kept, and notes that it was used where that was not noted for long.
func (d *disk) answer(r *request, a *answer) error {
	var last time.Time
	name := string(r.Items[0].Key[2:])
	err := d.read(func(txn *badger.Txn) error {
		value, err := get(txn, r.Items[0].Key)
		if value == nil || err != nil {
			return errorsOr(err, fmt.Errorf("answer %s: %w", name, ErrNotFound))
		}
		a.Items = []item{{Value: value}}
		last, err = usedAt(txn, name)
		return err
	})
	if err == nil && time.Since(last) > usedStep {
		used := usedAs(name, now())
		d.submit(&job{size: sizeOf([]item{used}), do: func(t *tx) error { return t.set(used) }, done: func(error) {}})
	}
	return err
}

// usedAs notes when an answer was used.
func usedAs(name string, at time.Time) item {
	return item{keyOf(usedKey, name), binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano()))}
}

// usedAt is when an answer was last noted to be used, if only because it was kept then.
func usedAt(txn *badger.Txn, name string) (time.Time, error) {
	v, err := get(txn, keyOf(usedKey, name))
	if len(v) != 8 || err != nil {
		return time.Time{}, err
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(v))), nil
}

// keptAnswer is what gc knows of an answer.
type keptAnswer struct {
	name  string
	used  time.Time
	bytes int64
	blobs []string
}

// eachAnswer gives the answers that are kept.
func (d *disk) eachAnswer(do func(*keptAnswer)) error {
	return d.read(func(txn *badger.Txn) error {
		return each(txn, []byte{answerKey, 0}, true, func(k, v []byte) error {
			a := &keptAnswer{name: string(k[2:]), bytes: int64(len(k) + len(v)), blobs: digestsIn(v)}
			var err error
			a.used, err = usedAt(txn, a.name)
			for _, digest := range a.blobs {
				if info, err := os.Stat(d.blobs.path(digest)); err == nil { // else it is missing, and takes no room
					a.bytes += info.Size()
				}
			}
			do(a)
			return err
		})
	})
}

// digestsIn are the texts that a value needs which says so itself.
func digestsIn(value []byte) (digests []string) {
	if !folded(value) {
		return nil
	}
	_ = eachPart(value, func(_ []byte, digest string) error { // of one that is cut off there is nothing to be had
		if digest != "" {
			digests = append(digests, digest)
		}
		return nil
	})
	return digests
}

// surplus gives the answers that have to go, and how many bytes they take.
func (d *disk) surplus(p Retention) (going []*keptAnswer, size int64, err error) {
	if !p.AllAnswers && p.AnswerAge <= 0 && p.AnswerBytes <= 0 {
		return nil, 0, nil
	}
	var all []*keptAnswer
	total := int64(0)
	err = d.eachAnswer(func(a *keptAnswer) {
		all = append(all, a)
		total += a.bytes
	})
	slices.SortFunc(all, func(a, b *keptAnswer) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	for _, a := range all {
		old := p.AnswerAge > 0 && time.Since(a.used) > p.AnswerAge
		if !p.AllAnswers && !old && (p.AnswerBytes <= 0 || total-size <= p.AnswerBytes) {
			break
		}
		going = append(going, a)
		size += a.bytes
	}
	return going, size, err
}

// forget deletes the answers that have to go. Their texts are free then.
func (d *disk) forget(p Retention, free map[string]time.Time, freed *Freed) error {
	going, _, err := d.surplus(p)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(going, chunkItems/2) {
		var keys []item
		for _, a := range some {
			keys = append(keys, item{Key: keyOf(answerKey, a.name)}, item{Key: keyOf(usedKey, a.name)})
		}
		if err := d.wait(&job{size: sizeOf(keys), frees: true, do: func(t *tx) error { return t.setAll(keys) }}); err != nil {
			return err
		}
		freed.Answers += len(some)
		for _, a := range some {
			for _, digest := range a.blobs {
				free[digest] = later(free[digest], a.used)
			}
		}
	}
	return nil
}

// spoiledAnswers takes answers out of which a text is damaged, and tells of that.
func (e *examination) spoiledAnswers() (damages []Damage) {
	for key, p := range e.newest {
		if p.deleted || !bytes.HasPrefix(p.key, []byte{answerKey, 0}) {
			continue
		}
		for _, digest := range digestsIn(p.value) {
			if _, err := e.blobs.get(digest); err != nil {
				damages = append(damages, Damage{e.blobs.path(digest), err.Error()})
				p.deleted = true
				e.newest[key] = p
			}
		}
	}
	return damages
}
