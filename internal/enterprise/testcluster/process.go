//go:build linux

package testcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// shownLines of the log of a program that failed go into the error.
const shownLines = 50

// A command says how to run a program of the cluster. Its working folder marks every process that comes from it.
type command struct {
	path  string
	args  []string
	env   []string // added to ours
	dir   string
	log   string         // appended to
	owner *account       // nil: ourselves
	death syscall.Signal // what the kernel sends it when this process dies, by whatever death
}

// A process is a program that runs, or has ended. A nil process has ended long ago.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has been waited for
	err  error         // how it ended, set before done is closed
}

// begin starts a program in the background.
func (c command) begin(ctx context.Context) (*process, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{name: filepath.Base(c.path), log: c.log, done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), c.path, c.args...)
	p.cmd.Dir, p.cmd.Env = c.dir, append(os.Environ(), c.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: c.death, Credential: c.owner.credential()}
	started := make(chan error)
	go p.live(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.path, err)
	}
	return p, nil
}

// live starts the program and waits for it on one thread: to the kernel the thread is the parent, and its end the parent's death.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
		close(p.done)
	}
}

// run runs a program to its end.
func (c command) run(ctx context.Context) error {
	p, err := c.begin(ctx)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.stop(syscall.SIGKILL, stopTime))
	}
	if p.err != nil {
		return p.failure(p.err)
	}
	return nil
}

func (p *process) pid() int {
	if p == nil || p.ended() {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop sends a signal and waits until the process is gone; after the time given it is killed, and that is an error.
func (p *process) stop(sig syscall.Signal, within time.Duration) error {
	if p == nil || p.ended() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return p.failure(fmt.Errorf("still ran %v after %v", within, sig))
}

// ready tries until try succeeds, the process ends or the time is up.
func (p *process) ready(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return p.failure(fmt.Errorf("ended (%w) before it was ready: %w", p.err, err))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("not ready: %w", err))
		}
	}
}

// failure adds what the program said last.
func (p *process) failure(err error) error {
	return fmt.Errorf("%s: %w\nthe end of %s:\n%s", p.name, err, p.log, lastLines(p.log, shownLines))
}

func lastLines(name string, n int) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
