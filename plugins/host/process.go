package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// How processes are started again.
const (
	defaultStartTimeout = 15 * time.Second
	firstPause          = 100 * time.Millisecond
	longestPause        = 30 * time.Second
	patience            = time.Second // the longest pause a call waits out
	breakerExits        = 5
	breakerWindow       = time.Minute
	breakerPause        = 30 * time.Second
)

// process is a command that serves sessions. It runs as one instance at a time, and starts a new one when that has ended.
type process struct {
	host   *Host
	cmd    command
	now    func() time.Time
	memory Memory // may be nil

	mu        sync.Mutex
	cur       *instance // nil when none was started or the last one failed to
	starting  *startup
	exits     []time.Time // within breakerWindow, oldest first
	notBefore time.Time
	last      string // what the last exit was
	recalled  bool   // what other hosts saw is known
	closed    bool
}

// startup is the start of an instance that callers wait for together.
type startup struct {
	done chan struct{}
	inst *instance
	err  error
}

func newProcess(h *Host, c command) *process {
	return &process{host: h, cmd: c, now: time.Now, memory: h.opts.Memory}
}

// instance gives the running instance, or starts one. The start goes on when ctx ends, for those who also wait.
func (p *process) instance(ctx context.Context) (*instance, error) {
	s, inst, err := p.join() //nolint:contextcheck // others wait for the same start
	if s == nil {
		return inst, err
	}
	select {
	case <-s.done:
		return s.inst, s.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// join returns the running instance, or the start to wait for.
func (p *process) join() (*startup, *instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	switch {
	case p.closed:
		return nil, nil, ErrClosed
	case p.cur != nil:
		return nil, p.cur, nil
	case p.starting != nil:
		return p.starting, nil, nil
	}
	p.recall()
	p.forgetExits()
	pause := p.notBefore.Sub(p.now())
	if pause > patience {
		return nil, nil, p.resting(pause)
	}
	s := &startup{done: make(chan struct{})}
	if !p.host.background(func() { p.start(s, pause) }) {
		return nil, nil, ErrClosed
	}
	p.starting = s
	return s, nil, nil
}

// resting is the error while the breaker is open.
func (p *process) resting(pause time.Duration) *StartError {
	again := "started"
	if p.cmd.remote != nil {
		again = "connected to"
	}
	return &StartError{
		Agent:      p.cmd.label,
		Problem:    fmt.Sprintf("is not %s again for %s: it ended %d times within a minute, last %s", again, pause.Round(time.Second), len(p.exits), p.last),
		Hint:       "run `parallax agents ping " + p.cmd.label + "` to see why",
		retryable:  true,
		retryAfter: pause,
	}
}

// start carries out a startup after a pause.
func (p *process) start(s *startup, pause time.Duration) {
	defer close(s.done)
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		select {
		case <-t.C:
		case <-p.host.ctx.Done():
		}
	}
	s.inst, s.err = startInstance(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting = nil
	p.cur = s.inst
	if s.err != nil && !p.blameless(s.err) {
		p.exited("before it was ready")
	}
}

// blameless says whether a start failed of something that says nothing about the program: the host ends, the machine has no room
// for one more process or file, or what is served elsewhere is there and does not let us in.
func (p *process) blameless(err error) bool {
	if e, ok := errors.AsType[*StartError](err); ok && p.cmd.remote != nil && !e.retryable {
		return true
	}
	return p.closed || p.host.ctx.Err() != nil || errors.Is(err, ErrClosed) || exhausted(err)
}

// settle forgets an instance that has ended, and counts its exit.
func (p *process) settle() {
	if p.cur == nil || p.cur.alive() {
		return
	}
	if !p.closed && p.host.ctx.Err() == nil {
		<-p.cur.runner.done
		p.exited("with " + p.cur.runner.state)
	}
	p.cur = nil
}

// ended is told when an instance is gone that had been ready.
func (p *process) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
}

// exited counts an exit and sets the time before which there is no new start.
func (p *process) exited(how string) {
	if p.memory != nil {
		p.memory.Change(p.memoryKey(), func(old []byte) []byte {
			p.remember(old)
			p.count(how)
			return p.book()
		})
		return
	}
	p.count(how)
}

func (p *process) count(how string) {
	p.forgetExits()
	p.exits = append(p.exits, p.now())
	p.last = how
	pause := min(firstPause<<(len(p.exits)-1), longestPause)
	pause = pause/2 + rand.N(pause/2+1)
	if len(p.exits) >= breakerExits {
		pause = breakerPause
	}
	p.notBefore = p.now().Add(pause)
}

func (p *process) forgetExits() {
	old := p.now().Add(-breakerWindow)
	for len(p.exits) > 0 && p.exits[0].Before(old) {
		p.exits = p.exits[1:]
	}
}

// shutdown ends the process for good. No call is in flight.
func (p *process) shutdown() {
	p.mu.Lock()
	p.closed = true
	s := p.starting
	p.mu.Unlock()
	if s != nil {
		<-s.done
	}
	p.mu.Lock()
	inst := p.cur
	p.mu.Unlock()
	if inst != nil {
		inst.stop()
	}
}

// exhausted says whether a start failed of what this machine or process has too little of.
func exhausted(err error) bool {
	for _, want := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}
