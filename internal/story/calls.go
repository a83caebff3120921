package story

import (
	"bytes"

	"github.com/parallax-run/parallax/runtime"
)

// A call is an agent that was asked, whatever came of it: it answered or failed, or it was cancelled or broken off, and all attempts together are
// one. Where the agent is not there, the budget does not allow it or an earlier answer does, nobody was asked. What a call took is what its
// attempts say that they took, also when it failed; of one that was cut off nobody knows.

// Meter counts the calls of a run and its child runs from their facts, as those are made. The zero value has counted none.
type Meter struct {
	Calls int
	Usage runtime.Usage
}

// See counts a fact that is not one of an earlier life of the run.
func (m *Meter) See(f *runtime.Fact) {
	switch f.Kind {
	case runtime.Begun:
		if f.Attempt == 1 && bytes.HasPrefix(f.Request, []byte(`{"agent":`)) {
			m.Calls++
		}
	case runtime.Done:
		m.Usage.Add(f.Usage)
		if f.Attempt <= 1 && overBudget(f.Err) {
			m.Calls--
		}
	case runtime.Delivered, runtime.Stopped, runtime.Counted:
	}
}

// called says whether the agent of a node was asked.
func (n *Node) called() bool {
	return n.Kind == Agent && n.Attempt > 0 && (n.Attempt > 1 || !overBudget(n.Err))
}

// overBudget says of an attempt that the budget did not allow it. Where time runs out there are no details.
func overBudget(e *runtime.Error) bool {
	return e != nil && e.Code == runtime.BudgetSpent && len(e.Details) > 0
}
