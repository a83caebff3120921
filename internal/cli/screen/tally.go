package screen

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Tally is what a run took and where it failed, added up from its events.
type Tally struct {
	Started  time.Time
	Ended    time.Time
	Branches int
	Calls    int // as story.Meter counts them: whatever came of them, attempts of one call together
	Failed   int // calls
	Retries  int
	Cached   int // earlier answers that were taken: no calls
	Usage    runtime.Usage
	Agents   map[string]*AgentTally
	Failures []Failure // the first maxFailures
	More     int       // failures beyond those
}

// AgentTally is one agent's part.
type AgentTally struct {
	Name   string
	Calls  int
	Failed int
	Time   time.Duration // of its calls, added up
	Usage  runtime.Usage
}

// Failure is one thing that went wrong, whether or not the run went on.
type Failure struct {
	Where string // address, or path of the branch
	Agent string
	Err   *runtime.Error
}

// maxFailures is how many failures a summary names.
const maxFailures = 10

// tallier folds events into a Tally.
type tallier struct {
	Tally
	calls  map[string]time.Time      // when a call that is not over was first made
	blamed map[string]*runtime.Error // the last failed call of a branch, which is not told again when the branch fails of it
}

func newTallier() *tallier {
	return &tallier{
		Tally:  Tally{Agents: make(map[string]*AgentTally)},
		calls:  make(map[string]time.Time),
		blamed: make(map[string]*runtime.Error),
	}
}

func (t *tallier) add(e *runtime.Event) {
	if t.Started.IsZero() {
		t.Started = e.At
	}
	t.Ended = e.At
	switch e.Kind {
	case runtime.BranchStarted:
		t.Branches++
	case runtime.AgentCalled:
		if _, again := t.calls[callKey(e)]; !again {
			t.calls[callKey(e)] = e.At
			t.Calls++
			t.agent(e.Agent).Calls++
		}
	case runtime.AgentRetrying:
		t.Retries++
	case runtime.AgentAnswered:
		if t.end(e); e.Cached {
			t.Cached++
		}
	case runtime.AgentFailed:
		t.end(e).Failed++
		t.Failed++
		t.blamed[e.Run+" "+string(e.Branch)] = e.Error
		t.fail(Failure{e.Addr.String(), e.Agent, e.Error})
	case runtime.AgentCancelled:
		delete(t.calls, callKey(e))
	case runtime.BranchFailed:
		t.branchFailed(e)
	case runtime.BranchDone, runtime.BranchCancelled:
		delete(t.blamed, e.Run+" "+string(e.Branch))
	case runtime.RunStarted, runtime.RunDone, runtime.RunFailed, runtime.RunSuspended, runtime.PhaseStarted, runtime.Logged,
		runtime.Emitted, runtime.GateChecked, runtime.ForkStarted, runtime.ForkEnded, runtime.AgentProgress, runtime.Slept,
		runtime.SignalAwaited, runtime.SignalTaken, runtime.ApprovalAsked, runtime.ApprovalDecided, runtime.ChildStarted,
		runtime.ChildEnded, runtime.BudgetWarned:
	}
}

func (t *tallier) end(e *runtime.Event) *AgentTally {
	a := t.agent(e.Agent)
	key := callKey(e)
	if at, ok := t.calls[key]; ok {
		a.Time += e.At.Sub(at)
		delete(t.calls, key)
	}
	if e.Usage != nil {
		t.Usage.Add(*e.Usage)
		a.Usage.Add(*e.Usage)
	}
	return a
}

func (t *tallier) agent(name string) *AgentTally {
	a := t.Agents[name]
	if a == nil {
		a = &AgentTally{Name: name}
		t.Agents[name] = a
	}
	return a
}

// branchFailed notes a branch that failed of something else than a call that was noted already.
func (t *tallier) branchFailed(e *runtime.Event) {
	key := e.Run + " " + string(e.Branch)
	told := t.blamed[key]
	delete(t.blamed, key)
	if e.Error == nil || (told != nil && told.Code == e.Error.Code && told.Agent == e.Error.Agent) {
		return
	}
	if inner := t.nested(e); inner {
		return
	}
	t.fail(Failure{string(e.Branch), e.Error.Agent, e.Error})
}

// nested says that a failure inside this branch, which it passed on, was noted already.
func (t *tallier) nested(e *runtime.Event) bool {
	return slices.ContainsFunc(t.Failures, func(f Failure) bool {
		return f.Err != nil && f.Err.Code == e.Error.Code && f.Err.Message == e.Error.Message && strings.HasPrefix(f.Where, string(e.Branch)+".")
	})
}

func (t *tallier) fail(f Failure) {
	if len(t.Failures) == maxFailures {
		t.More++
		return
	}
	t.Failures = append(t.Failures, f)
}

// ranked lists the agents, those that took longest first.
func (t *Tally) ranked() []*AgentTally {
	return slices.SortedFunc(maps.Values(t.Agents), func(a, b *AgentTally) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), strings.Compare(a.Name, b.Name))
	})
}

func callKey(e *runtime.Event) string { return e.Run + " " + e.Addr.String() }
