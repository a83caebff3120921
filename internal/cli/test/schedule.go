package test

import (
	"context"
	"sync"

	"github.com/parallax-run/parallax/internal/cli"
	cliproject "github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
)

// file is a file of tests on its way.
type file struct {
	path  string
	name  string // as people see it
	ready chan struct{}

	// Known once ready is closed.
	suite *patterntest.Suite
	err   error             // why there is no suite
	cover *runtime.Coverage // nil when lines are not counted
	tests []*test

	begun bool
	next  int // first test that was not begun
}

// test is one test on its way.
type test struct {
	name  string
	ready chan struct{}
	out   Outcome // once ready is closed
}

// schedule gives work in order: the first file that was not loaded, or the first test of those that were.
type schedule struct {
	mu      sync.Mutex
	changed sync.Cond // a file was loaded, or the work was called off
	files   []*file
	off     bool
}

// all loads files and runs their tests, o.Jobs at a time, and tells of each in order.
func (o *Options) all(ctx context.Context, run *Runner, paths []string) (*report, error) {
	s := &schedule{}
	s.changed.L = &s.mu
	for _, path := range paths {
		s.files = append(s.files, &file{path: path, name: cli.Short(o.App.Dir, path), ready: make(chan struct{})})
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.callOff()
	for range o.Jobs {
		wg.Go(func() {
			for work := s.take(); work != nil; work = s.take() {
				work(ctx, o, run)
			}
		})
	}
	r := newReport(o)
	r.files = s.files
	for _, f := range s.files {
		if err := r.follow(ctx, f); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// callOff ends the handing out of work.
func (s *schedule) callOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = true
	s.changed.Broadcast()
}

// work is loading a file or running a test.
type work func(ctx context.Context, o *Options, run *Runner)

// take gives the next piece of work, nil when there is no more. It waits while files are being loaded whose tests nobody knows yet.
func (s *schedule) take() work {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.off {
		loading := false
		for _, f := range s.files {
			switch {
			case !f.begun:
				f.begun = true
				return func(_ context.Context, o *Options, _ *Runner) { s.load(o, f) }
			case !isClosed(f.ready):
				loading = true
			case f.next < len(f.tests):
				t := f.tests[f.next]
				f.next++
				return func(ctx context.Context, _ *Options, run *Runner) { t.run(ctx, run, f.suite) }
			}
		}
		if !loading {
			return nil
		}
		s.changed.Wait()
	}
	return nil
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// load compiles a file of tests.
func (s *schedule) load(o *Options, f *file) {
	env := o.App.Environment()
	if o.Cover {
		f.cover = counting()
		env.Cover = f.cover
	}
	opts := cliproject.PatternOptions(o.App)
	opts.Apart = nil // tests reach no agent, and what they fake is in this process
	f.suite, f.err = patterntest.Load(f.path, env, opts)
	if f.err == nil {
		for _, t := range f.suite.Tests {
			if o.only.MatchString(t.Name) {
				f.tests = append(f.tests, &test{name: t.Name, ready: make(chan struct{})})
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(f.ready)
	s.changed.Broadcast()
}

func (t *test) run(ctx context.Context, run *Runner, s *patterntest.Suite) {
	defer close(t.ready)
	t.out = run.One(ctx, s, t.name)
}

// follow tells of the tests of a file as they end.
func (r *report) follow(ctx context.Context, f *file) error {
	<-f.ready
	if f.err != nil {
		return r.broken(f, cliproject.ShortPath(r.app, f.err))
	}
	if err := r.file(f.name); err != nil {
		return err
	}
	for _, t := range f.tests {
		<-t.ready
		if ctx.Err() != nil {
			return runtime.ErrCancelled()
		}
		if err := r.test(f, t.out); err != nil {
			return err
		}
	}
	return nil
}
