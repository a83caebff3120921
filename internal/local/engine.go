// Package local runs patterns in this process: branches are goroutines, nothing is written unless there is a Keeper.
//
// An Engine is configuration and may run any number of patterns at once. What holds for all engines is in package engine.
package local

import (
	"context"
	"time"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/runtime"
)

// Agents answers agent calls.
type Agents interface {
	// Call makes one attempt. It bounds the agent's work by c.Timeout, queueing excluded, and returns soon after ctx ends,
	// whatever the agent does. What the agent did wrong is a *runtime.Error; any other error is the host's.
	Call(ctx context.Context, c runtime.Call) (runtime.Answer, error)

	// Info gives what is known of the agent of that name.
	Info(name string) (runtime.AgentInfo, bool)

	// Lookup gives the agents that declare a capability, sorted by name; "" means all agents.
	Lookup(capability string) []runtime.AgentInfo
}

// People decides what a pattern asks people.
type People interface {
	// Decide gives the JSON object {choice, by, comment}.
	Decide(ctx context.Context, a runtime.Approval) (runtime.Payload, error)
}

// Engine runs patterns.
type Engine struct {
	Agents    Agents
	People    People                                             // nil means nobody: an approval is a *NeedsPerson
	Signals   *Signals                                           // nil means none will come
	Decisions *Decisions                                         // of people elsewhere, beside People; nil means none will come
	Budget    runtime.BudgetLimits                               // of each run, beside the pattern's own; the smaller bound holds
	Now       func() time.Time                                   // nil means time.Now
	Watch     bool                                               // emit what agents say before they answer
	Open      func(from, label string) (*runtime.Program, error) // finds the patterns that run() names; nil means there are none

	Cache    engine.Cache                                            // of answers, for calls that consent to an earlier one; nil keeps none
	Anew     bool                                                    // ask all the same, and keep the new answer
	Identity func(ctx context.Context, agent string) (string, error) // says which agent it is that answers to a name, its version and configuration included; nil means that the name does

	Keep   engine.Keeper                                 // nil keeps nothing
	Ready  func(ctx context.Context, agent string) error // makes Info know what the agent itself declares, before it is asked; nil where it does
	Retell bool                                          // tell also of child runs that had ended before the run was resumed
	Replay bool                                          // tell what Keep has and do nothing new: where the record ends the run ends, with a *Beyond

	asking engine.Asking // for calls that consent to an earlier answer

	// Emit receives every event of a run in Seq order and is never called concurrently for one run. It must return
	// quickly: the branch that caused the event waits for it. Nil means nobody listens.
	Emit func(runtime.Event)
}

// Run runs the pattern to its end and returns when no branch of it is left. Errors are those of runtime.Program.Run; when
// ctx ends, a *runtime.Error of code Cancelled, or ctx's cause where that is a *runtime.Error.
func (e *Engine) Run(ctx context.Context, r engine.Run) (runtime.Payload, error) {
	rules := &engine.Engine{
		Agents: e.Agents, Budget: e.Budget, Now: e.Now, Watch: e.Watch, Open: e.Open,
		Cache: e.Cache, Anew: e.Anew, Identity: e.Identity, Asking: &e.asking,
		Keep: e.Keep, Retell: e.Retell, Replay: e.Replay, Emit: e.Emit,
	}
	if rules.Now == nil {
		rules.Now = time.Now
	}
	return rules.Run(ctx, &place{Engine: e}, r)
}
