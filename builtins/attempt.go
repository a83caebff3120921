package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// tried is what attempt gives. Its attributes cannot be changed.
type tried struct {
	value starlark.Value // None after an error
	err   *runtime.Error
}

func (a *tried) String() string {
	if a.err != nil {
		return "attempt(error=" + failure{a.err}.String() + ")"
	}
	return "attempt(value=" + a.value.String() + ")"
}
func (a *tried) Type() string          { return "attempt" }
func (a *tried) Freeze()               { a.value.Freeze() }
func (a *tried) Truth() starlark.Bool  { return a.err == nil }
func (a *tried) Hash() (uint32, error) { return 0, fmt.Errorf("an attempt cannot be a key") }
func (a *tried) AttrNames() []string   { return []string{"error", "ok", "value"} }

// Attr gives ok, value or error.
func (a *tried) Attr(name string) (starlark.Value, error) {
	switch name {
	case "ok":
		return a.Truth(), nil
	case "value":
		return a.value, nil
	case "error":
		if a.err == nil {
			return starlark.None, nil
		}
		return failure{a.err}, nil
	}
	return nil, nil
}

// Plain is the attempt as it goes into results and inputs.
func (a *tried) Plain() starlark.Value {
	d := starlark.NewDict(2)
	setKey(d, "ok", a.Truth())
	if a.err != nil {
		setKey(d, "error", failure{a.err})
	} else {
		setKey(d, "value", a.value)
	}
	return d
}

func attemptDecl() *Decl {
	return &Decl{
		Name: "attempt",
		Params: []Param{
			{Name: "fn", Type: "function"},
			{Name: "args", Type: "any", Kind: Rest},
			{Name: "kwargs", Type: "any", Kind: Extra},
		},
		Result: "Attempt",
		Doc: `Calls fn(*args, **kwargs) and gives an error as data instead of raising it.

The Attempt has .ok, .value (None after an error) and .error (None after success), and is true when it is ok. An error has .code .message .retryable
.details .agent .attempts .hint and .trace, and str() of it is "code: message".

Caught are the failures of effects and fail(): "timeout", "unavailable", "refused", "schema", "not_found", "fail", "budget", "unknown_outcome" and
"conflict". Not caught, ever, are bugs in the script (wrong types, missing keys ...), limits, cancellation and trouble of the host. The call
runs in place: it is not a branch, and nothing is frozen.

    def main(question):
        a = attempt(agent("primary").ask, question)
        if not a.ok:
            log("falling back", why=a.error.message)
            return agent("backup").ask(question).value
        return a.value.value
`,
		Impl: func(c *Call) (starlark.Value, error) {
			fn, err := c.callableArg(0)
			if err != nil {
				return nil, err
			}
			v, err := starlark.Call(c.Thread, fn, c.Rest, c.Extra)
			if err == nil {
				return &tried{value: v}, nil
			}
			caught := runtime.Caught(c.Thread, err)
			if caught == nil {
				return nil, err
			}
			return &tried{value: starlark.None, err: caught}, nil
		},
	}
}
