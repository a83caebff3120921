package patterntest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/runtime"
)

// World is what one run of a test meets. It is for one run; an engine may call it from all branches at the same time.
type World struct {
	// What whoever runs the test may set before it begins.
	Send      func(name string, p runtime.Payload) // where signals go; at first they are dropped
	Real      Agents                               // what cassettes record; nil answers from them
	Secrets   []Secret                             // what must not be recorded
	Cassettes *Cassettes                           // shared by tests that may use the same one; at first of its own
	Update    bool                                 // write golden files

	handle starlark.Value // the builtin agent
	test   string
	file   string // of the test, as its package calls it
	beside beside

	mu        sync.Mutex
	agents    map[string]*script
	before    []*script // of agents that were scripted again
	asked     []asked
	decisions []*decision
	events    []runtime.Event // those of emit and gate
	awaited   string          // the last signal that somebody began to wait for
	deck      *deck           // the cassette, or nil
	reads     map[string]bool // files beside the test that it looked for
	wrote     map[string][]byte
}

// asked is one attempt at a call.
type asked struct {
	run  string
	at   runtime.Address
	n    int
	call runtime.AgentCall
}

// Info gives every name an agent. One that neither the test nor a cassette knows ends the test when it is asked.
func (w *World) Info(name string) (runtime.AgentInfo, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, ok := w.agents[name]; ok {
		return s.info, true
	}
	switch {
	case w.deck == nil:
		return runtime.AgentInfo{Name: name, Instant: true}, true
	case w.deck.recording:
		info, ok := w.Real.Info(name)
		info.Name = name
		w.deck.note(info, ok)
		return info, ok
	}
	return w.deck.info(name)
}

// Lookup gives the agents that have a capability, sorted by name; "" means all. They are those of the test and of its cassette.
func (w *World) Lookup(capability string) []runtime.AgentInfo {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []runtime.AgentInfo
	for _, s := range w.agents {
		if capability == "" || slices.Contains(s.info.Capabilities, capability) {
			found = append(found, s.info)
		}
	}
	for _, info := range w.unscripted(capability) {
		if _, ok := w.agents[info.Name]; !ok {
			found = append(found, info)
		}
	}
	slices.SortFunc(found, func(a, b runtime.AgentInfo) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// HowToHave says how a test comes by an agent that has a capability.
func (w *World) HowToHave(capability string) string {
	return fmt.Sprintf("add scripted(\"name\", ..., capabilities = [%q]) to the test", capability)
}

// unscripted gives the agents beside those that the test scripts.
func (w *World) unscripted(capability string) []runtime.AgentInfo {
	switch {
	case w.deck == nil:
		return nil
	case w.deck.recording:
		found := w.Real.Lookup(capability)
		for _, info := range found {
			if _, ok := w.agents[info.Name]; !ok {
				w.deck.note(info, true)
			}
		}
		return found
	}
	return w.deck.lookup(capability)
}

// Call answers as the test scripted it, or from its cassette.
func (w *World) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	s, err := w.next(c)
	if err != nil {
		return runtime.Answer{}, err
	}
	if s.taped {
		return w.fromDeck(ctx, c)
	}
	if s.fn != nil {
		if s, err = s.ask(c); err != nil {
			return runtime.Answer{}, err
		}
	}
	if err := pause(ctx, s.after, c.Timeout); err != nil {
		return runtime.Answer{}, err
	}
	if s.err != nil {
		e := *s.err
		return runtime.Answer{}, &e
	}
	return s.answer, nil
}

func (w *World) fromDeck(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	if w.deck.recording {
		return w.record(ctx, c)
	}
	return w.replay(ctx, c)
}

// next notes a call and gives what follows it.
func (w *World) next(c runtime.Call) (step, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, _ := runtime.ParseAddress(strings.TrimPrefix(c.ID, c.Run+"/"))
	w.asked = append(w.asked, asked{run: c.Run, at: at, n: c.Attempt, call: c.AgentCall})
	s, ok := w.agents[c.Agent]
	if !ok && w.deck != nil {
		return step{taped: true}, nil
	}
	if !ok {
		e := broken("agent %q is not scripted", c.Agent)
		e.Hint = fmt.Sprintf("add scripted(%q, ...) to the test, or cassette() and record it", c.Agent)
		return step{}, e
	}
	s.asked++
	if s.expect != nil {
		if err := s.expect.check(s.asked, c); err != nil {
			return step{}, err
		}
	}
	if s.always {
		return s.steps[0], nil
	}
	if s.asked > len(s.steps) {
		e := broken("agent %q was asked once more than its script has answers, which is %d", c.Agent, len(s.steps))
		e.Hint = "add to its answers=, or script one answer that it gives always"
		return step{}, e
	}
	return s.steps[s.asked-1], nil
}

// Finish ends a test whose run ended in err, nil for well. It gives the error of the test, and what a person should know: it checks that all that
// the test expects has come, and writes what was recorded. A run that was stopped, or that the host broke off, records nothing.
func (w *World) Finish(err error) (warnings []string, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deck != nil && w.deck.recording && ended(err) {
		if trouble := w.Cassettes.record(w.beside, w.deck.name, w.test, w.deck.tape()); trouble != nil {
			return nil, cmp.Or(err, fault(trouble, "the answers are lost; make it possible to write it, and record again"))
		}
	}
	if err != nil {
		return nil, err
	}
	if err := w.unmet(); err != nil {
		return nil, err
	}
	if w.deck != nil && !w.deck.recording {
		if left := w.deck.unused(w.test); left != "" {
			warnings = append(warnings, left)
		}
	}
	return warnings, nil
}

// ended says whether a run came to an end of its own.
func ended(err error) bool {
	if err == nil {
		return true
	}
	_, host := errors.AsType[*runtime.HostError](err)
	e, ours := errors.AsType[*runtime.Error](err)
	return ours && !host && e.Code != runtime.Cancelled && e.Code != runtime.Limit
}

// unmet is the error of an expectation to which no call came.
func (w *World) unmet() error {
	all := slices.Clone(w.before)
	for _, name := range slices.Sorted(maps.Keys(w.agents)) {
		all = append(all, w.agents[name])
	}
	for _, s := range all {
		if s.expect == nil {
			continue
		}
		if err := s.expect.unmet(s.info.Name, s.asked); err != nil {
			return err
		}
	}
	return nil
}

// Reads gives the paths of the files beside the test that it looked for, sorted.
func (w *World) Reads() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(w.reads)) {
		paths = append(paths, w.beside.path(name))
	}
	return paths
}

// pause is how long an agent works on an answer. It ends early when the call does.
func pause(ctx context.Context, work, timeout time.Duration) error {
	late := timeout > 0 && work > timeout
	if late {
		work = timeout
	}
	if work > 0 {
		timer := time.NewTimer(work)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return runtime.ErrCancelled()
		}
	}
	if late {
		e := runtime.Errorf(runtime.Timeout, "no answer within %s", timeout)
		e.Retryable = true
		return e
	}
	return nil
}

// Event takes what happens in the run.
func (w *World) Event(e runtime.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind { //nolint:exhaustive // the others are of no interest here
	case runtime.Emitted, runtime.GateChecked:
		w.events = append(w.events, e)
	case runtime.SignalAwaited:
		w.awaited = e.Name
	}
}

// Unsent is the error of a test that waits for what nobody sends or decides.
func (w *World) Unsent(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.awaited == "" {
		return err
	}
	e := broken("the pattern waits for the signal %q, and the test did not send it", w.awaited)
	e.Hint = fmt.Sprintf("add signals(%q, VALUE) to the test, before what waits", w.awaited)
	return e
}

// calls lists the calls so far by address, those of one agent or, for "", of all.
func (w *World) calls(name string) ([]starlark.Value, error) {
	w.mu.Lock()
	list := slices.Clone(w.asked)
	w.mu.Unlock()
	slices.SortStableFunc(list, func(a, b asked) int {
		return cmp.Or(strings.Compare(a.run, b.run), a.at.Compare(b.at), cmp.Compare(a.n, b.n))
	})
	var out []starlark.Value
	for _, c := range list {
		if name != "" && c.call.Agent != name {
			continue
		}
		inputs, err := decoded(c.call.Input)
		if err != nil {
			return nil, err
		}
		out = append(out, starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
			"agent": starlark.String(c.call.Agent), "task": starlark.String(c.call.Task), "inputs": inputs,
		}))
	}
	return out, nil
}

// emitted lists the data of the events of a name so far, by address.
func (w *World) emitted(name string) ([]starlark.Value, error) {
	w.mu.Lock()
	list := slices.Clone(w.events)
	w.mu.Unlock()
	slices.SortStableFunc(list, func(a, b runtime.Event) int {
		return cmp.Or(strings.Compare(a.Run, b.Run), a.Addr.Compare(b.Addr))
	})
	var out []starlark.Value
	for _, e := range list {
		if e.Name != name {
			continue
		}
		data, err := decoded(e.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

// decoded is a payload as a value; none at all is an empty object.
func decoded(p runtime.Payload) (starlark.Value, error) {
	if len(p) == 0 {
		return starlark.NewDict(0), nil
	}
	return runtime.Decode(p)
}
