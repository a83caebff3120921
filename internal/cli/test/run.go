package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
)

// Outcome is how a test ended.
type Outcome struct {
	Name     string
	Pos      string // of the failure: file:line:col, or ""
	Err      error  // nil when it passed
	Took     time.Duration
	Warnings []string

	reads []string // paths of the files beside the test that it looked for
}

// Runner runs tests. The zero Runner is ready, and any number of tests may run at the same time.
type Runner struct {
	Timeout time.Duration                       // of one test; zero means none
	Record  func(file string) (*Real, error)    // gives what a test at a path asks instead of its cassettes; nil plays them
	Update  bool                                // write golden files
	limits  func(runtime.Limits) runtime.Limits // nil leaves them
	tapes   patterntest.Cassettes
}

// One runs one test of a suite, as a run of its own. What it needs of the world is in memory, or beside the test.
func One(ctx context.Context, s *patterntest.Suite, name string, timeout time.Duration) Outcome {
	return (&Runner{Timeout: timeout}).One(ctx, s, name)
}

// One runs one test of a suite.
func (r *Runner) One(ctx context.Context, s *patterntest.Suite, name string) Outcome {
	start := time.Now()
	out := Outcome{Name: name}
	w, prog, err := s.NewWorld(name)
	if err == nil {
		out.Warnings, err = r.run(ctx, s, w, prog)
		out.reads = w.Reads()
	}
	out.Err, out.Took = err, time.Since(start)
	if e, ok := errors.AsType[*runtime.Error](out.Err); ok {
		out.Pos, _ = e.Told()
	}
	return out
}

func (r *Runner) run(ctx context.Context, s *patterntest.Suite, w *patterntest.World, prog *runtime.Program) ([]string, error) {
	w.Cassettes, w.Update = &r.tapes, r.Update
	if r.Record != nil {
		asked, err := r.Record(s.Path())
		if err != nil {
			return nil, err
		}
		w.Real, w.Secrets = asked.Agents, asked.Secrets
	}
	if r.Timeout > 0 {
		late := runtime.Errorf(runtime.Limit, "the test took longer than %s", r.Timeout)
		late.Hint = "give it more with --timeout"
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, late)
		defer cancel()
	}
	var signals local.Signals
	signals.Close()
	w.Send = signals.Send
	eng := &local.Engine{Agents: w, People: w, Signals: &signals, Open: s.Loaded.Open, Emit: w.Event, Cache: &local.Memory{}}
	test := engine.Run{ID: "test", Program: prog}
	if r.limits != nil {
		test.Config.Limits = r.limits(test.Config.Limits)
	}
	_, err := eng.Run(ctx, test)
	if _, ok := errors.AsType[*engine.NeedsPerson](err); ok {
		err = w.Unsent(err)
	}
	return w.Finish(err)
}

// Failure tells why a test failed: the message at its line of source, the next step, and the way there where it has several
// stations.
func (o Outcome) Failure(s *patterntest.Suite) string {
	e, ok := errors.AsType[*runtime.Error](o.Err)
	if !ok {
		var b strings.Builder
		for _, f := range cli.Explain(s.Loaded.Root, o.Err) {
			b.WriteString(strings.TrimPrefix(f.String(), "parallax: "))
		}
		return b.String()
	}
	f := pattern.Finding{Message: o.message(), Hint: e.Hint}
	f.File, f.Line, f.Col = pattern.SplitPos(o.Pos)
	text := pattern.Excerpt(f, s.Loaded.Source(f.File))
	if stations(e.Trace) > 1 {
		text += "\n" + strings.TrimRight(e.Backtrace(), "\n")
	}
	return text
}

// message is what went wrong, with the code of an error where that says more.
func (o Outcome) message() string {
	e, ok := errors.AsType[*runtime.Error](o.Err)
	if !ok {
		return o.Err.Error()
	}
	_, message := e.Told()
	if e.Code == runtime.Script || e.Code == runtime.Failed {
		return message
	}
	return fmt.Sprintf("%s (%s)", message, e.Code)
}

func stations(trace []runtime.Frame) int {
	n := 0
	for _, f := range trace {
		if f.Pos != "" {
			n++
		}
	}
	return n
}
