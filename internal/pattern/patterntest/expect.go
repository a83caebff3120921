package patterntest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/runtime/guard"
)

// expected is how a test expects an agent to be asked. It is immutable.
type expected struct {
	task    *string
	matches *regexp.Regexp
	inputs  []starlark.Tuple // names and values that the call must have
	exact   bool             // and no others
}

func (e *expected) String() string        { return "expect(" + e.text() + ")" }
func (e *expected) Type() string          { return "expectation" }
func (e *expected) Freeze()               {}
func (e *expected) Truth() starlark.Bool  { return true }
func (e *expected) Hash() (uint32, error) { return 0, errors.New("an expectation cannot be a key") }

// text says what is expected.
func (e *expected) text() string {
	var parts []string
	if e.task != nil {
		parts = append(parts, "task="+starlark.String(*e.task).String())
	}
	if e.matches != nil {
		parts = append(parts, "matches="+starlark.String(e.matches.String()).String())
	}
	if e.inputs != nil {
		inputs := starlark.NewDict(len(e.inputs))
		for _, kv := range e.inputs {
			_ = inputs.SetKey(kv[0], kv[1]) // names are strings
		}
		parts = append(parts, "inputs="+shown(inputs))
	}
	return strings.Join(parts, ", ")
}

// fits says whether a call is as expected.
func (e *expected) fits(task string, inputs *starlark.Dict) (bool, error) {
	if e.task != nil && *e.task != task || e.matches != nil && !e.matches.MatchString(task) {
		return false, nil
	}
	for _, kv := range e.inputs {
		got, found, err := inputs.Get(kv[0])
		if err != nil || !found {
			return false, err
		}
		if same, err := starlark.EqualDepth(got, kv[1], equalDepth); !same {
			return false, err
		}
	}
	return !e.exact || inputs.Len() == len(e.inputs), nil
}

func expectDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "expect",
		Params: []builtins.Param{
			{Name: "task", Type: "str", Default: "None"},
			{Name: "inputs", Type: "dict", Default: "None"},
			{Name: "matches", Type: "str", Default: "None", Kind: builtins.Named},
			{Name: "exact", Type: "bool", Default: "False", Kind: builtins.Named},
		},
		Result: "expectation",
		Doc: `How a scripted agent expects to be asked.

task is the whole text, matches a regular expression that is looked for in it. inputs are named inputs that the call must have with these
values; with exact it may have no others. What is not given may be anything. scripted takes one expectation for all calls or a list of
them, one for each call; a text alone is a task.

    scripted("critic", "fine", expects=expect(matches="(?i)review", inputs={"lang": "go"}))
    scripted("writer", answers=["a", "b"], expects=["Write.", expect("Write again.", {"why": "too long"})])
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			e := &expected{exact: bool(truth(c.Args[3]))}
			if v := argument(c, 0); v != nil {
				task, err := text(c, 0)
				if err != nil {
					return nil, err
				}
				e.task = &task
			}
			var err error
			if e.matches, err = expression(c, 2); err != nil {
				return nil, err
			}
			e.inputs, err = expectedInputs(c)
			return e, err
		},
	}
}

// expectedInputs are the inputs of an expectation as they will look when they have been sent.
func expectedInputs(c *builtins.Call) ([]starlark.Tuple, error) {
	v := argument(c, 1)
	if v == nil {
		return nil, nil
	}
	if _, ok := v.(*starlark.Dict); !ok {
		return nil, fmt.Errorf("%s: inputs: got %s, want a dict", c.Decl.Name, runtime.A(v.Type()))
	}
	p, err := runtime.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("%s: inputs: %w", c.Decl.Name, err)
	}
	sent, err := runtime.Decode(p)
	if err != nil {
		return nil, err
	}
	if err := guard.Freeze(sent); err != nil {
		return nil, err
	}
	items := sent.(*starlark.Dict).Items()
	if items == nil {
		items = []starlark.Tuple{}
	}
	return items, nil
}

// expectations are how an agent expects to be asked: each time, or one after the other.
type expectations struct {
	always *expected
	each   []*expected
	pos    string // where the test says so
}

// expectationsOf reads the parameter expects, None for no expectation.
func expectationsOf(c *builtins.Call, i int) (*expectations, error) {
	v := argument(c, i)
	if v == nil {
		return nil, nil
	}
	x := &expectations{pos: runtime.CallerPos(c.Thread)}
	if one, ok := expectationOf(v); ok {
		x.always = one
		return x, nil
	}
	list, ok := v.(starlark.Sequence)
	if !ok {
		return nil, fmt.Errorf("%s: expects: got %s, want a text, an expect(...) or a list of these", c.Decl.Name, runtime.A(v.Type()))
	}
	x.each = []*expected{}
	for v := range starlark.Elements(list) {
		one, ok := expectationOf(v)
		if !ok {
			return nil, fmt.Errorf("%s: expects: got %s in the list, want texts and expect(...)", c.Decl.Name, runtime.A(v.Type()))
		}
		x.each = append(x.each, one)
	}
	return x, nil
}

func expectationOf(v starlark.Value) (*expected, bool) {
	switch v := v.(type) {
	case *expected:
		return v, true
	case starlark.String:
		task := string(v)
		return &expected{task: &task}, true
	}
	return nil, false
}

// check says what is wrong with the nth call, from 1.
func (x *expectations) check(n int, c runtime.Call) error {
	e := x.always
	if e == nil {
		if n > len(x.each) {
			return broken("agent %q was asked once more than the test expects at %s, which is %d: %s", c.Agent, x.pos, len(x.each), askedText(c))
		}
		e = x.each[n-1]
	}
	v, err := decoded(c.Input)
	if err != nil {
		return &runtime.HostError{Err: err}
	}
	inputs, ok := v.(*starlark.Dict)
	if !ok {
		return &runtime.HostError{Err: fmt.Errorf("the inputs of a call are a %s", v.Type())}
	}
	fits, err := e.fits(c.Task, inputs)
	if err != nil {
		return broken("agent %q: %v", c.Agent, err)
	}
	if fits {
		return nil
	}
	return x.unlike(n, c, e, inputs)
}

// unlike is the error of a call that is not as expected.
func (x *expectations) unlike(n int, c runtime.Call, e *expected, inputs *starlark.Dict) error {
	got, want := askedText(c), e.text()
	message := fmt.Sprintf("agent %q, call %d, was not asked as the test expects at %s\n  asked    %s\n  expected %s", c.Agent, n, x.pos, got, want)
	if diff := e.diff(c.Task, inputs); diff != "" {
		message += "\n  - expected, + asked\n" + indented(diff)
	}
	failed := broken("%s", message)
	fields := []starlark.Tuple{{starlark.String("got"), starlark.String(got)}, {starlark.String("want"), starlark.String(want)}}
	if p, err := runtime.EncodeFields(fields); err == nil {
		failed.Details = p
	}
	return failed
}

// diff compares what is expected to be equal, where that takes several lines.
func (e *expected) diff(task string, inputs *starlark.Dict) string {
	var want, got []string
	if e.task != nil && *e.task != task && (len(task) > shortText || len(*e.task) > shortText) {
		want, got = append(want, "task "+*e.task), append(got, "task "+task)
	}
	for _, kv := range e.inputs {
		v, found, err := inputs.Get(kv[0])
		if err != nil || !found {
			continue
		}
		name := string(kv[0].(starlark.String))
		w, g := lined(kv[1]), lined(v)
		if w != g && (len(w) > shortText || len(g) > shortText) {
			want, got = append(want, name+" = "+w), append(got, name+" = "+g)
		}
	}
	return Diff(strings.Join(want, "\n"), strings.Join(got, "\n"))
}

// askedText says how an agent was asked, as an expectation would.
func askedText(c runtime.Call) string {
	text := "task=" + starlark.String(c.Task).String()
	if v, err := decoded(c.Input); err == nil {
		text += ", inputs=" + shown(v)
	}
	return text
}

// unmet is the error of an agent that was asked less often than the test expects.
func (x *expectations) unmet(agent string, n int) error {
	if x.always != nil && n > 0 || x.always == nil && n >= len(x.each) {
		return nil
	}
	var e *runtime.Error
	if x.always != nil {
		e = broken("agent %q was never asked, and the test expects: %s", agent, x.always.text())
	} else {
		e = broken("agent %q was asked %s, and the test expects %d; the next is: %s", agent, times(n), len(x.each), x.each[n].text())
	}
	e.Trace = []runtime.Frame{{Func: "scripted", Pos: x.pos}}
	return e
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
