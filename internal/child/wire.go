package child

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	goruntime "runtime"
	"sync"
	"time"
)

// A frame is its length, four bytes of it, the lowest first, and so many bytes: what kind of message it is, and its fields.

// Bounds of what crosses the pipe, in bytes. They are looked at before memory is asked for.
const (
	maxFrame = 160 << 20 // a call may carry more than one of the largest values
	maxName  = 8 << 10   // names, places in the source, hints
	maxText  = 72 << 10  // messages
	chunk    = 64 << 10  // how much memory a length alone can ask for
)

var errGarbled = errors.New("a message is garbled")

// readFrame reads one. Memory grows with what has come, not with what was announced.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if n == 0 || n > maxFrame {
		return nil, fmt.Errorf("%w: it has %d bytes", errGarbled, n)
	}
	b := make([]byte, 0, min(n, chunk))
	for len(b) < n {
		at := len(b)
		if cap(b) == at {
			b = append(make([]byte, 0, min(n, 4*at)), b...)
		}
		b = b[:min(n, cap(b))]
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// sender writes frames, many of them at once where many come at once.
type sender struct {
	w io.Writer

	mu      sync.Mutex
	room    *sync.Cond
	buf     []byte
	spare   []byte
	writing bool
	err     error
}

// maxPending is how much waits for a writer before those who send wait, too.
const maxPending = 1 << 20

func newSender(w io.Writer) *sender {
	s := &sender{w: w}
	s.room = sync.NewCond(&s.mu)
	return s
}

// send writes a frame, or leaves it to whoever is writing. An error that comes later is that of the next.
func (s *sender) send(m *writer) error {
	binary.LittleEndian.PutUint32(m.b, uint32(len(m.b)-4))
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.writing && len(s.buf) > maxPending && s.err == nil {
		s.room.Wait()
	}
	if s.err != nil {
		return s.err
	}
	s.buf = append(s.buf, m.b...)
	if s.writing {
		return nil
	}
	s.writing = true
	s.mu.Unlock()
	goruntime.Gosched() // who is about to send, too, does so now
	s.mu.Lock()
	for len(s.buf) > 0 && s.err == nil {
		out := s.buf
		s.buf = s.spare[:0]
		s.mu.Unlock()
		_, err := s.w.Write(out)
		s.mu.Lock()
		s.spare = nil
		if cap(out) <= 2*maxPending {
			s.spare = out
		}
		s.err = err
		s.room.Broadcast()
	}
	s.writing = false
	return s.err
}

// writer makes a message.
type writer struct{ b []byte }

func message(kind byte, size int) *writer {
	return &writer{append(make([]byte, 4, 64+size), kind)}
}

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int)     { w.b = binary.AppendVarint(w.b, int64(v)) }

func (w *writer) text(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

// clipped is text, as far as whoever reads it takes it.
func (w *writer) clipped(s string, most int) {
	if len(s) > most {
		s = s[:most]
	}
	w.text(s)
}

// payload writes bytes that may be absent.
func (w *writer) payload(p []byte) {
	w.flag(p != nil)
	if p != nil {
		w.uint(uint64(len(p)))
		w.b = append(w.b, p...)
	}
}

func (w *writer) flag(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *writer) duration(d time.Duration) { w.b = binary.AppendVarint(w.b, int64(d)) }
func (w *writer) float(f float64)          { w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(f)) }

func (w *writer) time(t time.Time) {
	w.b = binary.AppendVarint(w.b, t.Unix())
	w.uint(uint64(t.Nanosecond()))
}

// reader takes a message apart. After the first thing that is wrong it gives zeros, and err says what it was.
type reader struct {
	b   []byte
	err error
}

func (r *reader) bad() {
	if r.err == nil {
		r.err = errGarbled
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// int is a number from 0 to most.
func (r *reader) int(most int) int {
	v := r.varint()
	if v < 0 || v > int64(most) {
		r.bad()
		return 0
	}
	return int(v)
}

func (r *reader) take(most int) []byte {
	n := r.uint()
	if n > uint64(len(r.b)) || n > uint64(most) {
		r.bad()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) text(most int) string { return string(r.take(most)) }

// payload is a part of the frame, or nil.
func (r *reader) payload() []byte {
	if !r.flag() {
		return nil
	}
	if p := r.take(maxFrame); p != nil {
		return p
	}
	return []byte{}
}

func (r *reader) flag() bool {
	switch r.byte() {
	case 0:
		return false
	case 1:
		return true
	}
	r.bad()
	return false
}

// duration is not negative.
func (r *reader) duration() time.Duration {
	v := r.varint()
	if v < 0 {
		r.bad()
		return 0
	}
	return time.Duration(v)
}

func (r *reader) float() float64 {
	if len(r.b) < 8 {
		r.bad()
		return 0
	}
	f := math.Float64frombits(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	if math.IsNaN(f) || math.IsInf(f, 0) {
		r.bad()
		return 0
	}
	return f
}

func (r *reader) time() time.Time {
	s := r.varint()
	ns := r.uint()
	return time.Unix(s, int64(ns)).UTC()
}

// count is the number of things that follow, of at least one byte each.
func (r *reader) count(most int) int {
	n := r.uint()
	if n > uint64(len(r.b)) || n > uint64(most) {
		r.bad()
		return 0
	}
	return int(n)
}

// end says whether all of the message was understood.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.bad()
	}
	return r.err
}
