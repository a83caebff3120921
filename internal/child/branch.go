package child

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// branch is one branch's runtime.Effects in the child: it forwards. It is used by one goroutine.
type branch struct {
	s         *server
	id        uint64
	at        time.Time
	witnessed bool
	worked    bool                    // the parent knows that it computes
	stop      atomic.Pointer[stopped] // why it must end
	mail      chan mail               // what it waits for; closed when the parent is gone
	gone      chan struct{}           // closed when the parent is
	made      uint64                  // groups so far

	mu     sync.Mutex
	groups map[uint64]*group
}

type stopped struct{ why *runtime.Error }

// mail is a message to a branch, behind its number.
type mail struct {
	kind byte
	r    *reader
}

// witness is a branch whose parent wants to know of votes.
type witness struct{ *branch }

func (b *branch) effects() runtime.Effects {
	if b.witnessed {
		return witness{b}
	}
	return b
}

// leave is called by the one who sends mail, when there will be no more.
func (b *branch) leave() {
	close(b.mail)
	close(b.gone)
}

func (b *branch) group(id uint64) *group {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.groups[id]
}

// Do implements runtime.Effects.
func (b *branch) Do(e runtime.Effect) (runtime.Payload, error) {
	m := message(effect, sizeOf(e))
	m.uint(b.id)
	if err := writeEffect(m, e); err != nil {
		return nil, err
	}
	if len(m.b) > maxFrame {
		return nil, runtime.Errorf(runtime.Limit, "one effect has %d MiB, more than %d", len(m.b)>>20, maxFrame>>20)
	}
	if err := b.s.out.send(m); err != nil {
		return nil, err
	}
	for {
		got, err := b.wait()
		if err != nil {
			return nil, err
		}
		if got.kind == askFits {
			if err := b.fits(e, got.r); err != nil {
				return nil, err
			}
			continue
		}
		p, err := got.r.answer()
		b.at = got.r.time()
		if bad := got.r.end(); bad != nil {
			return nil, bad
		}
		return p, err
	}
}

// sizeOf is about how much an effect takes when it is written.
func sizeOf(e runtime.Effect) int {
	switch e := e.(type) {
	case runtime.AgentCall:
		return len(e.Task) + len(e.Input) + len(e.Messages) + len(e.Returns) + len(e.Feedback) + 64
	case runtime.Emit:
		return len(e.Name) + len(e.Data)
	case runtime.ChildRun:
		return len(e.Inputs)
	case runtime.Approval:
		return len(e.Context)
	case runtime.AgentLookup, runtime.Sleep, runtime.WaitSignal, runtime.Budget:
	}
	return 0
}

func (b *branch) wait() (mail, error) {
	m, ok := <-b.mail
	if !ok {
		return mail{}, errGone
	}
	return m, nil
}

// fits says whether a value has the shape that a call asks for.
func (b *branch) fits(e runtime.Effect, r *reader) error {
	value := runtime.Payload(r.payload())
	if err := r.end(); err != nil {
		return err
	}
	call, ok := e.(runtime.AgentCall)
	m := message(fits, 8)
	m.uint(b.id)
	m.flag(ok && call.Reuse != nil && call.Reuse.Fits != nil && call.Reuse.Fits(value))
	return b.s.out.send(m)
}

// answer reads the outcome of an effect.
func (r *reader) answer() (runtime.Payload, error) {
	switch kind := r.byte(); kind {
	case well:
		return r.payload(), nil
	default:
		return nil, r.failure(kind, nil)
	}
}

// failure reads an error of the parent's. cause is what a group was cancelled with.
func (r *reader) failure(kind byte, cause error) error {
	switch kind {
	case failed:
		e, why := r.script()
		if why == cancelledBy && cause != nil {
			e.Cause = cause
		}
		return e
	case trouble:
		theirs := &far{r.uint(), r.text(maxText)}
		if frames := r.trace(); len(frames) > 0 {
			return &runtime.HostError{Err: theirs, Trace: frames}
		}
		return theirs
	}
	r.bad()
	return errGarbled
}

// Now implements runtime.Effects.
func (b *branch) Now() time.Time { return b.at }

// pulse is how often a child that computes says so.
const pulse = 250 * time.Millisecond

// Checkpoint implements runtime.Effects. It does not wait for the parent, who looks after the branch while it computes.
func (b *branch) Checkpoint() error {
	if s := b.stop.Load(); s != nil {
		e := *s.why
		return &e
	}
	now := b.s.now().UnixMilli()
	last := b.s.heard.Load()
	if b.worked && now-last < pulse.Milliseconds() {
		return nil
	}
	b.worked = true
	b.s.heard.Store(now)
	m := message(alive, 8)
	m.uint(b.id)
	return b.s.out.send(m)
}

// maxCount is the largest count that is of use to anybody, in bytes.
const maxCount = 64 << 10

// Counted implements runtime.Witness.
func (w witness) Counted(name string, count func() (runtime.Payload, error)) {
	p, err := count()
	if err != nil || len(p) > maxCount {
		return // it is for people only
	}
	m := message(counted, len(p))
	m.uint(w.id)
	m.clipped(name, maxName)
	m.payload(p)
	_ = w.s.out.send(m) // what comes next fails, too
}

// Fork implements runtime.Effects. The parent's engine starts the branches.
func (b *branch) Fork(spec runtime.ForkSpec, n int, body func(i int, fx runtime.Effects) (any, error)) runtime.Group {
	b.made++
	g := &group{
		b: b, id: b.made, n: n, body: body, labels: spec.Label, streams: spec.Order == runtime.Indexed,
		ends: make([]end, n), came: make(chan struct{}, 1),
	}
	b.mu.Lock()
	b.groups[g.id] = g
	b.mu.Unlock()
	m := message(fork, 64)
	m.uint(b.id)
	m.uint(g.id)
	m.clipped(spec.Name, maxName)
	m.clipped(spec.Pos, maxName)
	m.int(spec.Limit)
	m.b = append(m.b, byte(spec.Order))
	m.duration(spec.Timeout)
	m.flag(spec.Cancellable)
	m.flag(spec.Label != nil)
	m.int(n)
	g.err = b.s.out.send(m)
	return g
}

// group is a fork in the child.
type group struct {
	b       *branch
	id      uint64
	n       int
	body    func(i int, fx runtime.Effects) (any, error)
	labels  func(i int) string
	streams bool  // outcomes come without being asked for, until one is a failure
	asked   bool  // and they are on their way
	cause   error // what it was cancelled with
	err     error // the host's trouble
	ends    []end
	given   int

	mu   sync.Mutex
	mail []*reader
	came chan struct{}
}

// end is what a branch came to, which stays here.
type end struct {
	v   any
	err error
}

// keep notes how a branch ended. Whoever looks has heard of it from the parent, who was told after this.
func (g *group) keep(i int, v any, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ends[i] = end{v, err}
}

func (g *group) put(r *reader) {
	g.mu.Lock()
	g.mail = append(g.mail, r)
	g.mu.Unlock()
	select {
	case g.came <- struct{}{}:
	default:
	}
}

func (g *group) get() *reader {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.mail) == 0 {
		return nil
	}
	r := g.mail[0]
	g.mail[0] = nil
	g.mail = g.mail[1:]
	return r
}

// Next implements runtime.Group.
func (g *group) Next() (int, any, error, bool) {
	if g.err != nil {
		return g.broken()
	}
	if !g.asked {
		g.asked = g.streams
		m := message(next, 8)
		m.uint(g.b.id)
		m.uint(g.id)
		if g.err = g.b.s.out.send(m); g.err != nil {
			return g.broken()
		}
	}
	for {
		if r := g.get(); r != nil {
			return g.read(r)
		}
		select {
		case <-g.came:
		case <-g.b.gone:
			g.err = errGone
			return g.broken()
		}
	}
}

// broken gives trouble for every branch: a group must be drained.
func (g *group) broken() (int, any, error, bool) {
	if g.given >= g.n {
		return 0, nil, nil, false
	}
	g.given++
	return g.given - 1, nil, g.err, true
}

func (g *group) read(r *reader) (int, any, error, bool) {
	kind := r.byte()
	if kind == drained {
		g.b.at = r.time()
		g.b.mu.Lock()
		delete(g.b.groups, g.id)
		g.b.mu.Unlock()
		return 0, nil, nil, false
	}
	i := r.int(g.n - 1)
	g.given++
	var e end
	switch kind {
	case well, own:
		g.mu.Lock()
		e, g.ends[i] = g.ends[i], end{}
		g.mu.Unlock()
	default:
		e.err = r.failure(kind, g.cause)
	}
	if bad := r.end(); bad != nil {
		e.err = bad
	}
	if e.err != nil && g.cause == nil {
		g.asked = false
	} else if e.err == nil && e.v == nil {
		e.err = fmt.Errorf("%w: branch %d has no result", errGarbled, i)
	}
	return i, e.v, e.err, true
}

// Cancel implements runtime.Group.
func (g *group) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	if g.cause == nil {
		g.cause, g.asked, g.streams = cause, false, true
	}
	m := message(cancel, 64)
	m.uint(g.b.id)
	m.uint(g.id)
	m.clipped(cause.Error(), maxText)
	if err := g.b.s.out.send(m); err != nil {
		g.err = errors.Join(g.err, err)
	}
}

// label tells the parent what people call some of the branches.
func (g *group) label(r *reader) {
	from, n := r.int(g.n), r.int(maxLabels)
	if r.end() != nil {
		return
	}
	m := message(labels, 64)
	m.uint(g.b.id)
	m.uint(g.id)
	m.int(from)
	list := make([]string, min(n, g.n-from))
	for i := range list {
		list[i] = g.labelOf(from + i)
	}
	m.texts(list)
	_ = g.b.s.out.send(m)
}

// Labels are asked for by so many, and each is told up to so many bytes.
const (
	maxLabels = 256
	maxLabel  = 512
)

func (g *group) labelOf(i int) (label string) {
	defer func() {
		if recover() != nil {
			label = ""
		}
	}()
	if g.labels == nil {
		return ""
	}
	label = g.labels(i)
	return label[:min(len(label), maxLabel)]
}
