// Package engine is what all engines share: how effects are done and recorded, how forks settle, when calls are repeated, what a budget
// allows, and how a run that was recorded goes on. It never starts a goroutine and reads no clock: where branches run and what is outside
// of the run is the Place that an engine proper gives to each branch.
package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Directory knows the agents of a run.
type Directory interface {
	// Info gives what is known of the agent of that name.
	Info(name string) (runtime.AgentInfo, bool)

	// Lookup gives the agents that declare a capability, sorted by name; "" means all agents.
	Lookup(capability string) []runtime.AgentInfo
}

// Suspension is the cause with which a context ends a run that is to go on later: nothing of what it did is lost, and what was under way is
// done again.
type Suspension struct{ Why string }

func (e *Suspension) Error() string { return e.Why }

// NeedsPerson says that a run waits for something that can never come: nobody is there to decide or to signal.
type NeedsPerson struct {
	What   string
	Signal string // that it waits for, or ""
	Agent  string // that has a question, or ""; when there is neither it is a decision
}

func (e *NeedsPerson) Error() string { return e.What }

// Engine is what the rules need to know besides the places.
type Engine struct {
	Agents Directory
	Budget runtime.BudgetLimits                               // of each run, beside the pattern's own; the smaller bound holds
	Now    func() time.Time                                   // the clock
	Watch  bool                                               // emit what agents say before they answer
	Open   func(from, label string) (*runtime.Program, error) // finds the patterns that run() names; nil means there are none
	Width  int                                                // most branches of a fork at a time, whatever it asks for; zero means no bound

	Cache    Cache                                                   // of answers, for calls that consent to an earlier one; nil keeps none
	Anew     bool                                                    // ask all the same, and keep the new answer
	Identity func(ctx context.Context, agent string) (string, error) // says which agent it is that answers to a name, its version and configuration included; nil means that the name does
	Asking   *Asking                                                 // where there is a Cache: the calls under way of which others may take the answer

	Keep   Keeper // nil keeps nothing
	Retell bool   // tell also of child runs that had ended before the run was resumed
	Replay bool   // tell what Keep has and do nothing new: where the record ends the run ends, with a *Beyond

	// Emit receives every event of a run in Seq order and is never called concurrently for one run. It must return
	// quickly: the branch that caused the event waits for it. Nil means nobody listens.
	Emit func(runtime.Event)
}

// DefaultTimeout is how long an attempt may take when neither the script nor the configuration says.
const DefaultTimeout = time.Minute

// Run is one execution of a pattern.
type Run struct {
	ID      string
	Program *runtime.Program
	Inputs  runtime.Payload // a JSON object
	Config  runtime.Config
}

// Run runs the pattern in a place to its end and returns when no branch of it is left. Errors are those of runtime.Program.Run; when
// ctx ends, a *runtime.Error of code Cancelled, or ctx's cause where that is a *runtime.Error.
func (e *Engine) Run(ctx context.Context, place Place, r Run) (runtime.Payload, error) {
	x := &execution{Engine: e, journal: &journal{emit: e.Emit}}
	x.ledger = newLedger(tighter(e.Budget, r.Program.Meta.Budget), x.Now().UTC())
	return x.run(ctx, place, r, 0)
}

// execution is what a run and its child runs share.
type execution struct {
	*Engine
	journal *journal
	ledger  *ledger
}

func (x *execution) run(ctx context.Context, place Place, r Run, depth int) (runtime.Payload, error) {
	within, abandon := context.WithCancelCause(ctx)
	defer abandon(nil)
	main := &branch{x: x, run: &r, ctx: within, abandon: abandon, place: place, now: x.Now().UTC(), depth: depth}
	if err := main.recall(); err != nil {
		return nil, err
	}
	main.emit(runtime.Event{Kind: runtime.RunStarted, Name: r.Program.Name, Value: r.Inputs, Then: main.then(runtime.Address{})})
	result, err := r.Program.Run(main, r.Inputs, r.Config)
	main.tellRest()
	if short := main.fell(err); short != nil {
		err = short
	}
	main.tick()
	if err == nil {
		main.emit(runtime.Event{Kind: runtime.RunDone, Value: result})
		return result, nil
	}
	err = causeOf(ctx, err)
	failed, ok := errors.AsType[*runtime.Error](err)
	if ok {
		main.emit(runtime.Event{Kind: runtime.RunFailed, Error: failed})
	} else {
		main.emit(runtime.Event{Kind: runtime.RunSuspended, Text: err.Error()})
	}
	return nil, err
}

// recall reads what is recorded of the run. Its first fact, at address 0, is when it began.
func (b *branch) recall() error {
	if !b.keeps() {
		return nil
	}
	facts, err := b.x.Keep.Load(b.run.ID)
	if err != nil {
		return fmt.Errorf("the record of run %s cannot be read: %w", b.run.ID, err)
	}
	if b.past, err = remember(facts); err != nil {
		return err
	}
	began := b.before(runtime.Address{})
	if began == nil {
		b.x.Keep.Note(b.run.ID, runtime.Fact{
			Kind: runtime.Begun, At: b.now,
			Request: runtime.Request(runtime.ChildRun{Pattern: b.run.Program.Name, Inputs: b.run.Inputs}),
		})
		return nil
	}
	b.now = began.At
	if b.depth > 0 {
		return nil
	}
	b.x.ledger.begin(began)
	if b.x.Replay || b.x.ledger.limits == (runtime.BudgetLimits{}) {
		return nil
	}
	return b.x.rebook(b.run.ID, facts)
}

// causeOf gives the reason why a run was cancelled where whoever cancelled it gave one.
func causeOf(ctx context.Context, err error) error {
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok || e.Code != runtime.Cancelled {
		return err
	}
	if later, ok := errors.AsType[*Suspension](context.Cause(ctx)); ok {
		return later
	}
	why, ok := errors.AsType[*runtime.Error](context.Cause(ctx))
	if !ok {
		return err
	}
	traced := *why
	traced.Trace = e.Trace
	return &traced
}

// journal numbers events and hands them on.
type journal struct {
	mu   sync.Mutex
	seq  uint64
	emit func(runtime.Event)
}

func (j *journal) add(e runtime.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	e.Seq = j.seq
	j.emit(e)
}

func unknownAgent(name string, known []runtime.AgentInfo) *runtime.Error {
	names := make([]string, len(known))
	for i, a := range known {
		names[i] = a.Name
	}
	e := runtime.Errorf(runtime.NotFound, "agent %q: no agent of that name is configured", name)
	e.Agent = name
	if near := runtime.Nearest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	} else {
		e.Hint = fmt.Sprintf("add [agents.%s] to parallax.toml", name)
	}
	return e
}
