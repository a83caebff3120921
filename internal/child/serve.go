package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Serve is the child: it interprets what its parent sends until the parent is gone.
func Serve(in io.Reader, out io.Writer, env runtime.Environment) error {
	s := &server{
		env: env, out: newSender(out), programs: make(map[uint64]*runtime.Program), branches: make(map[uint64]*branch), now: time.Now,
	}
	defer s.wg.Wait()
	defer s.abandon()
	from := bufio.NewReaderSize(in, chunk)
	for {
		frame, err := readFrame(from)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
			return nil
		}
		if err == nil {
			err = s.handle(&reader{b: frame})
		}
		if err != nil {
			return err
		}
	}
}

// server is a child at work. One goroutine reads, and never waits for anything else: what it hands out has room.
type server struct {
	env   runtime.Environment
	out   *sender
	now   func() time.Time
	wg    sync.WaitGroup
	heard atomic.Int64 // when the parent was last told that there is work going on, in milliseconds

	mu       sync.Mutex
	programs map[uint64]*runtime.Program
	branches map[uint64]*branch
	gone     bool
}

var errGone = errors.New("the parent is gone")

// handle does what a message of the parent's says.
func (s *server) handle(r *reader) error {
	kind := r.byte()
	if kind == doCompile {
		s.wg.Go(func() { s.compile(r) })
		return r.err
	}
	if kind == doRun {
		s.wg.Go(func() { s.run(r) })
		return r.err
	}
	b := s.branch(r.uint())
	if b == nil {
		return r.err // it has ended
	}
	switch kind {
	case doStart:
		return s.start(b, r)
	case doStop:
		e, _ := r.script()
		b.stop.Store(&stopped{e})
		return r.err
	case answer, askFits:
		b.mail <- mail{kind, r}
	case outcome:
		g := b.group(r.uint())
		if g == nil {
			return fmt.Errorf("%w: it is about a fork that is not there", errGarbled)
		}
		g.put(r)
	case askLabels:
		g := b.group(r.uint())
		if g == nil {
			return fmt.Errorf("%w: it is about a fork that is not there", errGarbled)
		}
		s.wg.Go(func() { g.label(r) })
	default:
		return fmt.Errorf("%w: there is no message %d", errGarbled, kind)
	}
	return nil
}

func (s *server) branch(id uint64) *branch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.branches[id]
}

// abandon ends whatever waits for the parent.
func (s *server) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for _, b := range s.branches {
		b.leave()
	}
}

func (s *server) compile(r *reader) {
	id := r.uint()
	files, to, err := r.modules()
	m := message(compiled, 256)
	m.uint(id)
	if err == nil {
		var p *runtime.Program
		if p, err = compileFiles(files, to, s.env); err == nil {
			s.mu.Lock()
			s.programs[id] = p
			s.mu.Unlock()
			m.b = append(m.b, well)
			m.described(p.Away())
		}
	}
	if wrong, ok := errors.AsType[*runtime.SourceError](err); ok {
		m.b = append(m.b, unfit)
		m.findings(wrong.Findings)
	} else if err != nil {
		m.failure(err)
	}
	_ = s.out.send(m) // if the parent is gone it is read in Serve
}

func compileFiles(files []*runtime.File, to map[string]string, env runtime.Environment) (p *runtime.Program, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("internal error: %v", v)
		}
	}()
	return runtime.Compile(files, func(from, label string) string { return to[from+"\x00"+label] }, env)
}

// modules reads a load graph.
func (r *reader) modules() (files []*runtime.File, to map[string]string, err error) {
	to = make(map[string]string)
	for range r.count(maxList) {
		name, text := r.text(maxName), r.take(maxFrame)
		for range r.count(maxList) {
			label := r.text(maxFrame)
			to[name+"\x00"+label] = r.text(maxFrame)
		}
		agents := make(map[string]string)
		for range r.count(maxList) {
			role := r.text(maxFrame)
			agents[role] = r.text(maxFrame)
		}
		if r.err != nil {
			return nil, nil, r.err
		}
		f, err := runtime.Parse(name, text)
		if err != nil {
			return nil, nil, err
		}
		f.Agents = agents
		files = append(files, f)
	}
	if len(files) == 0 {
		r.bad()
	}
	return files, to, r.end()
}

func (s *server) run(r *reader) {
	program, id := r.uint(), r.uint()
	inputs, cfg := runtime.Payload(r.payload()), runtime.Config{Limits: r.limits(), Seed: r.uint()}
	b := s.enter(id, r.time(), r.flag())
	if b == nil {
		return
	}
	defer s.leave(b)
	s.mu.Lock()
	p := s.programs[program]
	s.mu.Unlock()
	m := message(ended, 64)
	m.uint(id)
	if r.end() != nil || p == nil {
		m.failure(errGarbled)
	} else if result, err := p.Run(b.effects(), inputs, cfg); err != nil {
		m.failure(err)
	} else {
		m.b = append(m.b, well)
		m.payload(result)
	}
	_ = s.out.send(m)
}

// enter makes a branch known by the number that the parent gave it. It gives nil when the parent is gone.
func (s *server) enter(id uint64, now time.Time, witnessed bool) *branch {
	b := &branch{s: s, id: id, at: now, witnessed: witnessed, mail: make(chan mail, 4), gone: make(chan struct{}), groups: make(map[uint64]*group)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil
	}
	s.branches[id] = b
	return b
}

func (s *server) leave(b *branch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.branches, b.id)
}

// start runs a branch of a fork of b.
func (s *server) start(b *branch, r *reader) error {
	g := b.group(r.uint())
	i, id, now := r.int(1<<40), r.uint(), r.time()
	if err := r.end(); err != nil || g == nil || i >= g.n {
		return fmt.Errorf("%w: a branch cannot start", errGarbled)
	}
	below := s.enter(id, now, b.witnessed)
	if below == nil {
		return nil
	}
	s.wg.Go(func() {
		defer s.leave(below)
		v, err := g.body(i, below.effects())
		g.keep(i, v, err)
		m := message(ended, 64)
		m.uint(id)
		if err != nil {
			m.failure(err)
		} else {
			m.b = append(m.b, well)
			m.payload(nil)
		}
		_ = s.out.send(m)
	})
	return nil
}

// failure writes how something ended that did not end well.
func (w *writer) failure(err error) {
	if host, ok := errors.AsType[*runtime.HostError](err); ok {
		w.host(host.Err, host.Trace)
		return
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		w.b = append(w.b, failed)
		w.script(e)
		return
	}
	if e, ok := errors.AsType[*runtime.InputError](err); ok {
		w.b = append(w.b, unfit)
		w.clipped(e.Name, maxName)
		w.clipped(e.Message, maxText)
		w.clipped(e.Hint, maxName)
		return
	}
	w.host(err, nil)
}

// host writes trouble: the parent's own goes back to it as what it was.
func (w *writer) host(err error, frames []runtime.Frame) {
	w.b = append(w.b, trouble)
	theirs, ok := errors.AsType[*far](err)
	if !ok {
		theirs = &far{text: err.Error()}
	}
	w.uint(theirs.id)
	w.clipped(theirs.text, maxText)
	w.trace(frames)
}
