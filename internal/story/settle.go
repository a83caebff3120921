package story

import (
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// scope is what surrounds a node.
type scope struct {
	main   bool      // nothing does: the node is the whole run
	run    Status    // of the run
	over   bool      // nothing in it goes on: it has ended, or the script has gone on behind it
	cut    bool      // it was cancelled
	failed bool      // it failed
	at     time.Time // when it was over, if that is known
}

// settle says how everything stands that no fact says of, from the outside in: what has no end in something that has one was cancelled.
func (n *Node) settle(s scope) {
	switch n.Kind {
	case RunNode:
		n.settleRun(s)
	case Fork:
		n.settleFork(s)
	case Branch: // of a path that nothing can have
		n.settleBranch(s, nil, nil)
	case Agent, Agents, Sleep, Signal, Approval, Budget, Phase, Log, Emit, Gate, Count, Unknown:
		n.settleSteps(s)
		n.stands(s)
	}
}

// stands gives what has not ended its status.
func (n *Node) stands(s scope) {
	switch {
	case n.Status.Over():
	case s.over:
		n.Status, n.Ended = Cancelled, s.at
	case n.Kind == Sleep || n.Kind == Signal || n.Kind == Approval:
		n.Status = Waiting
	default:
		n.Status = s.pending()
	}
}

// pending is the status of what is under way: it waits when its run does.
func (s scope) pending() Status {
	if s.run == Suspended {
		return Waiting
	}
	return Running
}

func (n *Node) settleRun(s scope) {
	if !n.Status.Over() && (n.Status != Suspended || !s.main && s.over) {
		n.stands(s)
	}
	in := scope{run: n.Status, over: n.Status.Over(), cut: n.Status == Cancelled, failed: n.Status == Failed, at: n.Ended}
	if n.Status == Waiting {
		in.run = Suspended
	}
	if !s.main && n.Status == Suspended {
		n.Status = Waiting
	}
	n.settleSteps(in)
	n.spread()
}

// settleSteps settles what the script of a run or branch did, one after the other.
func (n *Node) settleSteps(s scope) {
	steps := n.Children
	for i, c := range steps {
		in := s
		if i+1 < len(steps) && steps[i+1].rank() == 0 {
			in.over, in.cut, in.failed, in.at = true, false, false, steps[i+1].Begun
		}
		c.settle(in)
	}
}

func (n *Node) settleFork(s scope) {
	n.Status = Done // a fork has no end of its own in the record
	kept := n.keptBranches()
	for _, b := range n.Children {
		b.settleBranch(s, n, kept)
	}
	n.spread()
	switch pending := n.pendingBranches(); {
	case s.cut && (pending != "" || n.Count(Cancelled) > 0):
		n.Status = Cancelled
	case pending != "":
		n.Status = pending
	case s.failed && n.Count(Failed) > 0:
		n.Status = Failed
	case !s.over && n.Stopped.IsZero() && n.Silent() > 0 && n.Count(Failed) == 0:
		n.Status = s.pending()
	}
	if n.Status.Over() {
		if n.Ended.Before(n.Stopped) {
			n.Ended = n.Stopped
		}
	} else {
		n.Ended = time.Time{}
	}
}

// settleBranch settles one branch of a fork; kept says which count in one that was stopped.
func (n *Node) settleBranch(s scope, fork *Node, kept func(i int) bool) {
	in := s
	switch {
	case n.Status.Over(): // it was delivered
		in = scope{run: s.run, over: true, failed: n.Status == Failed, at: n.Ended}
	case kept != nil && kept(n.Index):
		n.Status = Done
		in = scope{run: s.run, over: true, at: fork.Stopped}
	case kept != nil:
		n.Status = Cancelled
		in = scope{run: s.run, over: true, cut: true, at: fork.Stopped}
	}
	n.settleSteps(in)
	n.spread()
	if n.Status.Over() {
		return
	}
	n.Status = Done
	if k := len(n.Children); k > 0 {
		switch last := n.Children[k-1]; last.Status {
		case Running, Waiting, Cancelled:
			n.Status = last.Status
		case Suspended:
			n.Status = Waiting
		case Done, Failed:
		}
	}
	if !n.Status.Over() {
		n.Ended = time.Time{}
	}
}

// keptBranches says which branches had been delivered when the fork was stopped; nil when it was not.
func (n *Node) keptBranches() func(int) bool {
	for _, f := range n.Facts {
		if f.Kind != runtime.Stopped {
			continue
		}
		return func(i int) bool {
			for k := 0; k+1 < len(f.Kept); k += 2 {
				if f.Kept[k] <= i && i <= f.Kept[k+1] {
					return true
				}
			}
			return false
		}
	}
	return nil
}

// pendingBranches is Running when a branch runs, Waiting when one waits and none runs, else "".
func (n *Node) pendingBranches() Status {
	found := Status("")
	for _, b := range n.Children {
		switch b.Status {
		case Running:
			return Running
		case Waiting, Suspended:
			found = Waiting
		case Done, Failed, Cancelled:
		}
	}
	return found
}

// spread lets a node last from the first to the last of what is in it.
func (n *Node) spread() {
	for _, c := range n.Children {
		if !c.Begun.IsZero() && (n.Begun.IsZero() || c.Begun.Before(n.Begun)) {
			n.Begun = c.Begun
		}
		if n.Kind != RunNode && c.Ended.After(n.Ended) {
			n.Ended = c.Ended
		}
	}
}

// total adds up calls and usage.
func (n *Node) total() {
	if n.called() {
		n.Calls = 1
	}
	for _, c := range n.Children {
		c.total()
		n.Calls += c.Calls
		n.Usage.Add(c.Usage)
	}
}
