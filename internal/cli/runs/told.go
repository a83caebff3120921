package runs

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

func (t *teller) begun(k *trunk, f *runtime.Fact) {
	a := read(f.Request)
	a.attempt = max(f.Attempt, 1)
	e := runtime.Event{Addr: f.Addr, Branch: f.Addr.Path, Name: a.Name}
	switch a.Effect {
	case "agent":
		e.Kind, e.Agent, e.Text, e.Value, e.N = runtime.AgentCalled, a.Agent, a.Task, a.Input, a.attempt
	case "sleep":
		e.Kind, e.For = runtime.Slept, spanOf(a.For)
	case "wait_for":
		e.Kind, e.For = runtime.SignalAwaited, spanOf(a.Timeout)
	case "approve":
		e.Kind, e.Name, e.Value, e.For = runtime.ApprovalAsked, a.Title, a.toDecide(), spanOf(a.Timeout)
	case "run":
		child := t.trunk(k.run + "/" + f.Addr.String())
		child.name = a.Pattern
		e.Kind, e.Name, e.Text = runtime.ChildStarted, a.Pattern, child.run
	default:
		if a.Branches <= 0 || a.Branches > runtime.MaxBranches || k.fork(f.Addr) != nil {
			return
		}
		k.forks[f.Addr.Path] = append(k.forks[f.Addr.Path], &fork{at: f.Addr, asked: a, status: make(map[int]status)})
		t.tell(k, f.At, runtime.Event{Kind: runtime.ForkStarted, Addr: f.Addr, Branch: f.Addr.Path, Name: a.Effect, N: a.Branches})
		return
	}
	known := k.open[f.Addr]
	k.open[f.Addr] = a
	if known == nil || a.Effect == "agent" && known.attempt < a.attempt {
		t.tell(k, f.At, e)
	}
}

// toDecide is what a person is shown who decides an approval.
func (a *asked) toDecide() runtime.Payload {
	text, err := json.Marshal(map[string]any{"options": a.Options, "context": a.Context, "by": a.By})
	if err != nil {
		return nil
	}
	p, _ := runtime.Canonical(text)
	return p
}

func spanOf(s string) time.Duration {
	d, _ := time.ParseDuration(s)
	return d
}

func (t *teller) done(k *trunk, f *runtime.Fact) {
	a := k.open[f.Addr]
	delete(k.open, f.Addr)
	if a == nil {
		a = read(f.Request)
	}
	e := runtime.Event{Addr: f.Addr, Branch: f.Addr.Path, Error: f.Err, Value: f.Outcome}
	switch a.Effect {
	case "agent":
		e.Kind, e.Agent, e.N, e.Value = runtime.AgentFailed, a.Agent, cmp.Or(f.Attempt, a.attempt), nil
		if answer, err := runtime.ParseAnswer(f.Outcome); err == nil && f.Err == nil {
			e.Kind, e.Value, e.Confidence, e.Cached = runtime.AgentAnswered, answer.Value, answer.Confidence, answer.Cached
			if e.Cached {
				e.Text = a.Task
			}
		}
		if f.Usage != (runtime.Usage{}) {
			e.Usage = &f.Usage
		}
	case "wait_for":
		e.Kind, e.Name = runtime.SignalTaken, a.Name
	case "approve":
		e.Kind, e.Name = runtime.ApprovalDecided, a.Title
	case "run":
		child := t.trunk(k.run + "/" + f.Addr.String())
		t.close(child, f.At, f.Err != nil)
		if kind := runtime.RunDone; child.began {
			if f.Err != nil {
				kind = runtime.RunFailed
			}
			t.tell(child, f.At, runtime.Event{Kind: kind, Value: f.Outcome, Error: f.Err})
		}
		e.Kind, e.Name, e.Text = runtime.ChildEnded, a.Pattern, child.run
	case "phase", "log", "emit", "gate":
		e.Kind, e.Name, e.Value = runtime.EventKind(a.Effect), a.Name, a.Data
	default:
		return
	}
	if e.Error != nil && (e.Kind == runtime.SignalTaken || e.Kind == runtime.ApprovalDecided) {
		return // it was waited for in vain, which the branch will tell
	}
	t.tell(k, f.At, e)
}

func (t *teller) delivered(k *trunk, f *runtime.Fact) {
	fork := k.fork(f.Addr)
	if fork == nil || fork.status[f.Index] == over {
		return
	}
	t.arrive(k, runtime.Address{Path: f.Addr.Path.Child(f.Addr.N, f.Index)}, f.At)
	e := runtime.Event{Kind: runtime.BranchDone, Error: f.Err}
	if f.Err != nil {
		e.Kind = runtime.BranchFailed
		if f.Err.Code == runtime.Cancelled {
			e.Kind = runtime.BranchCancelled
		}
	}
	t.endBranch(k, fork, f.Index, f.At, e)
}

func (t *teller) stopped(k *trunk, f *runtime.Fact) {
	fork := k.fork(f.Addr)
	if fork == nil {
		return
	}
	fork.cut, fork.kept = true, f.Kept
	for i := range fork.asked.Branches {
		if fork.status[i] == going && !within(f.Kept, i) {
			t.endBranch(k, fork, i, f.At, runtime.Event{Kind: runtime.BranchCancelled})
		}
	}
}

// within says whether a number is in one of the ranges, which are pairs of first and last.
func within(pairs []int, i int) bool {
	for k := 0; k+1 < len(pairs); k += 2 {
		if pairs[k] <= i && i <= pairs[k+1] {
			return true
		}
	}
	return false
}
