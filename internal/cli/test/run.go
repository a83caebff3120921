package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
)

// Outcome is how a test ended.
type Outcome struct {
	Name string
	Pos  string // of the failure: file:line:col, or ""
	Err  error  // nil when it passed
	Took time.Duration
}

// One runs one test of a suite, as a run of its own. What it needs of the world is in memory.
func One(ctx context.Context, s *patterntest.Suite, name string, timeout time.Duration) Outcome {
	start := time.Now()
	out := Outcome{Name: name, Err: run(ctx, s, name, timeout)}
	out.Took = time.Since(start)
	if e, ok := errors.AsType[*runtime.Error](out.Err); ok {
		out.Pos, _ = e.Told()
	}
	return out
}

func run(ctx context.Context, s *patterntest.Suite, name string, timeout time.Duration) error {
	w, prog, err := s.NewWorld(name)
	if err != nil {
		return err
	}
	if timeout > 0 {
		late := runtime.Errorf(runtime.Limit, "the test took longer than %s", timeout)
		late.Hint = "give it more with --timeout"
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, late)
		defer cancel()
	}
	eng := &local.Engine{Agents: w, People: w, Open: s.Loaded.Open, Emit: w.Event}
	_, err = eng.Run(ctx, local.Run{ID: "test", Program: prog})
	return err
}

// Failure tells why a test failed: the message at its line of source, the next step, and the way there where it has several
// stations.
func (o Outcome) Failure(s *patterntest.Suite) string {
	e, ok := errors.AsType[*runtime.Error](o.Err)
	if !ok {
		return o.Err.Error()
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
