// Package trace tells a run as OpenTelemetry spans: one for the run and each child run, for each fork and branch, and for each effect that takes
// time. They are made of the run's events, and go to whoever the standard variables of the environment name.
//
// A run that is kept may die and go on elsewhere, and its tree must come out whole, with each span once. Three rules see to that. Ids are made of
// the run's id and of addresses. The span of an effect leaves when its branch does the next thing, because its outcome is on record by then: it is
// not told again as new. The span of what holds others, of a sleep and of what was cancelled leaves when the run is over, because a resumed run
// tells of it again.
package trace

import (
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/parallax-run/parallax/runtime"
)

// Options of a Tracer.
type Options struct {
	Kept    bool                                        // the run is on record, and may be resumed
	Content bool                                        // task, inputs, answers and whatever the script says in words are told too
	Limit   int                                         // bytes of one text of Content; zero means DefaultLimit
	Model   func(agent string) (provider, model string) // what is configured, "" where nothing is; nil knows nothing
	Caller  string                                      // traceparent of whoever started the run, to which it is linked; or ""
}

// DefaultLimit is how much of a text is told, in bytes.
const DefaultLimit = 64 << 10

// Sink takes spans that are complete. Those of one call belong together: it takes all or none. It must not wait.
type Sink interface{ Put(spans ...*tracepb.Span) }

// Tracer makes spans of the events of one run and its child runs.
type Tracer struct {
	sink    Sink
	opts    Options
	runs    map[string]*run
	asked   map[string]*node // by the id of a child run that is about to start: the branch that started it
	resumed bool
	final   []*tracepb.Span
}

// New makes a tracer.
func New(sink Sink, o Options) *Tracer {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	return &Tracer{sink: sink, opts: o, runs: make(map[string]*run), asked: make(map[string]*node)}
}

// Over exports what waited for the end of a kept run. It is called when that end is on record; a run that is suspended has nothing to export.
func (t *Tracer) Over() {
	t.export(t.final...)
	t.final = nil
}

// Event takes the next event of the run. It is not called concurrently.
func (t *Tracer) Event(e runtime.Event) {
	if e.Kind == runtime.RunStarted {
		t.runStarted(&e)
		return
	}
	r := t.runs[e.Run]
	if r == nil {
		return
	}
	switch e.Kind {
	case runtime.ForkStarted:
		t.forkStarted(r, &e)
	case runtime.ForkEnded:
		t.forkEnded(r, &e)
	case runtime.BranchStarted:
		t.branchStarted(r, &e)
	case runtime.BranchCancelled:
		t.branchCancelled(r, &e)
	default:
		if n := r.branch(e.Branch); n != nil {
			t.within(r, n, &e)
		}
	}
}

// within tells of what happens in a branch.
func (t *Tracer) within(r *run, n *node, e *runtime.Event) {
	switch e.Kind {
	case runtime.RunDone, runtime.RunFailed, runtime.RunSuspended:
		t.runEnded(r, e)
	case runtime.BranchDone, runtime.BranchFailed:
		t.branchEnded(r, n, e)
	case runtime.PhaseStarted, runtime.Logged, runtime.Emitted, runtime.GateChecked:
		t.touch(n, e)
		if !e.Past {
			t.goOn(n, e.At)
		}
		t.note(n.span, e)
	case runtime.BudgetWarned:
		t.note(r.main.span, e)
	default:
		t.touch(n, e)
		if e.Past {
			t.retold(r, n, e)
		} else {
			t.effect(r, n, e)
		}
	}
}

// runStarted opens a run. A child run is below the branch that started it.
func (t *Tracer) runStarted(e *runtime.Event) {
	r := &run{id: e.Run, branches: make(map[runtime.Path]*node), forks: make(map[runtime.Address]*node)}
	up := t.asked[e.Run]
	if up == nil && !e.Then.IsZero() {
		t.resumed = true
	}
	r.main = t.open(up, &tracepb.Span{TraceId: traceOf(e.Run), SpanId: runSpan(e.Run), Name: invokeWorkflow + " " + e.Name}, e)
	s := r.main.span
	s.Attributes = attrs(text(opName, invokeWorkflow), text(workflowName, e.Name), text(agentName, e.Name), text(runID, e.Run))
	if t.opts.Content {
		add(s, text(inputMessages, t.message("user", e.Value)))
	}
	if trace, span, ok := parsed(t.opts.Caller); ok && up == nil {
		s.Links = []*tracepb.Span_Link{{TraceId: trace, SpanId: span}}
	}
	t.touch(r.main, e)
	t.runs[e.Run] = r
}

func (t *Tracer) runEnded(r *run, e *runtime.Event) {
	if e.Kind == runtime.RunSuspended && t.opts.Kept {
		delete(t.runs, e.Run)
		return
	}
	n := r.main
	if e.Past {
		t.touch(n, e)
	}
	failure := e.Error
	switch {
	case e.Kind == runtime.RunSuspended:
		t.goOn(n, e.At)
		t.failed(n.span, suspended, e.Text)
	case failure != nil && failure.Code == runtime.Cancelled:
		t.cut(n, when(e))
		add(n.span, text(outcome, outcomeCancelled))
	case failure != nil:
		t.goOn(n, e.At)
		t.failed(n.span, string(failure.Code), failure.Message)
	default:
		t.goOn(n, e.At)
		if t.opts.Content {
			add(n.span, text(outputMessages, t.message("assistant", e.Value)))
		}
	}
	t.end(n, e.At)
	delete(t.runs, e.Run)
	switch {
	case n.up != nil:
		n.leave(t)
	case t.opts.Kept:
		t.final = append(n.kept, n.span)
	default:
		t.export(n.span)
	}
}

func (t *Tracer) forkStarted(r *run, e *runtime.Event) {
	up := r.branch(e.Branch)
	if up == nil {
		return
	}
	if e.Then.IsZero() {
		t.goOn(up, e.At)
	}
	n := t.open(up, &tracepb.Span{TraceId: r.main.span.GetTraceId(), SpanId: effectSpan(r.id, e.Addr), Name: forkSpan + " " + e.Name}, e)
	n.span.Attributes = attrs(text(forkName, e.Name), count(forkWidth, int64(e.N)), text(address, e.Addr.String()))
	t.touch(n, e)
	r.forks[e.Addr] = n
}

func (t *Tracer) forkEnded(r *run, e *runtime.Event) {
	n := r.forks[e.Addr]
	if n == nil {
		return
	}
	delete(r.forks, e.Addr)
	t.end(n, e.At)
	n.leave(t)
}

func (t *Tracer) branchStarted(r *run, e *runtime.Event) {
	fork := r.forks[e.Addr]
	if fork == nil {
		return
	}
	n := t.open(fork, &tracepb.Span{TraceId: fork.span.GetTraceId(), SpanId: branchSpanID(r.id, e.Branch), Name: branchSpan}, e)
	n.guess = t.resumed
	n.span.Attributes = attrs(text(branchPath, string(e.Branch)))
	if t.opts.Content && e.Text != "" {
		add(n.span, text(branchLabel, t.clip(e.Text)))
	}
	if e.Past {
		t.touch(n, e)
	}
	r.branches[e.Branch] = n
}

func (t *Tracer) branchEnded(r *run, n *node, e *runtime.Event) {
	delete(r.branches, e.Branch)
	if e.Kind == runtime.BranchFailed && e.Error == nil && t.opts.Kept {
		return // the host's trouble: the run is being suspended
	}
	if e.Past {
		t.touch(n, e)
	}
	t.goOn(n, e.At)
	if e.Kind == runtime.BranchFailed {
		code, message := suspended, e.Text
		if e.Error != nil {
			code, message = string(e.Error.Code), e.Error.Message
		}
		t.failed(n.span, code, message)
	}
	t.end(n, e.At)
	n.leave(t)
}

// branchCancelled ends a branch that was stopped, unless it had ended before and the script did not look at it.
func (t *Tracer) branchCancelled(r *run, e *runtime.Event) {
	n := r.branches[e.Branch]
	if n == nil {
		return
	}
	delete(r.branches, e.Branch)
	t.touch(n, e)
	t.cut(n, when(e))
	add(n.span, text(outcome, outcomeCancelled))
	t.end(n, when(e))
	n.leave(t)
}

func (t *Tracer) export(spans ...*tracepb.Span) {
	if len(spans) > 0 {
		t.sink.Put(spans...)
	}
}

// hold keeps a span that a resumed run would tell of again.
func (t *Tracer) hold(n *node, spans ...*tracepb.Span) {
	if t.opts.Kept {
		n.kept = append(n.kept, spans...)
	} else {
		t.export(spans...)
	}
}

// goOn is called when a branch does the next thing: what it did before is on record.
func (t *Tracer) goOn(n *node, at time.Time) {
	x := n.effect
	n.effect = nil
	if x == nil {
		return
	}
	switch x.fate {
	case asleep:
		x.span.EndTimeUnixNano = min(nanos(at), x.span.GetEndTimeUnixNano())
		t.hold(n, x.span)
	case waiting:
		x.span.EndTimeUnixNano = nanos(at)
		t.failed(x.span, string(runtime.Timeout), "")
		t.export(x.span)
	case ended:
		t.export(x.all()...)
	case stopped:
		t.hold(n, x.all()...)
	}
}

// cut is called when a branch is stopped.
func (t *Tracer) cut(n *node, at time.Time) {
	x := n.effect
	n.effect = nil
	if x == nil {
		return
	}
	switch x.fate {
	case ended:
		t.export(x.all()...)
	case waiting, asleep:
		if x.fate == waiting || nanos(at) < x.span.GetEndTimeUnixNano() {
			x.span.EndTimeUnixNano = nanos(at)
		}
		add(x.span, text(outcome, outcomeCancelled))
		t.hold(n, x.span)
	case stopped:
		t.hold(n, x.all()...)
	}
}
