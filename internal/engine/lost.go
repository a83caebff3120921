package engine

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// What an earlier life of the run did is mostly told again by the script, which does it again. The rest is told from the record alone: branches
// that were cancelled and are not started again, and, where the engine is to Retell, child runs that had ended. What all of it took stays booked.

// asked is what a recorded request says of an effect, a fork or a run.
type asked struct {
	Effect   string          `json:"effect"`
	Branches int             `json:"branches"` // of a fork
	Labels   []string        `json:"labels"`
	Agent    string          `json:"agent"`
	Task     string          `json:"task"`
	Input    runtime.Payload `json:"input"`
	Inputs   runtime.Payload `json:"inputs"`
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	Pattern  string          `json:"pattern"`
	For      string          `json:"for"`
}

// askedOf reads the request of any of these facts that has one. Requests are our own; one that cannot be read says nothing.
func askedOf(facts ...*runtime.Fact) *asked {
	a := new(asked)
	for _, f := range facts {
		if f != nil && len(f.Request) > 0 {
			_ = json.Unmarshal(f.Request, a)
		}
	}
	return a
}

// teller tells of one branch from its record.
type teller struct {
	*branch
	cut time.Time // when it was cancelled, with all below it; zero when it was not
}

// tellLost tells of a branch of the fork that is cancelled and was started by an earlier life of the run only.
func (g *group) tellLost(i int) {
	if g.parent.past == nil {
		return
	}
	at := g.parent.x.Now().UTC()
	if g.record != nil && g.record.stopped != nil {
		at = g.record.stopped.At
	}
	teller{g.parent, at}.branchOf(g.at, i, askedOf(g.parent.before(g.at)))
}

// tellRest tells of what an earlier life of the run did in a branch that is stopped before it comes so far again.
func (b *branch) tellRest() {
	if b.past != nil && b.ctx.Err() != nil {
		teller{b, b.x.Now().UTC()}.from(b.told + 1)
	}
}

// from tells of a branch from an address on.
func (t teller) from(n int) {
	for t.at(runtime.Address{Path: t.path, N: n}) {
		n++
	}
}

// at tells of what is recorded at an address, and says whether there is any such thing.
func (t teller) at(addr runtime.Address) bool {
	done, begun := t.past.done[addr], t.before(addr)
	a := askedOf(done, begun)
	switch {
	case a.Branches > 0 && begun != nil:
		t.fork(addr, a, begun)
	case done != nil:
		t.ended(addr, a, done)
	case begun != nil:
		t.broken(addr, a, begun)
	default:
		return !t.cut.IsZero() && t.child(addr, nil)
	}
	return true
}

func (t teller) fork(addr runtime.Address, a *asked, begun *runtime.Fact) {
	t.emit(runtime.Event{Kind: runtime.ForkStarted, Addr: addr, Name: a.Effect, N: a.Branches, Past: true, Then: begun.At})
	for i := range a.Branches {
		t.branchOf(addr, i, a)
	}
	t.emit(runtime.Event{Kind: runtime.ForkEnded, Addr: addr, Name: a.Effect, Past: true, Then: t.cut})
}

// branchOf tells of branch i of a fork, if it left a record.
func (t teller) branchOf(fork runtime.Address, i int, a *asked) {
	path := fork.Path.Child(fork.N, i)
	if !t.past.branches[path] {
		return
	}
	below := teller{&branch{x: t.x, run: t.run, path: path, past: t.past}, t.cut}
	end := runtime.Event{Kind: runtime.BranchDone, Addr: fork, N: i, Past: true}
	if f := t.past.stopped[fork]; f != nil && below.cut.IsZero() && !within(f.Kept, i) {
		below.cut = f.At
	}
	for _, f := range t.past.delivered[fork] {
		if f.Index == i && f.Err != nil {
			end.Kind, end.Error, end.Then = runtime.BranchFailed, f.Err, f.At
		}
	}
	if !below.cut.IsZero() {
		end.Kind, end.Error, end.Then = runtime.BranchCancelled, nil, below.cut
	}
	started := runtime.Event{Kind: runtime.BranchStarted, Addr: fork, N: i, Past: true, Then: below.first()}
	if i < len(a.Labels) {
		started.Text = a.Labels[i]
	}
	below.emit(started)
	below.from(1)
	below.emit(end)
}

// within says whether i is in one of the ranges, which are pairs of first and last.
func within(ranges []int, i int) bool {
	for pair := range slices.Chunk(ranges, 2) {
		if len(pair) == 2 && pair[0] <= i && i <= pair[1] {
			return true
		}
	}
	return false
}

// first is when the first thing happened that is recorded of the branch.
func (t teller) first() time.Time {
	addr := runtime.Address{Path: t.path, N: 1}
	if f := t.past.done[addr]; f != nil && t.before(addr) == nil {
		return f.At
	}
	return t.then(addr)
}

// ended tells of an effect with an outcome.
func (t teller) ended(addr runtime.Address, a *asked, done *runtime.Fact) {
	switch a.Effect {
	case "agent":
		t.retell(addr, runtime.AgentCall{Agent: a.Agent, Task: a.Task, Input: a.Input}, done)
	case "sleep":
		d, _ := time.ParseDuration(a.For)
		t.retell(addr, runtime.Sleep{For: d}, done)
	case "wait_for":
		t.retell(addr, runtime.WaitSignal{Name: a.Name}, done)
	case "approve":
		t.retell(addr, runtime.Approval{Title: a.Title}, done)
	case "run":
		t.retell(addr, runtime.ChildRun{Pattern: a.Pattern}, done)
	}
}

// broken tells of an effect that was under way when its branch was cancelled.
func (t teller) broken(addr runtime.Address, a *asked, begun *runtime.Fact) {
	e := runtime.Event{Addr: addr, Past: true, Then: begun.At}
	switch a.Effect {
	case "agent":
		e.Kind, e.Agent, e.Text, e.Value, e.N = runtime.AgentCalled, a.Agent, a.Task, a.Input, begun.Attempt
		t.emit(e)
		e.Kind, e.Text, e.Value, e.Then = runtime.AgentCancelled, "", nil, t.cut
	case "sleep":
		e.Kind, e.For, e.Then = runtime.Slept, max(t.cut.Sub(begun.At), 0), t.cut
	case "wait_for":
		e.Kind, e.Name = runtime.SignalAwaited, a.Name
	case "approve":
		e.Kind, e.Name = runtime.ApprovalAsked, a.Title
	default:
		return
	}
	t.emit(e)
}

// child tells of a child run from its own record, and says whether there is one. Done is its end in the parent's record, nil when it was cancelled.
func (t teller) child(addr runtime.Address, done *runtime.Fact) bool {
	if !t.x.Retell || t.x.Emit == nil {
		return false
	}
	id := t.run.ID + "/" + addr.String()
	facts, err := t.x.Keep.Load(id)
	if err != nil {
		return false // it is told only
	}
	past, err := remember(facts)
	if err != nil || past == nil {
		return false
	}
	main := teller{&branch{x: t.x, run: &Run{ID: id}, past: past}, t.cut}
	began := past.begun[runtime.Address{}]
	a := askedOf(began)
	then := main.then(runtime.Address{})
	t.emit(runtime.Event{Kind: runtime.ChildStarted, Addr: addr, Name: a.Pattern, Text: id, Past: true, Then: then})
	main.emit(runtime.Event{Kind: runtime.RunStarted, Name: a.Pattern, Value: a.Inputs, Past: true, Then: then})
	main.from(1)
	end := runtime.Event{Kind: runtime.RunDone, Past: true, Then: t.cut}
	switch {
	case done == nil:
		end.Kind, end.Error = runtime.RunFailed, runtime.ErrCancelled()
	case done.Err != nil:
		end.Kind, end.Error, end.Then = runtime.RunFailed, done.Err, done.At
	default:
		end.Value, end.Then = done.Outcome, done.At
	}
	main.emit(end)
	return true
}
