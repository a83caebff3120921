package child

import (
	"errors"
	"fmt"
	"slices"

	"github.com/parallax-run/parallax/runtime"
)

// What the parent says.
const (
	doCompile byte = iota + 1 // a program: its id, its files
	doRun                     // a run of it: the run's main branch, inputs, limits, seed, time
	doStart                   // a branch of a fork: group, index, branch, time
	doStop                    // a branch: why
	answer                    // to an effect: branch, outcome, time
	outcome                   // of a fork: branch, group, what came
	askLabels                 // of a fork: branch, group, which ones
	askFits                   // of the call that is under way: branch, value
)

// What the child says.
const (
	compiled byte = iota + 1 // program, what it is or what is wrong with it
	ended                    // a branch: how
	effect                   // branch, the effect; the branch waits
	fork                     // branch, group, the fork
	next                     // branch, group; the branch waits
	cancel                   // branch, group, why
	counted                  // branch, builtin, result
	labels                   // branch, group, the labels
	fits                     // branch, whether the value does
	alive                    // branch: it works
	beat                     // is never sent: the parent looks after a branch that computes
)

// How something ended.
const (
	well    byte = iota
	failed       // with a *runtime.Error
	trouble      // of the host
	unfit        // with a *runtime.InputError, or a *runtime.SourceError of a compilation
	own          // of a branch: with the error that it said
	drained      // of a fork: nothing is left
)

// far is an error of the other side that has no shape of ours. It comes back as what it was.
type far struct {
	id   uint64 // of the parent's list, 0 being the child's own
	text string
}

func (e *far) Error() string { return e.text }

// Causes of a *runtime.Error that somebody asks for.
const (
	noCause byte = iota
	deadline
	cancelledBy // what was given to Cancel
)

func (w *writer) script(e *runtime.Error) {
	w.clipped(string(e.Code), maxName)
	w.clipped(e.Message, maxText)
	w.clipped(e.Hint, maxName)
	w.clipped(e.Agent, maxName)
	w.int(e.Attempts)
	w.flag(e.Retryable)
	w.payload(e.Details)
	w.trace(e.Trace)
	switch {
	case e.Cause == nil:
		w.b = append(w.b, noCause)
	case errors.Is(e.Cause, runtime.ErrDeadline):
		w.b = append(w.b, deadline)
	default:
		w.b = append(w.b, cancelledBy)
	}
}

// maxFrames is how many frames of a trace are told.
const maxFrames = 10_000

func (w *writer) trace(frames []runtime.Frame) {
	frames = frames[:min(len(frames), maxFrames)]
	w.uint(uint64(len(frames)))
	for _, f := range frames {
		w.clipped(f.Func, maxName)
		w.clipped(f.Pos, maxName)
		w.clipped(string(f.Branch), maxName)
	}
}

func (r *reader) trace() []runtime.Frame {
	n := r.count(maxFrames)
	if n == 0 {
		return nil
	}
	frames := make([]runtime.Frame, n)
	for i := range frames {
		frames[i] = runtime.Frame{Func: r.text(maxName), Pos: r.text(maxName), Branch: runtime.Path(r.text(maxName))}
	}
	return frames
}

// script reads an error and what its cause was.
func (r *reader) script() (*runtime.Error, byte) {
	e := &runtime.Error{
		Code: runtime.Code(r.text(maxName)), Message: r.text(maxText), Hint: r.text(maxName), Agent: r.text(maxName),
		Attempts: r.int(1 << 30), Retryable: r.flag(), Details: r.payload(), Trace: r.trace(),
	}
	cause := r.byte()
	if cause == deadline {
		e.Cause = runtime.ErrDeadline
	}
	if !known(e.Code) {
		r.bad()
	}
	return e, cause
}

func known(c runtime.Code) bool {
	switch c {
	case runtime.Timeout, runtime.Unavailable, runtime.Refused, runtime.Schema, runtime.NotFound, runtime.Failed, runtime.BudgetSpent,
		runtime.UnknownOutcome, runtime.Conflict, runtime.Script, runtime.Limit, runtime.Cancelled:
		return true
	}
	return false
}

// payloads are looked at when they come from the child: what is kept and shown of a run is JSON in one form only.
func canonical(r *reader) runtime.Payload {
	raw := r.payload()
	if len(raw) == 0 || r.err != nil {
		return raw
	}
	if len(raw) > runtime.MaxValueBytes {
		r.bad()
		return nil
	}
	p, err := runtime.Canonical(raw)
	if err != nil {
		r.bad()
	}
	return p
}

// Kinds of effects.
const (
	agentCall byte = iota + 1
	agentLookup
	sleep
	waitSignal
	approval
	childRun
	budget
	emit
)

func writeEffect(w *writer, e runtime.Effect) error {
	switch e := e.(type) {
	case runtime.AgentCall:
		w.b = append(w.b, agentCall)
		w.agentCall(&e)
	case runtime.AgentLookup:
		w.b = append(w.b, agentLookup)
		w.text(e.Capability)
		w.int(e.Count)
		w.int(e.Min)
	case runtime.Sleep:
		w.b = append(w.b, sleep)
		w.duration(e.For)
	case runtime.WaitSignal:
		w.b = append(w.b, waitSignal)
		w.text(e.Name)
		w.duration(e.Timeout)
	case runtime.Approval:
		w.b = append(w.b, approval)
		w.text(e.Title)
		w.texts(e.Options)
		w.payload(e.Context)
		w.text(e.By)
		w.duration(e.Timeout)
	case runtime.ChildRun:
		w.b = append(w.b, childRun)
		w.text(e.Pattern)
		w.text(e.From)
		w.payload(e.Inputs)
	case runtime.Budget:
		w.b = append(w.b, budget)
		w.text(string(e.Of))
	case runtime.Emit:
		w.b = append(w.b, emit)
		w.text(string(e.Kind))
		w.text(e.Name)
		w.payload(e.Data)
	default:
		return fmt.Errorf("the effect %T cannot be sent", e)
	}
	return nil
}

func (w *writer) agentCall(e *runtime.AgentCall) {
	w.text(e.Agent)
	w.text(e.Task)
	w.payload(e.Input)
	w.payload(e.Messages)
	w.payload(e.Returns)
	w.text(e.Feedback)
	w.duration(e.Timeout)
	w.int(e.Retry.Attempts)
	w.duration(e.Retry.Backoff)
	w.float(e.Retry.Factor)
	w.duration(e.Retry.Max)
	w.uint(uint64(len(e.Retry.On)))
	for _, c := range e.Retry.On {
		w.text(string(c))
	}
	w.flag(e.Reuse != nil)
	if e.Reuse != nil {
		w.duration(e.Reuse.MaxAge)
		w.flag(e.Reuse.Fits != nil)
	}
	w.text(e.Pos)
}

func (w *writer) texts(list []string) {
	w.uint(uint64(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

func (r *reader) texts(most, each int) []string {
	n := r.count(most)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text(each)
	}
	return list
}

// maxList bounds what is listed in one message.
const maxList = 100_000

// effect reads what the child asks for. fits stands for the function that says whether a value has the asked shape.
func readEffect(r *reader, fits func(runtime.Payload) bool) runtime.Effect {
	switch r.byte() {
	case agentCall:
		return r.agentCall(fits)
	case agentLookup:
		return runtime.AgentLookup{Capability: r.text(maxFrame), Count: r.int(1<<31 - 1), Min: r.int(1<<31 - 1)}
	case sleep:
		return runtime.Sleep{For: r.duration()}
	case waitSignal:
		return runtime.WaitSignal{Name: r.text(maxFrame), Timeout: r.duration()}
	case approval:
		return runtime.Approval{Title: r.text(maxFrame), Options: r.texts(maxList, maxFrame), Context: canonical(r), By: r.text(maxFrame), Timeout: r.duration()}
	case childRun:
		return runtime.ChildRun{Pattern: r.text(maxFrame), From: r.text(maxFrame), Inputs: canonical(r)}
	case budget:
		of := runtime.BudgetUnit(r.text(maxName))
		if !slices.Contains([]runtime.BudgetUnit{runtime.BudgetTokens, runtime.BudgetCost, runtime.BudgetCalls, runtime.BudgetTime}, of) {
			r.bad()
		}
		return runtime.Budget{Of: of}
	case emit:
		kind := runtime.EventKind(r.text(maxName))
		if !slices.Contains([]runtime.EventKind{runtime.PhaseStarted, runtime.Logged, runtime.Emitted, runtime.GateChecked}, kind) {
			r.bad()
		}
		return runtime.Emit{Kind: kind, Name: r.text(maxFrame), Data: canonical(r)}
	}
	r.bad()
	return nil
}

func (r *reader) agentCall(fits func(runtime.Payload) bool) runtime.Effect {
	e := runtime.AgentCall{
		Agent: r.text(maxFrame), Task: r.text(maxFrame), Input: canonical(r), Messages: canonical(r), Returns: canonical(r),
		Feedback: r.text(maxFrame), Timeout: r.duration(),
	}
	e.Retry = runtime.RetryPolicy{Attempts: r.int(1_000), Backoff: r.duration(), Factor: r.float(), Max: r.duration()}
	for range r.count(100) {
		e.Retry.On = append(e.Retry.On, runtime.Code(r.text(maxName)))
	}
	if r.flag() {
		e.Reuse = &runtime.Reuse{MaxAge: r.duration()}
		if r.flag() {
			e.Reuse.Fits = fits
		}
	}
	e.Pos = r.text(maxName)
	return e
}

func (w *writer) limits(l runtime.Limits) {
	for _, v := range []uint64{
		l.Steps, l.StepsInARow, l.Bytes, uint64(l.Depth), uint64(l.LiveBranches), l.Effects, l.OutputBytes, uint64(l.ChildrenDepth),
	} {
		w.uint(v)
	}
}

func (r *reader) limits() runtime.Limits {
	return runtime.Limits{
		Steps: r.uint(), StepsInARow: r.uint(), Bytes: r.uint(), Depth: int(r.uint()), LiveBranches: int(r.uint()),
		Effects: r.uint(), OutputBytes: r.uint(), ChildrenDepth: int(r.uint()),
	}
}
