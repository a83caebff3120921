package patterntest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// deck is a cassette in use by one test.
type deck struct {
	name      string
	recording bool

	known map[string]tapedAgent // by name
	calls []taped               // when recording: so far

	recorded []*recorded          // when playing: in the order of addresses
	taken    map[string]*recorded // by id of the call
	pending  map[string]bool      // agents of which a call was cancelled
}

// recorded is one call with its attempts.
type recorded struct {
	tries []taped
	used  int // attempts that were made again
	taken bool
}

// play makes the deck that answers from a tape.
func play(name string, t *tape) *deck {
	d := &deck{name: name, known: make(map[string]tapedAgent), taken: make(map[string]*recorded), pending: make(map[string]bool)}
	for _, a := range t.Agents {
		d.known[a.Name] = a
	}
	calls := slices.Clone(t.Calls)
	slices.SortStableFunc(calls, func(a, b taped) int { return a.compare(&b) })
	for _, c := range calls {
		if c.Cancelled {
			d.pending[agentOf(c.Request)] = true
		}
		if n := len(d.recorded); n > 0 {
			if last := d.recorded[n-1]; last.tries[0].Run == c.Run && last.tries[0].At == c.At {
				last.tries = append(last.tries, c)
				continue
			}
		}
		d.recorded = append(d.recorded, &recorded{tries: []taped{c}})
	}
	return d
}

// agentOf is the agent that a request is for.
func agentOf(request runtime.Payload) string {
	v, err := runtime.Decode(request)
	if err != nil {
		return ""
	}
	fields, ok := v.(*starlark.Dict)
	if !ok {
		return ""
	}
	name, _, _ := fields.Get(starlark.String("agent"))
	s, _ := name.(starlark.String)
	return string(s)
}

// info is what is known of an agent that is not scripted.
func (d *deck) info(name string) (runtime.AgentInfo, bool) {
	a := d.known[name]
	info := runtime.AgentInfo{Name: name, Capabilities: a.Capabilities, AtMostOnce: a.AtMostOnce, Idempotent: a.Idempotent}
	info.Instant = !d.pending[name]
	return info, !a.Absent
}

// lookup gives the recorded agents of a capability; "" means all.
func (d *deck) lookup(capability string) []runtime.AgentInfo {
	var found []runtime.AgentInfo
	for _, name := range slices.Sorted(maps.Keys(d.known)) {
		a := d.known[name]
		if info, ok := d.info(name); ok && (capability == "" || slices.Contains(a.Capabilities, capability)) {
			found = append(found, info)
		}
	}
	return found
}

// note remembers what is known of an agent.
func (d *deck) note(info runtime.AgentInfo, there bool) {
	d.known[info.Name] = tapedAgent{
		Name: info.Name, Absent: !there, Capabilities: info.Capabilities, AtMostOnce: info.AtMostOnce, Idempotent: info.Idempotent,
	}
}

// tape gives what was recorded.
func (d *deck) tape() *tape {
	t := &tape{Calls: slices.Clone(d.calls)}
	for _, name := range slices.Sorted(maps.Keys(d.known)) {
		t.Agents = append(t.Agents, d.known[name])
	}
	slices.SortStableFunc(t.Calls, func(a, b taped) int { return a.compare(&b) })
	return t
}

// placeOf is where a call is: the run below that of the test, and the address.
func placeOf(c runtime.Call) (run, at string) {
	_, run, _ = strings.Cut(c.Run, "/")
	return run, strings.TrimPrefix(c.ID, c.Run+"/")
}

// branchOf is the branch of a call at an address.
func branchOf(run, at string) (string, runtime.Path) {
	a, _ := runtime.ParseAddress(at)
	return run, a.Path
}

// find gives what is recorded of a call, nil for nothing. Of equal requests each branch is given its own in their order, then the first that was
// not used: so answers stay where they are when something else is done between the calls.
func (d *deck) find(c runtime.Call, request runtime.Payload) *taped {
	r := d.taken[c.ID]
	if r == nil {
		run, path := branchOf(placeOf(c))
		for _, each := range d.recorded {
			if each.taken || !bytes.Equal(each.tries[0].Request, request) {
				continue
			}
			if itsRun, its := branchOf(each.tries[0].Run, each.tries[0].At); itsRun == run && its == path {
				r = each
				break
			}
			if r == nil {
				r = each
			}
		}
		if r == nil {
			return nil
		}
		r.taken = true
		d.taken[c.ID] = r
	}
	if r.used == len(r.tries) {
		return nil
	}
	r.used++
	return &r.tries[r.used-1]
}

// miss is the error of a call that was not recorded.
func (d *deck) miss(c runtime.Call, request runtime.Payload) *runtime.Error {
	for _, r := range d.recorded {
		if bytes.Equal(r.tries[0].Request, request) {
			return broken("agent %q was asked once more than %s has answers to this request: %s", c.Agent, d.name, askedText(c))
		}
	}
	near := d.nearest(request)
	if near == nil {
		return broken("agent %q was asked, and %s has no call of it: %s", c.Agent, d.name, askedText(c))
	}
	return broken("agent %q was asked what %s does not hold; the nearest request is the one recorded at %s\n  - recorded, + asked\n%s",
		c.Agent, d.name, near.place(), indented(Diff(requestText(near.Request), requestText(request))))
}

// nearestOf bounds how many requests are compared with one that was not recorded.
const nearestOf = 200

// nearest gives the recorded request that differs least, of the same agent; of equal ones an unused one, then the first.
func (d *deck) nearest(request runtime.Payload) *taped {
	var best *taped
	least := 0
	want, agent := strings.Split(requestText(request), "\n"), agentOf(request)
	left := nearestOf
	for _, r := range d.recorded {
		if left == 0 || agentOf(r.tries[0].Request) != agent {
			continue
		}
		left--
		changes := 0
		for _, e := range editsOf(strings.Split(requestText(r.tries[0].Request), "\n"), want) {
			if e.mark != ' ' {
				changes += 2
			}
		}
		if r.taken {
			changes++
		}
		if best == nil || changes < least {
			best, least = &r.tries[0], changes
		}
	}
	return best
}

// requestText is a request on several lines, for people.
func requestText(request runtime.Payload) string {
	v, err := runtime.Decode(request)
	if err != nil {
		return string(request)
	}
	fields, ok := v.(*starlark.Dict)
	if !ok {
		return string(request)
	}
	var b strings.Builder
	for _, kv := range fields.Items() {
		name, _ := kv[0].(starlark.String)
		if name == "effect" {
			continue
		}
		b.WriteString(string(name) + ": ")
		writeLined(&b, kv[1], "")
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// unused tells of answers that nobody asked for, "" when there are none.
func (d *deck) unused(test string) string {
	var left []string
	for _, r := range d.recorded {
		for i := r.used; i < len(r.tries); i++ {
			if t := &r.tries[i]; !t.Cancelled {
				left = append(left, agentOf(t.Request)+" at "+t.place())
			}
		}
	}
	if len(left) == 0 {
		return ""
	}
	shown := strings.Join(left[:min(len(left), 5)], ", ")
	if len(left) > 5 {
		shown += ", ..."
	}
	return fmt.Sprintf("%s: nobody asked for %d of the answers that are recorded for %s: %s; record it again with --record", d.name, len(left), test, shown)
}

// replay answers a call from the recording.
func (w *World) replay(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	request := runtime.Request(c.AgentCall)
	w.mu.Lock()
	t := w.deck.find(c, request)
	if t == nil {
		e := w.deck.miss(c, request)
		e.Hint = w.rerecord()
		w.mu.Unlock()
		return runtime.Answer{}, e
	}
	w.mu.Unlock()
	switch {
	case t.Cancelled:
		if err := pause(ctx, 1<<62, c.Timeout); err != nil {
			return runtime.Answer{}, err
		}
	case t.Error != nil:
		return runtime.Answer{}, t.Error.error()
	}
	return runtime.ParseAnswer(t.Answer)
}

// record asks the real agent, and keeps what it answers as a replay will give it.
func (w *World) record(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	request := runtime.Request(c.AgentCall)
	if name, found := w.secretIn(request); found {
		e := broken("the question to agent %q holds the value of %s, which must not be recorded", c.Agent, name)
		e.Hint = "give it to the agent with secrets = [...] in parallax.toml"
		return runtime.Answer{}, e
	}
	a, err := w.Real.Call(ctx, c)
	t := taped{Request: request}
	t.Run, t.At = placeOf(c)
	if c.Attempt > 1 {
		t.Attempt = c.Attempt
	}
	failed, ours := err.(*runtime.Error) //nolint:errorlint // what an agent did wrong is not wrapped
	switch {
	case ctx.Err() != nil:
		t.Cancelled = true
	case err != nil && !ours:
		return a, err
	case err != nil:
		t.Error = &tapedError{Code: failed.Code, Message: failed.Message, Hint: failed.Hint, Retryable: failed.Retryable, Details: failed.Details}
		if err := w.redactError(t.Error); err != nil {
			return a, err
		}
		kept := t.Error.error()
		kept.Cause = failed.Cause
		err = kept
	default:
		for i := range a.Artifacts {
			a.Artifacts[i].Path = "" // of this machine
		}
		a.Agent, a.Attempts = "", 0
		if t.Answer, err = w.redact(a.Payload()); err != nil {
			return a, err
		}
		a, err = runtime.ParseAnswer(t.Answer)
	}
	w.mu.Lock()
	w.deck.calls = append(w.deck.calls, t)
	w.mu.Unlock()
	return a, err
}

func (t *tapedError) error() *runtime.Error {
	return &runtime.Error{Code: t.Code, Message: t.Message, Hint: t.Hint, Retryable: t.Retryable, Details: t.Details}
}
