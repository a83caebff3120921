package patterntest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// decision is what the person of a test decides.
type decision struct {
	choice  string // "" decides nothing, until the time is over
	title   string // "" means any
	by      string
	comment string
	used    bool
}

// Decide decides as the test says: by the first decision of that title that was not used, else by the last one again.
func (w *World) Decide(_ context.Context, a runtime.Approval) (runtime.Payload, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var d *decision
	for _, each := range w.decisions {
		if each.title != "" && each.title != a.Title {
			continue
		}
		if d = each; !d.used {
			break
		}
	}
	switch {
	case d == nil:
		e := broken("nobody is there to decide %q", a.Title)
		e.Hint = fmt.Sprintf("add decides(%q) to the test", a.Options[0])
		return nil, e
	case d.choice == "":
		d.used = true
		return nil, runtime.Errorf(runtime.Timeout, "nobody decided %q within %s", a.Title, a.Timeout)
	case !slices.Contains(a.Options, d.choice):
		return nil, broken("the person of the test decides %q, and %q has the options %q", d.choice, a.Title, a.Options)
	}
	d.used = true
	return runtime.EncodeFields([]starlark.Tuple{
		{starlark.String("by"), starlark.String(d.by)},
		{starlark.String("choice"), starlark.String(d.choice)},
		{starlark.String("comment"), starlark.String(d.comment)},
	})
}

func decidesDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "decides",
		Params: []builtins.Param{
			{Name: "choice", Type: "str"},
			{Name: "title", Type: "str", Default: "None", Kind: builtins.Named},
			{Name: "comment", Type: "str", Default: `""`, Kind: builtins.Named},
			{Name: "by", Type: "str", Default: `"ada"`, Kind: builtins.Named},
		},
		Result: "None",
		Doc: `Says what the person of this test chooses when approve asks.

Decisions are used in order, and the last one again and again; one with a title only where approve has that title. A choice of None means that
nobody decides in time. Being asked without a decision fails the test.

    decides("reject", title="Publish this?", comment="too long")
    decides("approve")
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			w, err := worldOf(c)
			if err != nil {
				return nil, err
			}
			d := &decision{}
			for i, field := range []*string{&d.choice, &d.title, &d.comment, &d.by} {
				if *field, err = text(c, i); err != nil {
					return nil, err
				}
			}
			if c.Args[3] == nil {
				d.by = "ada"
			}
			w.mu.Lock()
			w.decisions = append(w.decisions, d)
			w.mu.Unlock()
			return starlark.None, nil
		},
	}
}

func signalsDecl() *builtins.Decl {
	return &builtins.Decl{
		Name:   "signals",
		Params: []builtins.Param{{Name: "name", Type: "str"}, {Name: "values", Type: "any", Kind: builtins.Rest}},
		Result: "None",
		Doc: `Sends a signal to the pattern under test, for wait_for: one for each value, in order.

Without a value it sends None once. A signal waits until somebody waits for it. A pattern that waits without a timeout for one that was not
sent fails the test.

    signals("payment", {"amount": 12.5})
    assert.eq(wait_for("payment")["amount"], 12.5)
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			w, err := worldOf(c)
			if err != nil {
				return nil, err
			}
			name, err := text(c, 0)
			if err != nil {
				return nil, err
			}
			if name == "" {
				return nil, errors.New("signals: name: an empty string names nothing")
			}
			values := c.Rest
			if len(values) == 0 {
				values = starlark.Tuple{starlark.None}
			}
			for _, v := range values {
				p, err := runtime.Encode(v)
				if err != nil {
					return nil, fmt.Errorf("signals: %w", err)
				}
				w.Send(name, p)
			}
			return starlark.None, nil
		},
	}
}

func callsDecl() *builtins.Decl {
	return &builtins.Decl{
		Name:   "calls",
		Params: []builtins.Param{{Name: "name", Type: "str or Agent", Default: "None"}},
		Result: "[struct]",
		Doc: `Lists what the agents were asked so far: all of them, or the one of that name.

Each call has .agent, .task and .inputs, a dict. A repeated attempt is a call of its own. The order is that of the script's work, not
of arrival, so it is the same each time.

    assert.eq([c.agent for c in calls()], ["cheap", "dear"])
    assert.eq(calls("dear")[0].inputs["text"], "hello")
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			w, err := worldOf(c)
			if err != nil {
				return nil, err
			}
			if plain, ok := c.Args[0].(runtime.Plain); ok {
				c.Args[0] = plain.Plain()
			}
			name, err := text(c, 0)
			if err != nil {
				return nil, err
			}
			list, err := w.calls(name)
			return starlark.NewList(list), err
		},
	}
}

func emittedDecl() *builtins.Decl {
	return &builtins.Decl{
		Name:   "emitted",
		Params: []builtins.Param{{Name: "name", Type: "str"}},
		Result: "[dict]",
		Doc: `Lists the data of the events of that name so far, those of emit and of gate.

    assert.eq(emitted("draft.scored"), [{"index": 0, "score": 0.8}])
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			w, err := worldOf(c)
			if err != nil {
				return nil, err
			}
			name, err := text(c, 0)
			if err != nil {
				return nil, err
			}
			list, err := w.emitted(name)
			return starlark.NewList(list), err
		},
	}
}
