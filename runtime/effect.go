package runtime

import (
	"errors"
	"slices"
	"time"
)

// Effects is everything a running pattern can do to the world. Each branch of a run has its own; an engine implements it.
type Effects interface {
	// Do performs one effect, blocks this branch only, and records the outcome at the branch's next address; on replay it
	// returns the recorded outcome. A *Error is for the script; any other error suspends the run.
	Do(e Effect) (Payload, error)

	// Fork starts up to n branches, at most spec.Limit at a time, each running body with Effects of its own.
	// A Group must be drained: no branch outlives its parent.
	Fork(spec ForkSpec, n int, body func(i int, fx Effects) (any, error)) Group

	// Checkpoint is called between slices of steps: it yields and observes cancellation.
	Checkpoint() error

	// Now is the branch's recorded time, in UTC; it needs no effect. It never goes back, and is never before the time
	// of an effect or a joined branch that this branch has seen.
	Now() time.Time
}

// Group is the branches of one fork. It is used by one goroutine.
type Group interface {
	// Next waits for the next outcome: a failure at once, successes in input order (Indexed) or in the order in which they
	// ended (Settled). Failures, and every end in a cancellable group, are durable before Next returns. Every index is
	// returned exactly once; ok is false when the group is drained.
	//
	// The err of a branch that was cancelled is a *Error of code Cancelled, whatever the branch itself came to; its Cause is
	// what was given to Cancel, or ErrDeadline when the fork's Timeout ended it.
	Next() (i int, v any, err error, ok bool)

	// Cancel stops the rest: every undelivered branch is cancelled, even if its answer just arrived (it is charged).
	// Next joins them.
	Cancel(cause error)
}

// ErrDeadline is the cause of a branch that its fork's Timeout cancelled.
var ErrDeadline = errors.New("the fork's time was up")

// Order says in which order a Group returns its successes.
type Order uint8

// Orders of successes in a Group.
const (
	Indexed Order = iota // input order
	Settled              // order of ending, which the engine records
)

// ForkSpec describes one fork.
type ForkSpec struct {
	Name        string             // the builtin that forks, as the script wrote it: "parallel", "race"
	Pos         string             // where the script forks: file:line:col
	Limit       int                // branches at a time; zero means all at once
	Order       Order              // order of successes
	Timeout     time.Duration      // for the whole group, zero means none; its timer takes no slot of Limit
	Cancellable bool               // the script's rules may cancel the rest, so every end must be recorded in order
	Label       func(i int) string // what people call branch i; may be nil, and is only called if somebody watches
}

// Effect is one thing a pattern can ask of the world.
//
//sumtype:decl
type Effect interface{ effect() }

// AgentCall asks an agent. Its outcome is an Answer's payload.
type AgentCall struct {
	Agent    string        // its name in parallax.toml
	Task     string        // what to do, in words; for an agent with several skills also the skill's name
	Input    Payload       // the named inputs, a JSON object
	Messages Payload       // earlier messages, a JSON array of {role, content}, or nil
	Returns  Payload       // JSON Schema (2020-12) that the answer's value must satisfy, or nil
	Feedback string        // why the previous answer to this question was refused, or ""
	Timeout  time.Duration // per attempt, queueing excluded; zero means the agent's configured one, else a minute
	Retry    RetryPolicy   // the script's consent to repeat the call; the zero policy consents to nothing
	Reuse    *Reuse        // an earlier answer to the same question will do; nil means that the agent is to be asked
	Pos      string        // where the script asks: file:line:col
}

// Reuse is a script's consent to an answer that was given to an earlier call.
type Reuse struct {
	MaxAge time.Duration            // of the answer; zero means any age
	Fits   func(value Payload) bool // says whether a value has the asked shape, so that one that has not is never kept; nil means that any has
}

// AgentLookup finds agents by capability. Its outcome is a JSON array of names, sorted.
// Fewer than Min is an *Error of code NotFound.
type AgentLookup struct {
	Capability string // Idempotent also finds the agents that declare themselves so
	Count      int    // at most so many; zero means all
	Min        int
}

// Sleep pauses the branch. Its outcome is null.
type Sleep struct{ For time.Duration }

// WaitSignal waits for a named signal from outside the run. Its outcome is the signal's payload; none within
// Timeout (zero: no bound) is an *Error of code Timeout.
type WaitSignal struct {
	Name    string
	Timeout time.Duration
}

// Approval asks a person to choose. Its outcome is the JSON object {choice, by, comment}.
type Approval struct {
	Title   string
	Options []string
	Context Payload // what the person needs to decide; may be nil
	By      string  // who may decide: a role or a name; "" means anybody
	Timeout time.Duration
}

// ChildRun runs another pattern as a run of its own, which shares the parent's budget. Its outcome is that run's result.
type ChildRun struct {
	Pattern string // label as the script wrote it: ":sibling.star", "//root.star", "@std//x.star"
	From    string // name of the module that asks, against which Pattern is resolved
	Inputs  Payload
}

// Budget reads what is left of the run's budget. Its outcome is a JSON number, or null when there is no such bound.
type Budget struct{ Of BudgetUnit }

// BudgetUnit is what a budget counts.
type BudgetUnit string

// Units of a budget.
const (
	BudgetTokens BudgetUnit = "tokens" // input and output tokens
	BudgetCost   BudgetUnit = "cost"   // US dollars
	BudgetCalls  BudgetUnit = "calls"  // attempts at agent calls
	BudgetTime   BudgetUnit = "time"   // seconds since the run started
)

// Emit tells the world something: a phase, a log line, an event of the script's own. Its outcome is null.
type Emit struct {
	Kind EventKind // PhaseStarted, Logged, Emitted or GateChecked
	Name string    // the phase's title, the log message or the event's name
	Data Payload   // a JSON object, or nil
}

func (AgentCall) effect()   {}
func (AgentLookup) effect() {}
func (Sleep) effect()       {}
func (WaitSignal) effect()  {}
func (Approval) effect()    {}
func (ChildRun) effect()    {}
func (Budget) effect()      {}
func (Emit) effect()        {}

// RetryPolicy is a script's consent to repeat a call. Waits grow from Backoff by Factor up to Max.
type RetryPolicy struct {
	Attempts int // in all, the first included; 0 and 1 mean no repetition
	Backoff  time.Duration
	Factor   float64
	Max      time.Duration
	On       []Code // which errors may be repeated
}

// Wait is the pause after the given failed attempt (1 is the first), before jitter.
func (p RetryPolicy) Wait(attempt int) time.Duration {
	w := float64(p.Backoff)
	for range attempt - 1 {
		w *= p.Factor
		if p.Max > 0 && w >= float64(p.Max) {
			return p.Max
		}
	}
	return time.Duration(w)
}

// Allows says whether a call that failed with e at the given attempt may be tried again.
// A non-retryable error is final whatever the policy lists.
func (p RetryPolicy) Allows(e *Error, attempt int) bool {
	if attempt >= p.Attempts || !e.Retryable {
		return false
	}
	return slices.Contains(p.On, e.Code)
}
