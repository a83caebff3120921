package patterntest

import (
	"cmp"
	"context"
	"fmt"
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
	handle starlark.Value // the builtin agent

	mu        sync.Mutex
	agents    map[string]*script
	asked     []asked
	decisions []*decision
	events    []runtime.Event // those of emit and gate
}

// asked is one attempt at a call.
type asked struct {
	run  string
	at   runtime.Address
	n    int
	call runtime.AgentCall
}

// Info gives every name an agent. One that the test did not script ends the test when it is asked.
func (w *World) Info(name string) (runtime.AgentInfo, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, ok := w.agents[name]; ok {
		return s.info, true
	}
	return runtime.AgentInfo{Name: name, Instant: true}, true
}

// Lookup gives the scripted agents that have a capability, sorted by name; "" means all.
func (w *World) Lookup(capability string) []runtime.AgentInfo {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []runtime.AgentInfo
	for _, s := range w.agents {
		if capability == "" || slices.Contains(s.info.Capabilities, capability) {
			found = append(found, s.info)
		}
	}
	slices.SortFunc(found, func(a, b runtime.AgentInfo) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// HowToHave says how a test comes by an agent that has a capability.
func (w *World) HowToHave(capability string) string {
	return fmt.Sprintf("add scripted(\"name\", ..., capabilities = [%q]) to the test", capability)
}

// Call answers as the test scripted it.
func (w *World) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	s, err := w.next(c)
	if err != nil {
		return runtime.Answer{}, err
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

// next notes a call and gives what follows it.
func (w *World) next(c runtime.Call) (step, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, _ := runtime.ParseAddress(strings.TrimPrefix(c.ID, c.Run+"/"))
	w.asked = append(w.asked, asked{run: c.Run, at: at, n: c.Attempt, call: c.AgentCall})
	s, ok := w.agents[c.Agent]
	if !ok {
		e := broken("agent %q is not scripted", c.Agent)
		e.Hint = fmt.Sprintf("add scripted(%q, ...) to the test", c.Agent)
		return step{}, e
	}
	s.asked++
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
	if e.Kind != runtime.Emitted && e.Kind != runtime.GateChecked {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
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
