package local

import (
	"encoding/json"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// asked is what a recorded request says of an effect or fork.
type asked struct {
	Effect   string          `json:"effect"`
	Branches int             `json:"branches"` // of a fork
	Agent    string          `json:"agent"`
	Task     string          `json:"task"`
	Input    runtime.Payload `json:"input"`
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	Pattern  string          `json:"pattern"`
	For      string          `json:"for"`
}

// tellLost tells of the branches that were cancelled before the run was resumed: they are not started again, and what they took stays booked.
func (g *group) tellLost() {
	if g.record == nil || g.record.stopped == nil {
		return
	}
	kept := make(map[int]bool)
	for _, i := range g.record.first {
		kept[i] = true
	}
	for i := range g.outs {
		if !kept[i] {
			g.parent.tellLost(g.at, i, g.record.stopped.At)
		}
	}
}

// tellLost tells of branch i of a fork, which was cancelled at that time, if it left a record.
func (b *branch) tellLost(fork runtime.Address, i int, at time.Time) {
	path := fork.Path.Child(fork.N, i)
	if !b.past.branches[path] {
		return
	}
	lost := &branch{x: b.x, run: b.run, path: path, past: b.past}
	first := runtime.Address{Path: path, N: 1}
	began := lost.then(first)
	if f := b.past.done[first]; began.IsZero() && f != nil {
		began = f.At
	}
	lost.emit(runtime.Event{Kind: runtime.BranchStarted, Addr: fork, N: i, Past: true, Then: began})
	for addr := first; lost.tellAt(addr, at); addr.N++ {
	}
	lost.emit(runtime.Event{Kind: runtime.BranchCancelled, Addr: fork, N: i, Past: true, Then: at})
}

// tellAt tells of what is recorded at an address of a branch that is lost, and says whether there is any such thing.
func (b *branch) tellAt(addr runtime.Address, stopped time.Time) bool {
	done, begun := b.past.done[addr], b.before(addr)
	if done == nil && begun == nil {
		return false
	}
	var a asked
	for _, f := range []*runtime.Fact{done, begun} {
		if f != nil && len(f.Request) > 0 {
			_ = json.Unmarshal(f.Request, &a) // it is our own; else it says nothing
		}
	}
	if a.Branches > 0 {
		b.emit(runtime.Event{Kind: runtime.ForkStarted, Addr: addr, Name: a.Effect, N: a.Branches, Past: true, Then: begun.At})
		for i := range a.Branches {
			b.tellLost(addr, i, stopped)
		}
		b.emit(runtime.Event{Kind: runtime.ForkEnded, Addr: addr, Name: a.Effect, Past: true, Then: stopped})
		return true
	}
	if done != nil {
		if e := a.effect(); e != nil {
			b.retell(addr, e, done)
		}
		return true
	}
	b.broken(addr, &a, begun, stopped)
	return true
}

// effect is what was asked, as far as telling of it needs; nil for what is not told.
func (a *asked) effect() runtime.Effect {
	switch a.Effect {
	case "agent":
		return runtime.AgentCall{Agent: a.Agent, Task: a.Task, Input: a.Input}
	case "sleep":
		d, _ := time.ParseDuration(a.For)
		return runtime.Sleep{For: d}
	case "wait_for":
		return runtime.WaitSignal{Name: a.Name}
	case "approve":
		return runtime.Approval{Title: a.Title}
	case "run":
		return runtime.ChildRun{Pattern: a.Pattern}
	}
	return nil
}

// broken tells of an effect that was under way when its branch was cancelled.
func (b *branch) broken(addr runtime.Address, a *asked, begun *runtime.Fact, stopped time.Time) {
	e := runtime.Event{Addr: addr, Past: true, Then: begun.At}
	switch a.Effect {
	case "agent":
		e.Kind, e.Agent, e.Text, e.Value, e.N = runtime.AgentCalled, a.Agent, a.Task, a.Input, begun.Attempt
		b.emit(e)
		e.Kind, e.Text, e.Value, e.Then = runtime.AgentCancelled, "", nil, stopped
	case "sleep":
		e.Kind, e.For, e.Then = runtime.Slept, max(stopped.Sub(begun.At), 0), stopped
	case "wait_for":
		e.Kind, e.Name = runtime.SignalAwaited, a.Name
	case "approve":
		e.Kind, e.Name = runtime.ApprovalAsked, a.Title
	default:
		return
	}
	b.emit(e)
}
