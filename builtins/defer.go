package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// deferred is a call as data. Calling it without arguments makes the call.
type deferred struct {
	fn     starlark.Callable
	args   starlark.Tuple
	kwargs []starlark.Tuple
	pos    syntax.Position // of defer(...)
}

func (d *deferred) Name() string          { return d.fn.Name() }
func (d *deferred) Type() string          { return "call" }
func (d *deferred) Truth() starlark.Bool  { return true }
func (d *deferred) Hash() (uint32, error) { return 0, fmt.Errorf("a call cannot be a key") }

// String writes the call as a script would.
func (d *deferred) String() string {
	parts := make([]string, 0, len(d.args)+len(d.kwargs))
	for _, v := range d.args {
		parts = append(parts, v.String())
	}
	for _, kv := range d.kwargs {
		parts = append(parts, string(kv[0].(starlark.String))+"="+kv[1].String())
	}
	return d.fn.Name() + "(" + strings.Join(parts, ", ") + ")"
}

// Freeze freezes what the call reaches.
func (d *deferred) Freeze() {
	d.fn.Freeze()
	d.args.Freeze()
	for _, kv := range d.kwargs {
		kv[1].Freeze()
	}
}

// label is what people call a branch that makes the call: its function, and the first argument when that is short.
func (d *deferred) label() string {
	name := d.fn.Name()
	if d.fn.Name() == "lambda" {
		return "lambda at " + d.pos.String()
	}
	if len(d.args) == 0 {
		return name
	}
	return clipped(name+" "+labelOf(d.args[0]), maxLabel)
}

// CallInternal makes the call.
func (d *deferred) CallInternal(t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args)+len(kwargs) > 0 {
		return nil, fmt.Errorf("%s: a deferred call takes no further arguments, give them to defer", d.fn.Name())
	}
	return starlark.Call(t, d.fn, d.args, d.kwargs)
}

func deferDecl() *Decl {
	return &Decl{
		Name: "defer",
		Params: []Param{
			{Name: "fn", Type: "function"},
			{Name: "args", Type: "any", Kind: Rest},
			{Name: "kwargs", Type: "any", Kind: Extra},
		},
		Result: "Call",
		Doc: `Makes a call as data: the function and its arguments, to be called later by gather, race, within or attempt.

The arguments are evaluated now, so a loop may defer its items safely, where a lambda would see only the last one. A Call prints as the call
it is and, called without arguments, makes it. It is not an effect, and it runs nothing by itself.

    def main(doc):
        return race(
            defer(agent("reader-a").ask, "extract", doc=doc),
            defer(agent("reader-b").ask, "extract", doc=doc),
        ).value
`,
		Impl: func(c *Call) (starlark.Value, error) {
			fn, err := c.callableArg(0)
			if err != nil {
				return nil, err
			}
			d := &deferred{fn: fn, args: c.Rest, kwargs: c.Extra}
			if c.Thread.CallStackDepth() > 1 {
				d.pos = c.Thread.CallFrame(1).Pos
			}
			return d, nil
		},
	}
}
