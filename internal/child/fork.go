package child

import (
	"context"
	"errors"
	"sync"

	"github.com/parallax-run/parallax/runtime"
)

// forked is a fork of a branch that runs in the child.
type forked struct {
	b         *served
	id        uint64
	n         int
	group     runtime.Group
	streams   bool
	cancelled bool
	ends      []error // of the branches, as the child told them

	mu      sync.Mutex
	called  map[int][]string // labels, by the first of each lot
	asked   chan []string    // one lot is being asked for
	askedOf int
}

// bytesPerBranch is what a branch of a fork counts for, as in package runtime.
const bytesPerBranch = 256

// fork starts a fork. The engine has the child start each branch when it is its turn.
func (b *served) fork(r *reader) error {
	id := r.uint()
	spec := runtime.ForkSpec{Name: r.text(maxName), Pos: r.text(maxName), Limit: r.int(1<<31 - 1), Order: runtime.Order(r.byte()), Timeout: r.duration(), Cancellable: r.flag()}
	labelled, n := r.flag(), r.int(1<<31-1)
	if r.end() != nil || spec.Order > runtime.Settled || b.groups[id] != nil {
		return broken("a fork cannot be read")
	}
	if err := b.run.admitFork(&spec, n); err != nil {
		return err
	}
	f := &forked{b: b, id: id, n: n, streams: spec.Order == runtime.Indexed, ends: make([]error, n)}
	if labelled {
		spec.Label = f.label
	}
	b.mu.Lock()
	b.groups[id] = f
	b.mu.Unlock()
	f.group = b.fx.Fork(spec, n, f.branch)
	return nil
}

func (r *running) admitFork(spec *runtime.ForkSpec, n int) error {
	if r.forked.Add(uint64(n+1)*bytesPerBranch) > r.limits.Bytes {
		return broken("it forked into more branches than the run may have")
	}
	width := n
	if spec.Limit > 0 {
		width = min(n, spec.Limit)
	}
	if width > r.limits.LiveBranches {
		return broken("it forked into more branches at a time than the run may have")
	}
	return nil
}

// branch runs one branch of the fork in the child. What it gives stays there.
func (f *forked) branch(i int, fx runtime.Effects) (any, error) {
	p, r := f.b.p, f.b.run
	defer r.live.Add(-1)
	if r.live.Add(1) > int64(r.limits.LiveBranches) {
		p.fail(broken("it has more branches than the run may have"))
	}
	b := p.enter(r, fx)
	defer p.leave(b)
	m := message(doStart, 32)
	m.uint(f.b.id)
	m.uint(f.id)
	m.int(i)
	m.uint(b.id)
	m.time(fx.Now())
	_ = p.out.send(m) // that it is gone is heard
	b.checkpoint()    // it waits for the child, and others may begin
	_, err := b.serve()
	f.ends[i] = err
	return nil, err
}

// next gives the child outcomes: one, or all up to the first failure where nothing can come between.
func (b *served) next(r *reader) error {
	f := b.groups[r.uint()]
	if r.end() != nil || f == nil {
		return broken("it waits for a fork that is not there")
	}
	for {
		i, _, err, ok := f.group.Next()
		m := message(outcome, 32)
		m.uint(b.id)
		m.uint(f.id)
		if !ok {
			b.forget(f)
			m.b = append(m.b, drained)
			m.time(b.fx.Now())
			return b.reply(m)
		}
		f.outcome(m, i, err)
		if f.cancelled || f.streams && err == nil {
			_ = b.p.out.send(m)
			continue
		}
		return b.reply(m)
	}
}

func (f *forked) outcome(m *writer, i int, err error) {
	switch {
	case err == nil:
		m.b = append(m.b, well)
		m.int(i)
	case same(err, f.ends[i]):
		m.b = append(m.b, own)
		m.int(i)
	default:
		at := len(m.b)
		f.b.run.failure(m, err)
		rest := append([]byte(nil), m.b[at+1:]...)
		m.b = m.b[:at+1]
		m.int(i)
		m.b = append(m.b, rest...)
	}
}

func (b *served) forget(f *forked) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.groups, f.id)
}

func (b *served) cancel(r *reader) error {
	f := b.groups[r.uint()]
	cause := r.text(maxText)
	if r.end() != nil || f == nil {
		return broken("it cancels a fork that is not there")
	}
	f.cancelled = true
	f.group.Cancel(causeOf(cause))
	return nil
}

// causeOf is a cause as the engine tells it apart.
func causeOf(text string) error {
	if text == context.Canceled.Error() {
		return context.Canceled
	}
	return errors.New(text)
}

// drain ends what a branch has left behind: no branch outlives its parent.
func (b *served) drain() {
	for id, f := range b.groups {
		f.group.Cancel(errGone)
		for ok := true; ok; {
			_, _, _, ok = f.group.Next()
		}
		delete(b.groups, id)
	}
}

// label asks the child what people call a branch, for many of them at once.
func (f *forked) label(i int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := i - i%maxLabels
	lot, ok := f.called[from]
	if !ok {
		lot = f.ask(from)
		if f.called == nil {
			f.called = make(map[int][]string)
		}
		f.called[from] = lot
	}
	if i-from < len(lot) {
		return lot[i-from]
	}
	return ""
}

func (f *forked) ask(from int) []string {
	answer := make(chan []string, 1)
	f.b.mu.Lock()
	f.asked, f.askedOf = answer, from
	f.b.mu.Unlock()
	m := message(askLabels, 16)
	m.uint(f.b.id)
	m.uint(f.id)
	m.int(from)
	m.int(min(maxLabels, f.n-from))
	_ = f.b.p.out.send(m)
	lot, _ := await(f.b.p, answer) // when the child has ended nobody needs them
	return lot
}

// labelled takes the labels that were asked for.
func (b *served) labelled(r *reader) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.groups[r.uint()]
	if f == nil || f.asked == nil || r.int(f.n) != f.askedOf {
		return broken("nobody asked for labels")
	}
	lot := r.texts(maxLabels, maxLabel)
	if r.end() != nil {
		return broken("labels cannot be read")
	}
	f.asked <- lot
	f.asked = nil
	return nil
}
