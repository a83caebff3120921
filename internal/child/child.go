// Package child interprets patterns that come from elsewhere in a process of their own, which can do nothing but compute and talk to its parent over
// a pipe. Effects stay with the parent: its engine cannot tell such a pattern from one that it interprets itself.
//
// The parent's side is an Interpreter, which makes programs of load graphs; the child's is Serve. Everything that the child says may be a lie: the
// parent checks each message, counts what it is asked for against the run's limits, and ends the child at the first thing that an honest one cannot
// say. The child never sees a result of an engine's but as values: branches, votes and locals stay with it, only effects, their outcomes
// and the run's own result cross the pipe.
package child

import (
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// Process is a child, as its parent holds it.
type Process struct {
	In  io.WriteCloser // what it reads
	Out io.Reader      // what it says

	// Kill ends it at once. It may be called at any time, and more than once.
	Kill func()
	// Wait waits until it has ended and says why: a *runtime.Error of code Limit where the same pattern would end so again, else the
	// host's trouble. It is called once.
	Wait func() error
	// Worked is how much time of processors it has used. Nil means that nobody knows.
	Worked func() time.Duration
	// Patience is how much of that it may use without a word; zero means 10 seconds.
	Patience time.Duration
}

// errBroken is the end of a child that said what no honest one says.
var errBroken = errors.New("the process that interprets the pattern said what it cannot say, and was ended")

// moduleOf is a file as it is sent: where its loads lead is resolved.
func (w *writer) module(f *runtime.File, find func(from, label string) string) {
	w.text(f.Name)
	w.text(string(f.Text))
	w.uint(uint64(len(f.Loads)))
	for _, l := range f.Loads {
		w.text(l.Label)
		w.text(find(f.Name, l.Label))
	}
	w.uint(uint64(len(f.Agents)))
	for _, role := range slices.Sorted(maps.Keys(f.Agents)) {
		w.text(role)
		w.text(f.Agents[role])
	}
}

// described writes what the parent has to know of a program.
func (w *writer) described(a *runtime.Away) {
	w.clipped(a.Meta.Description, maxText)
	w.texts(a.Meta.Agents)
	w.int(int(a.Meta.Budget.Tokens))
	w.int(int(a.Meta.Budget.CostMicroUSD))
	w.int(int(a.Meta.Budget.Calls))
	w.float(a.Meta.Budget.Seconds)
	w.uint(uint64(len(a.Asks)))
	for _, m := range a.Asks {
		w.clipped(m.Name, maxName)
		w.position(m.Pos)
	}
	w.uint(uint64(len(a.Params)))
	for _, p := range a.Params {
		w.text(p.Name)
		w.flag(p.Required)
		if p.Required {
			continue
		}
		f, isFile := p.Default.(builtins.FileInput)
		w.flag(isFile)
		if isFile {
			w.text(f.Path)
			continue
		}
		w.clipped(p.Default.Type(), maxName)
		w.clipped(p.Default.String(), maxName)
	}
	w.flag(a.More)
	w.clipped(a.Doc, maxText)
}

func (r *reader) described() *runtime.Away {
	a := new(runtime.Away)
	a.Meta.Description = r.text(maxText)
	a.Meta.Agents = r.texts(maxList, maxName)
	const most = 1<<63 - 1
	a.Meta.Budget = runtime.BudgetLimits{Tokens: int64(r.int(most)), CostMicroUSD: int64(r.int(most)), Calls: int64(r.int(most)), Seconds: r.float()}
	for range r.count(maxList) {
		a.Asks = append(a.Asks, runtime.Mention{Name: r.text(maxName), Pos: r.position()})
	}
	for range r.count(maxList) {
		p := runtime.Param{Name: r.text(maxName), Required: r.flag()}
		switch {
		case p.Required:
		case r.flag():
			p.Default = builtins.FileInput{Path: r.text(maxName)}
		default:
			p.Default = runtime.Described{Kind: r.text(maxName), Text: r.text(maxName)}
		}
		a.Params = append(a.Params, p)
	}
	a.More = r.flag()
	a.Doc = r.text(maxText)
	return a
}

func (w *writer) position(p syntax.Position) {
	w.clipped(p.Filename(), maxName)
	w.int(int(p.Line))
	w.int(int(p.Col))
}

func (r *reader) position() syntax.Position {
	name := r.text(maxName)
	return syntax.MakePosition(&name, int32(r.int(1<<31-1)), int32(r.int(1<<31-1)))
}

func (w *writer) findings(list []runtime.Finding) {
	w.uint(uint64(len(list)))
	for _, f := range list {
		w.clipped(f.Code, maxName)
		w.position(f.Pos)
		w.clipped(f.Message, maxText)
		w.clipped(f.Hint, maxName)
	}
}

func (r *reader) findings() *runtime.SourceError {
	e := new(runtime.SourceError)
	for range r.count(maxList) {
		e.Findings = append(e.Findings, runtime.Finding{Code: r.text(maxName), Pos: r.position(), Message: r.text(maxText), Hint: r.text(maxName)})
	}
	return e
}
