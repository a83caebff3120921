package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Keeper keeps the facts of runs. A run's facts keep their order: one is never durable before those that were handed over before it.
type Keeper interface {
	// Append keeps facts and returns when they are durable.
	Append(run string, facts ...runtime.Fact) error

	// Note keeps facts soon. That they could not be kept is the error of a later Append.
	Note(run string, facts ...runtime.Fact)

	// Load gives the facts of a run, in any order; none if it never began.
	Load(run string) ([]runtime.Fact, error)
}

// past is what a run recorded before it was resumed. It is not changed.
type past struct {
	begun     map[runtime.Address]*runtime.Fact
	done      map[runtime.Address]*runtime.Fact
	delivered map[runtime.Address][]*runtime.Fact // by Seq
	stopped   map[runtime.Address]*runtime.Fact
	counted   map[count]bool
	branches  map[runtime.Path]bool // those with facts, and those above them
}

// remember reads a run's facts; nil when there are none.
func remember(facts []runtime.Fact) (*past, error) {
	if len(facts) == 0 {
		return nil, nil
	}
	if err := runtime.CheckFacts(facts); err != nil {
		return nil, err
	}
	p := &past{
		begun: make(map[runtime.Address]*runtime.Fact), done: make(map[runtime.Address]*runtime.Fact, len(facts)),
		delivered: make(map[runtime.Address][]*runtime.Fact), stopped: make(map[runtime.Address]*runtime.Fact),
		branches: make(map[runtime.Path]bool), counted: make(map[count]bool),
	}
	for i := range facts {
		f := &facts[i]
		p.branches[f.Addr.Path] = true
		switch f.Kind {
		case runtime.Begun:
			p.begun[f.Addr] = f
		case runtime.Done:
			p.done[f.Addr] = f
		case runtime.Stopped:
			p.stopped[f.Addr] = f
		case runtime.Counted:
			p.counted[count{f.Addr, f.Seq}] = true
		case runtime.Delivered:
			list := p.delivered[f.Addr]
			for len(list) <= f.Seq {
				list = append(list, nil)
			}
			list[f.Seq] = f
			p.delivered[f.Addr] = list
		}
	}
	for at, list := range p.delivered {
		for i, f := range list {
			if f == nil {
				return nil, fmt.Errorf("the record of the run has a gap: delivery %d of the fork at %s is missing", i, at)
			}
		}
	}
	return p, nil
}

// keeps says whether what the branch does is recorded.
func (b *branch) keeps() bool { return b.x.Keep != nil }

// recorded gives the outcome of the effect at an address, if there is one.
func (b *branch) recorded(at runtime.Address, e runtime.Effect) (runtime.Payload, error, bool) {
	if b.past == nil {
		return nil, nil, false
	}
	f := b.past.done[at]
	if f == nil {
		return nil, nil, false
	}
	if err := b.same(f, runtime.Request(e), posOf(e)); err != nil {
		return nil, err, true
	}
	if f.At.After(b.now) {
		b.now = f.At
	}
	b.retell(at, e, f)
	if f.Err != nil {
		failed := *f.Err
		return nil, &failed, true
	}
	return f.Outcome, nil, true
}

// same says how a request differs from the recorded one. pos is where the script makes it, where that is known.
func (b *branch) same(f *runtime.Fact, asked runtime.Payload, pos string) error {
	if f.Print == runtime.PrintOf(asked) {
		return nil
	}
	d := &Diverged{Run: b.run.ID, Addr: f.Addr, Pos: pos, Recorded: "another request", Asked: short(asked)}
	if was := b.past.asked(f); was != "" {
		d.Recorded, d.Asked = differing(was, string(asked))
	}
	return d
}

// asked is what was recorded of a request; "" when nothing was.
func (p *past) asked(f *runtime.Fact) string {
	if len(f.Request) > 0 {
		return string(f.Request)
	}
	if begun := p.begun[f.Addr]; begun != nil {
		return string(begun.Request)
	}
	return ""
}

// maxShown is how many bytes of a request are shown.
const maxShown = 200

func short(p runtime.Payload) string {
	if len(p) <= maxShown {
		return string(p)
	}
	return strings.ToValidUTF8(string(p[:maxShown-3]), "") + "..."
}

// differing shortens two texts so that the first difference is to be seen.
func differing(was, is string) (string, string) {
	same := 0
	for same < min(len(was), len(is)) && was[same] == is[same] {
		same++
	}
	from := max(0, same-maxShown/2)
	if max(len(was), len(is)) <= maxShown {
		from = 0
	}
	cut := func(s string) string {
		if from == 0 {
			return short(runtime.Payload(s))
		}
		return "..." + strings.ToValidUTF8(short(runtime.Payload(s[from:])), "")
	}
	return cut(was), cut(is)
}

// posOf is where the script asks for an effect, where that is known.
func posOf(e runtime.Effect) string {
	if call, ok := e.(runtime.AgentCall); ok {
		return call.Pos
	}
	return ""
}

// Diverged says that a run that is resumed or replayed asks for something else than it did before, so that its record is of no use to it.
type Diverged struct {
	Run             string // or child run
	Addr            runtime.Address
	Recorded, Asked string // requests as runtime.Request describes them, shortened
	Pos             string // where the script asks now: file:line:col; "" when the error that wraps it knows better
}

func (e *Diverged) Error() string {
	return fmt.Sprintf("the run went another way than before: at %s it had asked for %s and now asks for %s", e.Addr, e.Recorded, e.Asked)
}

// Beyond says that a replay came to the end of the record: what it asks for was never answered.
type Beyond struct {
	Run   string // or child run
	Addr  runtime.Address
	Asked string // the request, shortened
	Pos   string
}

func (e *Beyond) Error() string {
	return fmt.Sprintf("the record ends here: at %s the run asks for %s, which was never answered", e.Addr, e.Asked)
}

// tells says that an effect only tells something, so that a replay may do it again.
func tells(e runtime.Effect) bool {
	_, ok := e.(runtime.Emit)
	return ok
}

// fell says what a replay did not ask for though it is recorded, when the branch ends.
func (b *branch) fell(err error) error {
	if !b.x.Replay || b.past == nil || interrupts(err) || b.halted() {
		return nil
	}
	next := runtime.Address{Path: b.path, N: b.n + 1}
	f := b.past.done[next]
	if f == nil {
		f = b.past.begun[next]
	}
	if f == nil {
		return nil
	}
	return &Diverged{Run: b.run.ID, Addr: next, Recorded: short(runtime.Payload(b.past.asked(f))), Asked: "nothing more"}
}

// retrace replays a child run whose outcome is recorded, so that what became of its pattern shows.
func (b *branch) retrace(at runtime.Address, e runtime.Effect) error {
	child, ok := e.(runtime.ChildRun)
	if !ok || b.past == nil || b.past.done[at] == nil || b.past.done[at].Err != nil {
		return nil //nolint:nilerr // a child run that failed has nothing to show
	}
	if err := b.same(b.past.done[at], runtime.Request(e), ""); err != nil {
		return err
	}
	result, err := b.child(at, child)
	if _, failed := errors.AsType[*runtime.Error](err); err != nil && !failed {
		return err
	}
	if was := b.past.done[at].Outcome; err != nil || string(result) != string(was) {
		now := string(result)
		if err != nil {
			now = "an error: " + err.Error()
		}
		d := &Diverged{Run: b.run.ID, Addr: at}
		d.Recorded, d.Asked = differing("a child run that gives "+string(was), "a child run that gives "+now)
		return d
	}
	return nil
}

// begin records that an effect has begun. Whoever may be asked by others to go on, or must not be asked twice, is durable before it begins.
func (b *branch) begin(at runtime.Address, e runtime.Effect, attempt int, until time.Time, durable bool) error {
	if !b.keeps() {
		return nil
	}
	if b.began.IsZero() {
		b.began = b.x.Now().UTC()
	}
	request := runtime.Request(e)
	return b.keep(durable, runtime.Fact{
		Addr: at, Kind: runtime.Begun, At: b.began, Print: runtime.PrintOf(request), Request: request, Attempt: attempt, Until: until,
	})
}

// before gives what was recorded when the effect began in an earlier life of the run, or nil.
func (b *branch) before(at runtime.Address) *runtime.Fact {
	if b.past == nil {
		return nil
	}
	return b.past.begun[at]
}

// then is when what is at an address began in an earlier life of the run, or zero.
func (b *branch) then(at runtime.Address) time.Time {
	if f := b.before(at); f != nil {
		return f.At
	}
	return time.Time{}
}

// record keeps how an effect ended. What was cancelled, or failed through the host's fault, did not end.
func (b *branch) record(at runtime.Address, e runtime.Effect, p runtime.Payload, err error) error {
	request := runtime.Request(e)
	f := runtime.Fact{Addr: at, Kind: runtime.Done, At: b.now, Print: runtime.PrintOf(request), Outcome: p, Usage: b.took, Attempt: b.attempts}
	if !begins(e) || b.began.IsZero() {
		f.Request = request
	}
	if err != nil {
		failed, ok := errors.AsType[*runtime.Error](err)
		if !ok || failed.Code == runtime.Cancelled {
			return nil
		}
		f.Outcome, f.Err = nil, failed
	}
	return b.keep(matters(e), f)
}

// begins says that there is a fact of an effect's beginning, which says what was asked.
func begins(e runtime.Effect) bool {
	switch e.(type) {
	case runtime.AgentCall, runtime.Approval, runtime.WaitSignal, runtime.Sleep, runtime.ChildRun:
		return true
	case runtime.AgentLookup, runtime.Budget, runtime.Emit:
		return false
	}
	return false
}

// matters says that an outcome must be durable before the script sees it. The others can be had again for nothing.
func matters(e runtime.Effect) bool {
	switch e.(type) {
	case runtime.AgentCall, runtime.ChildRun, runtime.Approval, runtime.WaitSignal:
		return true
	case runtime.AgentLookup, runtime.Sleep, runtime.Budget, runtime.Emit:
		return false
	}
	return true
}

func (b *branch) keep(durable bool, f runtime.Fact) error {
	if b.x.Replay {
		return nil // what is to be found out later is so too
	}
	if !durable {
		b.x.Keep.Note(b.run.ID, f)
		return nil
	}
	if err := b.x.Keep.Append(b.run.ID, f); err != nil {
		return fmt.Errorf("the run cannot be recorded: %w", err)
	}
	return nil
}

// retell tells whoever watches what had happened before the run was resumed, and books what it took.
func (b *branch) retell(at runtime.Address, e runtime.Effect, f *runtime.Fact) {
	if b.x.Emit == nil {
		return
	}
	event := runtime.Event{Addr: at, Past: true, Then: f.At, Error: f.Err, N: f.Attempt}
	switch e := e.(type) {
	case runtime.AgentCall:
		event.Kind, event.Agent, event.Text, event.Usage = runtime.AgentAnswered, e.Agent, e.Task, &f.Usage
		if f.Err != nil {
			event.Kind = runtime.AgentFailed
		} else if a, err := runtime.ParseAnswer(f.Outcome); err == nil {
			event.Value, event.Confidence, event.Cached = a.Value, a.Confidence, a.Cached
		}
		if event.Cached {
			break // there was no call
		}
		b.emit(runtime.Event{Kind: runtime.AgentCalled, Addr: at, Agent: e.Agent, Text: e.Task, Value: e.Input, N: 1, Past: true, Then: b.then(at)})
	case runtime.Emit:
		event.Kind, event.Name, event.Value = e.Kind, e.Name, e.Data
	case runtime.ChildRun:
		if b.x.Replay && f.Err == nil {
			return // it was replayed
		}
		teller{branch: b}.child(at, f)
		event.Kind, event.Name, event.Text, event.Value = runtime.ChildEnded, e.Pattern, b.run.ID+"/"+at.String(), f.Outcome
	case runtime.Approval:
		event.Kind, event.Name, event.Value = runtime.ApprovalDecided, e.Title, f.Outcome
	case runtime.WaitSignal:
		event.Kind, event.Name, event.Value = runtime.SignalTaken, e.Name, f.Outcome
	case runtime.Sleep:
		event.Kind, event.For = runtime.Slept, e.For
	case runtime.AgentLookup, runtime.Budget:
		return
	}
	b.emit(event)
}

// rebook books all that a run and its child runs took before it was resumed, whatever became of it: also calls whose branches lost, and those that were
// under way when the host died, of which the attempts are known and the rest is taken to be what the largest call took.
func (x *execution) rebook(id string, facts []runtime.Fact) error {
	done := make(map[runtime.Address]bool)
	for i := range facts {
		if f := &facts[i]; f.Kind == runtime.Done {
			done[f.Addr] = true
			if f.Attempt > 0 {
				x.ledger.rebook(f.Usage, f.Attempt)
			}
		}
	}
	for i := range facts {
		f := &facts[i]
		if f.Kind != runtime.Begun || f.Addr.N == 0 {
			continue
		}
		switch a := askedOf(f); {
		case a.Agent != "" && !done[f.Addr]:
			x.ledger.presume(f.Attempt)
		case a.Effect == "run":
			child := id + "/" + f.Addr.String()
			below, err := x.Keep.Load(child)
			if err != nil {
				return fmt.Errorf("the record of run %s cannot be read: %w", child, err)
			}
			if err := x.rebook(child, below); err != nil {
				return err
			}
		}
	}
	return nil
}
