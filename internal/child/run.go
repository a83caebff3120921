package child

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// running is a run, main and child runs apart, and what it has asked for so far. The child counts too, and more; this is in case it lies.
type running struct {
	p       *process
	fx      runtime.Effects
	limits  runtime.Limits
	effects atomic.Uint64
	output  atomic.Uint64
	forked  atomic.Uint64 // bytes
	live    atomic.Int64  // branches

	mu   sync.Mutex
	errs []error // the host's, as they were given to the child
}

func (p *process) run(program uint64, fx runtime.Effects, inputs runtime.Payload, cfg runtime.Config) (runtime.Payload, error) {
	r := &running{p: p, fx: fx, limits: cfg.Limits.WithDefaults()}
	p.mu.Lock()
	if p.runs == nil {
		defer p.mu.Unlock()
		return nil, ending(p.why)
	}
	p.runs[r] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.runs, r)
		p.mu.Unlock()
	}()
	b := p.enter(r, fx)
	defer p.leave(b)
	_, witnessed := fx.(runtime.Witness)
	m := message(doRun, len(inputs)+64)
	m.uint(program)
	m.uint(b.id)
	m.payload(inputs)
	m.limits(cfg.Limits)
	m.uint(cfg.Seed)
	m.time(fx.Now())
	m.flag(witnessed)
	_ = p.out.send(m) // that it is gone is heard
	result, err := b.serve()
	if b.lost {
		return nil, ending(p.reason())
	}
	return result, err
}

// ending is how a run ends whose child did.
func ending(why error) error {
	if e, ok := errors.AsType[*runtime.Error](why); ok {
		return e
	}
	return &runtime.HostError{Err: why}
}

func (r *running) abandon(why error) {
	if a, ok := r.fx.(runtime.Abandoner); ok {
		a.Abandon(why)
	}
}

// note keeps an error of the host's and gives its number, for the child to give back.
func (r *running) note(err error) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.errs); n > 0 && (n >= maxErrors || same(r.errs[n-1], err)) {
		return uint64(n)
	}
	r.errs = append(r.errs, err)
	return uint64(len(r.errs))
}

const maxErrors = 1000

// same says whether two errors are one pointer.
func same(a, b error) bool {
	switch a := a.(type) { //nolint:errorlint // it is the very value
	case *runtime.Error:
		other, ok := b.(*runtime.Error) //nolint:errorlint // as above
		return ok && a == other
	case *runtime.HostError:
		other, ok := b.(*runtime.HostError) //nolint:errorlint // as above
		return ok && a == other
	}
	return false
}

func (r *running) trouble(id uint64) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == 0 || id > uint64(len(r.errs)) {
		return nil
	}
	return r.errs[id-1]
}

// served is a branch that runs in the child.
type served struct {
	p      *process
	run    *running
	id     uint64
	fx     runtime.Effects
	in     chan said     // closed when the child has ended
	silent atomic.Bool   // it is not the child's turn
	told   bool          // that it must stop
	until  time.Duration // the process's own time by which it must have
	lost   bool          // the child has ended

	mu     sync.Mutex
	groups map[uint64]*forked
}

// said is a message of a branch, behind its number.
type said struct {
	kind byte
	r    *reader
	size int
}

func (p *process) enter(r *running, fx runtime.Effects) *served {
	b := &served{p: p, run: r, fx: fx, in: make(chan said, 8), groups: make(map[uint64]*forked)}
	p.mu.Lock()
	p.last++
	b.id = p.last
	if p.branches == nil {
		close(b.in)
	} else {
		p.branches[b.id] = b
	}
	p.mu.Unlock()
	p.beat.expect()
	return b
}

func (p *process) leave(b *served) {
	p.mu.Lock()
	delete(p.branches, b.id)
	p.mu.Unlock()
	if !b.silent.Load() {
		p.beat.unexpect()
	}
}

// serve does what the branch asks for until it ends. Errors are those of runtime.Program.Run.
func (b *served) serve() (runtime.Payload, error) {
	defer b.drain()
	for {
		m, ok := b.receive()
		if !ok {
			b.lost = true
			return nil, &runtime.HostError{Err: b.p.reason()}
		}
		if m.kind == ended {
			result, err := b.end(m.r)
			b.p.held.Add(-int64(m.size))
			if bad := b.whole(m.r); bad == nil {
				return result, err
			}
			continue // until the child is gone
		}
		err := b.handle(m)
		b.p.held.Add(-int64(m.size))
		if err != nil {
			b.p.fail(err)
		}
	}
}

// whole says whether a message was understood and nothing is left undone at the end of the branch. Otherwise the child ends.
func (b *served) whole(r *reader) error {
	err := r.end()
	if err != nil {
		err = broken("a branch ended with what cannot be read")
	} else if len(b.groups) > 0 {
		err = broken("a branch ended before those below it")
	}
	if err != nil {
		b.p.fail(err)
	}
	return err
}

// receive waits for what the branch says next. ok is false when the child has ended.
func (b *served) receive() (m said, ok bool) {
	for m := range b.in {
		if m.kind != beat {
			return m, true
		}
		b.checkpoint()
	}
	return said{}, false
}

// checkpoint is that of the branch, which computes: the child goes on and is told when it must stop.
func (b *served) checkpoint() {
	err := b.fx.Checkpoint()
	if err == nil {
		return
	}
	if b.told {
		if b.p.watch.over(b.until) {
			b.p.fail(broken("it did not stop when it was told to"))
		}
		return
	}
	b.told, b.until = true, b.p.watch.deadline()
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		e = runtime.ErrCancelled()
	}
	m := message(doStop, 64)
	m.uint(b.id)
	m.script(e)
	_ = b.p.out.send(m)
}

// handle does what a message says. Its error ends the child.
func (b *served) handle(m said) error {
	switch m.kind {
	case effect:
		return b.perform(m.r)
	case fork:
		return b.fork(m.r)
	case next:
		return b.next(m.r)
	case cancel:
		return b.cancel(m.r)
	case counted:
		return b.counted(m.r)
	case alive:
		b.checkpoint()
		return m.r.end()
	}
	return broken("message %d does not belong here", m.kind)
}

func (b *served) perform(r *reader) error {
	e := readEffect(r, b.fits)
	if r.end() != nil {
		return broken("an effect cannot be read")
	}
	if err := b.run.admit(e); err != nil {
		return err
	}
	p, err := b.fx.Do(e)
	m := message(answer, len(p)+64)
	m.uint(b.id)
	if err == nil {
		m.b = append(m.b, well)
		m.payload(p)
	} else {
		b.run.failure(m, err)
	}
	m.time(b.fx.Now())
	return b.reply(m)
}

// reply says something after which it is the child's turn.
func (b *served) reply(m *writer) error {
	b.silent.Store(false)
	b.p.beat.expect()
	_ = b.p.out.send(m) // that it is gone is heard
	return nil
}

// admit counts an effect. The run's own limits come first where the child is honest.
func (r *running) admit(e runtime.Effect) error {
	if emit, ok := e.(runtime.Emit); ok {
		if r.output.Add(uint64(len(emit.Name)+len(emit.Data))) > r.limits.OutputBytes {
			return broken("it told more than the run may")
		}
		return nil
	}
	if r.effects.Add(1) > r.limits.Effects {
		return broken("it asked for more than the run may")
	}
	return nil
}

// failure writes an error for the child.
func (r *running) failure(m *writer, err error) {
	var frames []runtime.Frame
	if host, ok := errors.AsType[*runtime.HostError](err); ok {
		err, frames = host.Err, host.Trace
	} else if e, ok := errors.AsType[*runtime.Error](err); ok {
		m.b = append(m.b, failed)
		m.script(e)
		return
	}
	m.b = append(m.b, trouble)
	m.uint(r.note(err))
	m.clipped(err.Error(), maxText)
	m.trace(frames)
}

// fits asks the branch, which waits for the outcome of its call, whether a value has the shape that it wants.
func (b *served) fits(value runtime.Payload) bool {
	m := message(askFits, len(value)+16)
	m.uint(b.id)
	m.payload(value)
	_ = b.reply(m)
	got, ok := b.receive()
	if !ok {
		return false
	}
	defer b.p.held.Add(-int64(got.size))
	for got.kind == alive { // it was said before the effect was
		if got, ok = b.receive(); !ok {
			return false
		}
	}
	yes := got.r.flag()
	if got.kind != fits || got.r.end() != nil {
		b.p.fail(broken("it was asked about a value and spoke of something else"))
		return false
	}
	return yes
}

// counted passes on what a script made of votes. The name becomes part of a record.
func (b *served) counted(r *reader) error {
	name, p := r.text(64), canonical(r)
	if r.end() != nil || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" || len(p) > maxCount {
		return broken("a count cannot be read")
	}
	if w, ok := b.fx.(runtime.Witness); ok {
		w.Counted(name, func() (runtime.Payload, error) { return p, nil })
	}
	return nil
}

// end reads how the branch ended. What a branch of a fork came to stays in the child.
func (b *served) end(r *reader) (runtime.Payload, error) {
	if kind := r.byte(); kind != well {
		return nil, b.p.failure(r, kind, b.run)
	}
	return canonical(r), nil
}
