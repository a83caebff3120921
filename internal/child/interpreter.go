package child

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Interpreter compiles and runs patterns in one child process, which it starts when it first needs it, and again when the one before has ended.
type Interpreter struct {
	Start func() (*Process, error)
	Env   runtime.Environment // as the child has it

	mu     sync.Mutex
	live   *process
	closed bool
}

// Close ends the child, and every run that is still with it.
func (x *Interpreter) Close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.Rest()
}

// Rest ends the child until it is needed again.
func (x *Interpreter) Rest() {
	x.mu.Lock()
	p := x.live
	x.live = nil
	x.mu.Unlock()
	if p != nil {
		p.end()
	}
}

var errClosed = errors.New("the interpreter of patterns from elsewhere has been closed")

// process gives the child.
func (x *Interpreter) process() (*process, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, errClosed
	}
	if x.live != nil && !x.live.ended() {
		return x.live, nil
	}
	os, err := x.Start()
	if err != nil {
		return nil, err
	}
	x.live = newProcess(os)
	return x.live, nil
}

// Compile is runtime.Compile, in the child: the program that it gives runs there.
func (x *Interpreter) Compile(files []*runtime.File, find func(from, label string) string) (*runtime.Program, error) {
	size := 0
	for _, f := range files {
		size += len(f.Text)
	}
	w := &writer{make([]byte, 0, size+1024)}
	w.uint(uint64(len(files)))
	for _, f := range files {
		w.module(f, find)
	}
	prog := &program{x: x, graph: w.b}
	_, _, about, err := prog.ready()
	if err != nil {
		return nil, err
	}
	about.Run = prog.run
	return about.Program(files, x.Env), nil
}

// program is a load graph, and its number in the child that has compiled it.
type program struct {
	x     *Interpreter
	graph []byte

	mu   sync.Mutex
	proc *process
	id   uint64
}

// ready compiles the program if the child has not.
func (p *program) ready() (*process, uint64, *runtime.Away, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	proc, err := p.x.process()
	if err != nil {
		return nil, 0, nil, err
	}
	if proc == p.proc {
		return proc, p.id, nil, nil
	}
	id, about, err := proc.compile(p.graph)
	if err != nil {
		return nil, 0, nil, err
	}
	p.proc, p.id = proc, id
	return proc, id, about, nil
}

func (p *program) run(fx runtime.Effects, inputs runtime.Payload, cfg runtime.Config) (runtime.Payload, error) {
	proc, id, _, err := p.ready()
	if err != nil {
		if e, ok := errors.AsType[*runtime.Error](err); ok {
			return nil, e
		}
		return nil, &runtime.HostError{Err: err}
	}
	return proc.run(id, fx, inputs, cfg)
}

// process is a child at work, as its parent sees it.
type process struct {
	os   *Process
	out  *sender
	done chan struct{} // closed when it has ended and all runs know
	dead chan struct{} // closed when it must end, so that nobody is waited for who may be waiting for it
	held atomic.Int64  // bytes of messages that are being worked on

	mu       sync.Mutex
	last     uint64 // number that was given to a program or branch
	compiles map[uint64]chan *reader
	branches map[uint64]*served
	runs     map[*running]bool
	why      error // it ended, or must

	watch watch
	beat  heart
}

// maxHeld bounds the messages of one child that the parent is working on, in bytes.
const maxHeld = 192 << 20

func newProcess(os *Process) *process {
	p := &process{
		os: os, out: newSender(dated(os.In)), done: make(chan struct{}), dead: make(chan struct{}),
		compiles: make(map[uint64]chan *reader), branches: make(map[uint64]*served), runs: make(map[*running]bool),
		watch: watch{worked: os.Worked, patience: cmp.Or(os.Patience, patience)},
	}
	p.beat.do = p.lookAfter
	go p.listen()
	return p
}

func (p *process) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why != nil
}

// end ends the child and returns when nothing of it is left.
func (p *process) end() {
	p.fail(errClosed)
	<-p.done
}

// fail ends the child, for the first reason that is given.
func (p *process) fail(why error) {
	p.mu.Lock()
	if p.why == nil {
		p.why = why
		close(p.dead)
	}
	p.mu.Unlock()
	p.os.Kill()
}

// reason is why the child has ended.
func (p *process) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// listen reads what the child says until it ends.
func (p *process) listen() {
	defer close(p.done)
	from := bufio.NewReaderSize(p.os.Out, chunk)
	err := p.hear(from)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrClosed): // how it ended says more
	case errors.Is(err, errGarbled):
		p.fail(broken("%v", err))
	default:
		p.fail(err)
	}
	p.os.Kill()
	how := p.os.Wait()
	_ = p.os.In.Close()
	p.mu.Lock()
	if p.why == nil {
		p.why = how
	}
	if p.why == nil {
		p.why = errors.New("the process that interprets the pattern has ended")
	}
	runs := p.runs
	p.runs = nil
	p.mu.Unlock()
	p.beat.stop()
	for r := range runs {
		r.abandon(p.why)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.branches {
		close(b.in)
	}
	p.branches = nil
}

func (p *process) hear(from io.Reader) error {
	for {
		frame, err := readFrame(from)
		if err != nil {
			return err
		}
		p.watch.hear()
		if p.held.Add(int64(len(frame))) > maxHeld {
			return tooMuch(fmt.Sprintf("it had messages of more than %d MiB under way", maxHeld>>20))
		}
		if err := p.dispatch(&reader{b: frame}, len(frame)); err != nil {
			return err
		}
	}
}

// tooMuch ends a child that asks for more than the run may have: the same pattern would again.
func tooMuch(what string) *runtime.Error {
	return &runtime.Error{Code: runtime.Limit, Message: "the pattern was ended in its process: " + what}
}

// broken ends a child that lies.
func broken(what string, args ...any) error {
	return fmt.Errorf("%w: "+what, append([]any{errBroken}, args...)...)
}

// dispatch hands a message to whom it is for. Size is that of its frame.
func (p *process) dispatch(r *reader, size int) error {
	kind := r.byte()
	id := r.uint()
	if r.err != nil {
		return broken("a message is cut off")
	}
	if kind == compiled {
		p.held.Add(-int64(size))
		p.mu.Lock()
		wait := p.compiles[id]
		delete(p.compiles, id)
		p.mu.Unlock()
		if wait == nil {
			return broken("it compiled what it was not given")
		}
		wait <- r
		return nil
	}
	p.mu.Lock()
	b := p.branches[id]
	p.mu.Unlock()
	if b == nil {
		return broken("it spoke of branch %d, which there is not", id)
	}
	if kind == labels {
		p.held.Add(-int64(size))
		return b.labelled(r)
	}
	if b.silent.Load() {
		return broken("branch %d spoke out of turn", id)
	}
	switch kind {
	case effect, next, fits, ended:
		b.silent.Store(true)
		p.beat.unexpect()
	case fork, cancel, counted, alive:
	default:
		return broken("there is no message %d", kind)
	}
	select {
	case b.in <- said{kind, r, size}:
	case <-p.dead: // the branch may wait for what the child says behind this
		return p.reason()
	}
	return nil
}

// lookAfter lets the branches that compute observe that they must stop, and looks for a child that is silent.
func (p *process) lookAfter() {
	if err := p.watch.late(); err != nil {
		p.fail(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.branches {
		if b.silent.Load() {
			continue
		}
		select {
		case b.in <- said{kind: beat}:
		default: // it has something to do
		}
	}
}

func (p *process) compile(graph []byte) (uint64, *runtime.Away, error) {
	wait := make(chan *reader, 1)
	p.mu.Lock()
	p.last++
	id := p.last
	p.compiles[id] = wait
	p.mu.Unlock()
	m := message(doCompile, len(graph))
	m.uint(id)
	m.b = append(m.b, graph...)
	_ = p.out.send(m) // that it is gone is heard
	r, err := await(p, wait)
	if err != nil {
		return 0, nil, err
	}
	var about *runtime.Away
	switch kind := r.byte(); kind {
	case well:
		about = r.described()
	case unfit:
		err = r.findings()
	default:
		err = p.failure(r, kind, nil)
	}
	if bad := r.end(); bad != nil {
		p.fail(broken("what it said of a program is garbled"))
		<-p.done
		return 0, nil, p.reason()
	}
	return id, about, err
}

// await waits for something that the child is to say, or for its end.
func await[T any](p *process, said <-chan T) (v T, err error) {
	t := time.NewTicker(slowBeat)
	defer t.Stop()
	for {
		select {
		case v = <-said:
			return v, nil
		case <-p.done:
			return v, p.reason()
		case <-t.C:
			if err := p.watch.late(); err != nil {
				p.fail(err)
			}
		}
	}
}

// failure reads how something did not end well. run may be nil.
func (p *process) failure(r *reader, kind byte, run *running) error {
	switch kind {
	case failed:
		e, _ := r.script()
		return e
	case trouble:
		id, text, frames := r.uint(), r.text(maxText), r.trace()
		err := run.trouble(id)
		if err == nil {
			err = errors.New("the process that interprets the pattern: " + text)
		}
		return &runtime.HostError{Err: err, Trace: frames}
	case unfit:
		return &runtime.InputError{Name: r.text(maxName), Message: r.text(maxText), Hint: r.text(maxName)}
	}
	r.bad()
	return errGarbled
}

// dated gives each write a bound in time, where the pipe can do that: a child that does not read holds nobody up.
func dated(w io.Writer) io.Writer {
	if d, ok := w.(deadliner); ok {
		return &datedWriter{d}
	}
	return w
}

type deadliner interface {
	io.Writer
	SetWriteDeadline(t time.Time) error
}

type datedWriter struct{ deadliner }

func (w *datedWriter) Write(b []byte) (int, error) {
	_ = w.SetWriteDeadline(time.Now().Add(maxWrite))
	return w.deadliner.Write(b)
}

// maxWrite is how long a child may leave what it is told unread.
const maxWrite = 30 * time.Second
