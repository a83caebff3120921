package builtins

import (
	"go.starlark.net/starlark"
)

func withinDecl() *Decl {
	return &Decl{
		Name: "within",
		Params: []Param{
			{Name: "duration", Type: "duration"},
			{Name: "fn", Type: "function"},
			{Name: "args", Type: "any", Kind: Rest},
			{Name: "kwargs", Type: "any", Kind: Extra},
		},
		Result: "any",
		Effect: true,
		Doc: `Calls fn(*args, **kwargs) and gives its value, unless it takes longer than duration.

When the time is up, whatever fn is waiting for is cancelled and the error is "timeout". An error of fn is raised as it is. The call is a branch of
its own: the arguments and the value are frozen, and what fn wrote to state is kept only if it came to an end. The deadline is recorded, so a run that is
resumed does not start its time anew.

    def main(text):
        a = attempt(within, "90s", refine, text)
        return a.value if a.ok else text
`,
		Impl: func(c *Call) (starlark.Value, error) {
			fn, err := c.callableArg(1)
			if err != nil {
				return nil, err
			}
			f := &fork{name: "within", what: fn.Name()}
			if f.timeout, err = c.durationArg(0, 0); err != nil {
				return nil, err
			}
			if err := f.call(c, []starlark.Value{&deferred{fn: fn, args: c.Rest, kwargs: c.Extra}}); err != nil {
				return nil, err
			}
			out, err := f.settle(c.Thread)
			if err != nil {
				return nil, err
			}
			return out.all[0].value, nil
		},
	}
}
