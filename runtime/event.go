package runtime

import "time"

// EventKind says what happened.
type EventKind string

// Kinds of events.
const (
	RunStarted      EventKind = "run.started"
	RunDone         EventKind = "run.done"      // Value: the result
	RunFailed       EventKind = "run.failed"    // Error
	RunSuspended    EventKind = "run.suspended" // Text: why; the run can be resumed
	PhaseStarted    EventKind = "phase"         // Name: its title
	Logged          EventKind = "log"           // Text, Value: fields
	Emitted         EventKind = "emit"          // Name, Value: data
	GateChecked     EventKind = "gate"          // Name, Value: {passed, ...}
	ForkStarted     EventKind = "fork.started"  // Name: the builtin, N: branches; Addr is the fork's own
	ForkEnded       EventKind = "fork.ended"
	BranchStarted   EventKind = "branch.started" // Branch: its path; Text: its label
	BranchDone      EventKind = "branch.done"
	BranchFailed    EventKind = "branch.failed" // Error
	BranchCancelled EventKind = "branch.cancelled"
	AgentCalled     EventKind = "agent.called" // Agent, Text: the task, N: attempt
	AgentProgress   EventKind = "agent.progress"
	AgentRetrying   EventKind = "agent.retrying" // Error, N: the attempt that failed, For: the pause
	AgentAnswered   EventKind = "agent.answered" // Value, Confidence, Usage; with Cached there was no call, and Text is the task
	AgentFailed     EventKind = "agent.failed"   // Error, N: attempts
	AgentCancelled  EventKind = "agent.cancelled"
	Slept           EventKind = "sleep"            // For
	SignalAwaited   EventKind = "signal.awaited"   // Name
	SignalTaken     EventKind = "signal.taken"     // Name, Value
	ApprovalAsked   EventKind = "approval.asked"   // Name: title, Value: {options, context}
	ApprovalDecided EventKind = "approval.decided" // Name: title, Value: {choice, by, comment}
	ChildStarted    EventKind = "child.started"    // Name: pattern, Text: the child's run id
	ChildEnded      EventKind = "child.ended"      // Error when it failed
	BudgetWarned    EventKind = "budget.warned"    // Name: the unit, at 80 % of it
)

// Event is one thing that happened in a run: the same for the screen, JSON lines and stores.
// Fields that say nothing for a Kind are zero.
type Event struct {
	Seq        uint64 // from 1, in the order of happening within a run and its children
	Run        string
	At         time.Time
	Kind       EventKind
	Addr       Address // of the effect or fork
	Branch     Path    // the branch in which it happened, or which started or ended
	Name       string
	Agent      string
	Text       string
	N          int
	For        time.Duration
	Value      Payload
	Confidence *float64
	Usage      *Usage
	Progress   *Progress
	Error      *Error
	Cached     bool      // the answer is one that was given before, to a call like this one
	Past       bool      // it happened before the run was resumed, and is told again
	Then       time.Time // when it happened, or what begins here began, where that was before the run was resumed
}
