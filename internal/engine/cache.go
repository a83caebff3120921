package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Cache keeps answers for later calls that consent to them. Its methods may be called from any goroutine. Its troubles are no reason not to ask:
// what cannot be had is not there, and what cannot be kept is not kept.
type Cache interface {
	Get(q Question) (Kept, bool)

	// Put keeps an answer instead of an earlier one to the same question. A Get that follows finds it.
	Put(q Question, k Kept)
}

// Question tells calls apart of which one's answer will not do for the other: by who answers, and by all that is asked.
type Question [sha256.Size]byte

// Kept is an answer that was given to a call.
type Kept struct {
	At     time.Time // UTC
	Answer runtime.Payload
}

// reuse answers a call with an earlier answer, or with that to a call like it which is under way, or else asks the agent.
func (b *branch) reuse(at runtime.Address, c runtime.Call, info runtime.AgentInfo) (runtime.Payload, error) {
	b.yield()
	q, ok := b.question(c.AgentCall)
	if !ok {
		return b.ask(at, c, info) // which says what is wrong
	}
	if b.x.Anew {
		p, err := b.ask(at, c, info)
		b.preserve(q, c, p, err)
		return p, err
	}
	f, first := b.x.Asking.join(q)
	for !first {
		over, err := b.await(f, c.Timeout)
		if err != nil {
			return nil, err
		}
		if !over || f.failed {
			p, err := b.ask(at, c, info)
			b.preserve(q, c, p, err)
			return p, err
		}
		if p, ok := b.earlier(at, c, f.kept); ok {
			return p, nil
		}
		f, first = b.x.Asking.join(q) // that one had no patience, and perhaps somebody else asks now
	}
	defer b.x.Asking.leave(q, f)
	if k, ok := b.x.Cache.Get(q); ok {
		if p, ok := b.earlier(at, c, k); ok {
			f.kept = k
			return p, nil
		}
	}
	p, err := b.ask(at, c, info)
	f.kept, f.failed = b.preserve(q, c, p, err), err != nil && !impatient(err)
	return p, err
}

// impatient says of the end of a call that a call with more time may well have an answer.
func impatient(err error) bool {
	e, ok := errors.AsType[*runtime.Error](err)
	return ok && (e.Code == runtime.Timeout || e.Code == runtime.Cancelled)
}

// question says what a call asks of whom. It is false when the agent is not there to say who it is.
func (b *branch) question(e runtime.AgentCall) (q Question, ok bool) {
	identity := e.Agent
	if b.x.Identity != nil {
		var err error
		if identity, err = b.x.Identity(b.ctx, e.Agent); err != nil {
			return q, false
		}
	}
	e.Feedback = "" // it is another way to ask the same
	h := sha256.New()
	for _, part := range []string{"answer", identity, string(runtime.Request(e))} {
		_ = binary.Write(h, binary.BigEndian, int64(len(part)))
		_, _ = io.WriteString(h, part)
	}
	h.Sum(q[:0])
	return q, true
}

// skew is how far ahead the clock may have been when an answer was kept. Beyond that nobody knows how old it is.
const skew = time.Minute

// earlier is the outcome of a call that takes a kept answer, if it may take that one.
func (b *branch) earlier(at runtime.Address, c runtime.Call, k Kept) (runtime.Payload, bool) {
	if oldest, age := c.Reuse.MaxAge, b.x.Now().Sub(k.At); len(k.Answer) == 0 || oldest > 0 && (age > oldest || age < -skew) {
		return nil, false
	}
	a, err := runtime.ParseAnswer(k.Answer)
	if err != nil || !fits(c, a) {
		return nil, false
	}
	a.Agent, a.Attempts, a.Usage, a.Cached = c.Agent, 0, runtime.Usage{}, true
	b.attempts = c.Attempt // of an earlier life of the run
	if b.x.Emit != nil {
		b.emit(runtime.Event{
			Kind: runtime.AgentAnswered, Addr: at, Agent: c.Agent, Text: c.Task, Value: a.Value, Confidence: a.Confidence, Cached: true,
		})
	}
	return a.Payload(), true
}

// preserve keeps the answer of a call if others can do with it. It gives what it kept.
func (b *branch) preserve(q Question, c runtime.Call, p runtime.Payload, err error) (k Kept) {
	if err != nil {
		return k
	}
	a, err := runtime.ParseAnswer(p)
	if err != nil || !fits(c, a) || len(a.Artifacts) > 0 || a.Finish != "" && a.Finish != "stop" {
		return k
	}
	k = Kept{At: b.x.Now().UTC(), Answer: p}
	b.x.Cache.Put(q, k)
	return k
}

// fits says whether an answer has the shape that the call asks for.
func fits(c runtime.Call, a runtime.Answer) bool { return c.Reuse.Fits == nil || c.Reuse.Fits(a.Value) }

// Asking are the calls under way of which others wait for the answer. Its zero value is ready.
type Asking struct {
	mu   sync.Mutex
	open map[Question]*flight
}

// flight is a call under way. What is kept of its answer, if anything, may be read when it is done.
type flight struct {
	done   chan struct{}
	kept   Kept
	failed bool // those who wait had better ask all at once
}

// join gives the call under way that asks a question. If there was none it is the caller's, who says with leave when it is over.
func (a *Asking) join(q Question) (f *flight, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f = a.open[q]; f != nil {
		return f, false
	}
	if a.open == nil {
		a.open = make(map[Question]*flight)
	}
	f = &flight{done: make(chan struct{})}
	a.open[q] = f
	return f, true
}

func (a *Asking) leave(q Question, f *flight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, q)
	close(f.done)
}

// await waits for the end of a call like this one, for as long as this one could take, and says whether it is over. If not the branch asks itself,
// unless it must end.
func (b *branch) await(f *flight, atMost time.Duration) (over bool, err error) {
	paid, cancel := b.paidTime()
	defer cancel()
	ctx, cancel := b.bound(paid, atMost, errImpatient)
	defer cancel()
	over = b.place.Await(ctx, f.done) == nil
	return over, b.stopped()
}

var errImpatient = errors.New("the call that others wait for takes long")
