// Package enginetest is what every engine must do alike: cases of a pattern, scripted agents and inputs, with the result or error and the events
// that must come of them.
//
// An engine is hooked up by a function that runs one case, see Engine. Goldens are made by the engine in memory, and are the same for all others: they
// are derived from the facts that a run leaves, by Events, and say nothing of when something happened.
package enginetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// Engine runs a case to its end. The cast is who it asks, and is given every event; what happens to the run from outside is for it to do, too, with
// Cast.Outside.
type Engine func(t *testing.T, c *Case, cast *Cast) Outcome

// Outcome is what came of a case.
type Outcome struct {
	Run    string // its id, without a slash
	Result runtime.Payload
	Err    error
	Facts  map[string][]runtime.Fact // by run, child runs included; nil when the engine keeps none
	Broken string                    // how the host died on the way, so that attempts were made again; "" when it did not
}

// Run runs all cases on an engine, side by side.
func Run(t *testing.T, run Engine) {
	t.Helper()
	runAll(t, Cases(t), run)
}

func runAll(t *testing.T, cases []*Case, run Engine) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			cast := c.Cast()
			defer func() {
				if missing := cast.missing(); t.Failed() && len(missing) > 0 {
					t.Logf("the case still waits for %q", missing)
				}
			}()
			c.Check(t, run(t, c, cast))
			for id, attempts := range cast.Made() {
				require.Len(t, slices.Compact(attempts), len(attempts), "the same attempt at call %s was made twice", id)
			}
		})
	}
}

// Check compares what came of the case with what must come of it.
func (c *Case) Check(t *testing.T, o Outcome) {
	t.Helper()
	if o.Broken != "" && c.mayBe(o) {
		return
	}
	got := o.Goldens()
	if c.archive == nil && o.Err == nil {
		got["result"] = o.Result.String() + "\n"
	}
	for _, name := range []string{"error", "result"} {
		require.Equal(t, c.Want[name], got[name], "%s of %s; go test ./internal/enginetest -update rewrites it %s", name, c.Name, o.Broken)
	}
	if o.Facts == nil || c.archive == nil {
		return
	}
	want := c.Want["events"]
	if o.Broken != "" {
		want = withoutAttempts(want)
	}
	require.Equal(t, want, got["events"], "events of %s %s", c.Name, o.Broken)
}

// mayBe says whether this, too, may come of the case when the host died on the way.
func (c *Case) mayBe(o Outcome) bool {
	if e, ok := errors.AsType[*runtime.Error](o.Err); ok {
		return slices.Contains(c.Script.OrErrors, e.Code)
	}
	return o.Err == nil && slices.ContainsFunc(c.Script.Or, func(p runtime.Payload) bool { return string(p) == string(o.Result) })
}

// Goldens gives what came of a case as its golden files have it, by name.
func (o *Outcome) Goldens() map[string]string {
	got := make(map[string]string)
	if o.Err != nil {
		got["error"] = errorText(o.Err)
	} else {
		got["result"] = brief(o.Result) + "\n"
	}
	if o.Facts != nil {
		got["events"] = Events(o.Run, o.Facts)
		if o.Broken != "" {
			got["events"] = withoutAttempts(got["events"])
		}
	}
	return got
}

// errorText is an error as it must be on every engine. Where a run was when it was cancelled is no part of it: it may have been in many places.
func errorText(err error) string {
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		return fmt.Sprintf("%T: %v\n", err, err)
	}
	shown := struct {
		Code      runtime.Code    `json:"code"`
		Message   string          `json:"message"`
		Hint      string          `json:"hint,omitempty"`
		Agent     string          `json:"agent,omitempty"`
		Retryable bool            `json:"retryable,omitempty"`
		Details   json.RawMessage `json:"details,omitempty"`
		Trace     []string        `json:"trace,omitempty"`
	}{e.Code, e.Message, e.Hint, e.Agent, e.Retryable, json.RawMessage(e.Details), nil}
	if e.Code == runtime.Cancelled {
		shown.Agent, e = "", &runtime.Error{}
	}
	for _, f := range e.Trace {
		shown.Trace = append(shown.Trace, fmt.Sprintf("%s %s %s", f.Branch, f.Pos, f.Func))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(shown); err != nil {
		return err.Error()
	}
	return b.String()
}

// Family gives the facts of a run and of its child runs, by run; load gives those of one.
func Family(run string, load func(run string) ([]runtime.Fact, error)) (map[string][]runtime.Fact, error) {
	all := make(map[string][]runtime.Fact)
	for next := []string{run}; len(next) > 0; next = next[1:] {
		facts, err := load(next[0])
		if err != nil {
			return nil, err
		}
		if len(facts) == 0 {
			continue
		}
		all[next[0]] = facts
		for at, e := range effectsOf(only("run", facts)) {
			if e.kind == "run" && at.N > 0 {
				next = append(next, next[0]+"/"+at.String())
			}
		}
	}
	return all, nil
}

// Durable gives the ids of the agent calls that have an outcome: no engine may make them again.
func Durable(facts map[string][]runtime.Fact) []string {
	var ids []string
	for run, list := range facts {
		for i := range list {
			if f := &list[i]; f.Kind == runtime.Done && f.Attempt > 0 {
				ids = append(ids, run+"/"+f.Addr.String())
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// TakenSignal is one that a run took.
type TakenSignal struct{ Name, Value string }

// Taken counts the signals that a run and its child runs took.
func Taken(facts map[string][]runtime.Fact) map[TakenSignal]int {
	taken := make(map[TakenSignal]int)
	for _, list := range facts {
		for _, e := range effectsOf(only("wait_for", list)) {
			if e.kind != "wait_for" || e.done == nil || e.done.Err != nil {
				continue
			}
			var of struct{ Name string }
			if json.Unmarshal(e.request, &of) == nil {
				taken[TakenSignal{of.Name, e.done.Outcome.String()}]++
			}
		}
	}
	return taken
}
