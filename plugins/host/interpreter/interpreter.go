// Package interpreter starts the process in which patterns from elsewhere are interpreted: the same executable once more, in a sandbox that
// allows nothing. What it does there is in package child; that it can do nothing else is seen to by the sandbox and, once it runs, by the process
// itself, which gives up every system call that computing does not need.
package interpreter

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/parallax-run/parallax/internal/child"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/runtime"
)

// Asked is the variable in the environment of a process that is to interpret. It says the level of its sandbox.
const Asked = "PARALLAX_PATTERN"

// Word is the one argument of such a process.
const Word = "__pattern"

// Bounds of one process.
const (
	DefaultMemory = 512 << 20
	DefaultCPU    = 10 * time.Minute
)

// admission is how long the sandbox may take to be closed.
const admission = 10 * time.Second

// Starter starts processes that interpret.
type Starter struct {
	Command []string      // Command[0] is absolute
	Shim    []string      // the command that is the shim
	Memory  int64         // bytes of data; zero means DefaultMemory
	CPU     time.Duration // in all; zero means DefaultCPU
	Step    time.Duration // of processors without a word; zero means what package child thinks fit

	mu    sync.Mutex
	known bool
	best  sandbox.Level
	lacks []string
}

// Start starts one at the highest level that the machine gives.
func (s *Starter) Start() (*child.Process, error) {
	for {
		level := s.level()
		p, err := s.start(level)
		step, ok := errors.AsType[*sandbox.StepError](err)
		if err == nil || !ok || !step.Absent || level <= sandbox.Basic {
			if err != nil {
				return nil, fmt.Errorf("the process that interprets patterns from elsewhere does not start: %w", err)
			}
			return p, nil
		}
		s.lower(level, step.Error())
	}
}

// level is the highest at which to try.
func (s *Starter) level() sandbox.Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		s.best, s.lacks = sandbox.Ceiling()
		s.known = true
	}
	return s.best
}

func (s *Starter) lower(than sandbox.Level, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.best >= than {
		s.best, s.lacks = than-1, append(s.lacks, why)
	}
}

// Level starts a process and says at which level it was, and what the machine lacks for a higher one.
func (s *Starter) Level() (sandbox.Level, []string, error) {
	p, err := s.Start()
	if err != nil {
		return sandbox.None, nil, err
	}
	p.Kill()
	_ = p.Wait()
	_ = p.In.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.best, s.lacks, nil
}

func (s *Starter) memory() int64 {
	if s.Memory > 0 {
		return s.Memory * stretched
	}
	return DefaultMemory * stretched
}

func (s *Starter) cpu() time.Duration {
	if s.CPU > 0 {
		return s.CPU
	}
	return DefaultCPU
}

func (s *Starter) start(level sandbox.Level) (*child.Process, error) {
	root, err := emptyDir()
	if err != nil {
		return nil, err
	}
	box, err := sandbox.New(sandbox.Spec{
		Policy: &sandbox.Policy{Memory: s.memory()}, Level: level, Argv: s.Command, Bare: true, CPU: s.cpu(),
		Env:     []string{Asked + "=" + level.String(), "GOTRACEBACK=none", "GOGC=400", fmt.Sprintf("GOMEMLIMIT=%d", s.memory()/10*8)},
		Scratch: "/", Root: root, Shim: s.Shim,
	})
	if err != nil {
		return nil, err
	}
	r := &running{box: box, cpu: s.cpu(), memory: s.memory()}
	if err := r.start(); err != nil {
		box.Close()
		return nil, err
	}
	return &child.Process{In: r.in, Out: r.out, Kill: r.kill, Wait: r.wait, Worked: r.worked(), Patience: s.Step}, nil
}

// emptyDir is where the process's own file tree is mounted, which only it sees. It stays: all processes of a user share it.
func emptyDir() (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("parallax-empty-%d", os.Getuid()))
	err := os.Mkdir(dir, 0o700)
	if !errors.Is(err, os.ErrExist) {
		return dir, err
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%s is to be an empty folder of this user's: remove it", dir)
	}
	if _, err := os.ReadDir(dir); err != nil { // another user made it
		return "", fmt.Errorf("%s is to be an empty folder of this user's: %w", dir, err)
	}
	return dir, nil
}

// running is a process that was started.
type running struct {
	box    *sandbox.Box
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	cpu    time.Duration
	memory int64
	last   tail
}

func (r *running) start() (err error) {
	r.cmd = exec.Command("") // it ends with its host, or when it is told to
	r.cmd.Env = []string{}
	r.cmd.Stderr = &r.last
	ended(r.cmd)
	if err := r.box.Prepare(r.cmd); err != nil {
		return err
	}
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return err
	}
	if r.out, err = r.cmd.StdoutPipe(); err != nil {
		return err
	}
	if err := r.box.Started(r.cmd.Start()); err != nil {
		return err
	}
	if err := r.box.Admit(admission); err != nil {
		r.kill()
		_ = r.cmd.Wait()
		return err
	}
	return nil
}

func (r *running) kill() { _ = r.cmd.Process.Kill() }

// wait says how the process ended.
func (r *running) wait() error {
	err := r.cmd.Wait()
	r.box.Close()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return r.explain(exit)
	}
	return err
}

// explain makes of an end what it means for the run: a limit where the same pattern would come to it again.
func (r *running) explain(exit *exec.ExitError) error {
	if used := exit.UserTime() + exit.SystemTime(); used >= r.cpu-time.Second {
		return tooMuch("it used %s of processors, all that it may", r.cpu)
	}
	said := r.last.String()
	switch {
	case strings.Contains(said, "out of memory"), strings.Contains(said, "cannot allocate memory"), strings.Contains(said, "pthread_create failed"),
		strings.HasPrefix(said, "SIGSEGV:"): // in Go's own runtime, not in what it runs: the collector of Go 1.26 when it gets none
		return tooMuch("it used more than %d MiB of memory", r.memory>>20)
	case strings.Contains(said, "stack overflow"), strings.Contains(said, "stack exceeds"):
		return tooMuch("its values or calls are nested too deeply")
	}
	how := exit.String()
	if what := line(said); what != "" {
		how += ": " + what
	}
	return fmt.Errorf("the process that interprets the pattern has ended (%s)", how)
}

// tooMuch is what would come of the same pattern again.
func tooMuch(what string, args ...any) *runtime.Error {
	return &runtime.Error{
		Code: runtime.Limit, Message: "the pattern was ended in its process: " + fmt.Sprintf(what, args...),
		Hint: "it comes from elsewhere; parallax explain says what its package asks for",
	}
}

// tail keeps the start of what the process said at its end.
type tail struct{ strings.Builder }

func (t *tail) Write(b []byte) (int, error) {
	if room := 4<<10 - t.Len(); room > 0 {
		t.Builder.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// line is the first line of what was said, of letters that a terminal may be shown.
func line(said string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, first[:min(len(first), 200)])
}
