package builtins

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Parameters of gather, by index.
const (
	gatherOnError = 1 + iota
	gatherTimeout
)

func gatherDecl() *Decl {
	return &Decl{
		Name: "gather",
		Params: []Param{
			{Name: "calls", Type: "Call", Kind: Rest},
			{Name: "on_error", Type: `"fail" or "collect"`, Default: `"fail"`, Kind: Named},
			{Name: "timeout", Type: "duration", Default: "None", Kind: Named},
			{Name: "named", Type: "Call", Kind: Extra},
		},
		Result: "Outcomes or struct",
		Effect: true,
		Doc: `Makes different calls side by side, all at once, and waits for all of them.

Each is a Call from defer or a function without parameters. Calls given by position result in Outcomes, in the order of the arguments. Calls
given by name result in a struct of those names: of their values, or with on_error="collect" of their outcomes. The two kinds do not mix.
Failures, timeouts and freezing are as in parallel; .item of an outcome is the Call.

    def main(contract):
        r = gather(
            risk=defer(agent("risk").ask, "assess", text=contract),
            legal=defer(agent("legal").ask, "review", text=contract),
        )
        return {"risk": r.risk.value, "legal": r.legal.value}
`,
		Impl: gather,
	}
}

func gather(c *Call) (starlark.Value, error) {
	f := &fork{name: "gather"}
	if err := c.rules(f, -1, gatherTimeout, gatherOnError); err != nil {
		return nil, err
	}
	if len(c.Extra) == 0 {
		if err := f.call(c, c.Rest); err != nil {
			return nil, err
		}
		return f.outcomes(c.Thread)
	}
	if len(c.Rest) > 0 {
		return nil, fmt.Errorf("gather: %d calls have no name and %d have one, name all of them or none", len(c.Rest), len(c.Extra))
	}
	return gatherNamed(c, f)
}

func gatherNamed(c *Call, f *fork) (starlark.Value, error) {
	calls := make([]starlark.Value, len(c.Extra))
	for i, kv := range c.Extra {
		calls[i] = kv[1]
	}
	if err := f.call(c, calls); err != nil {
		return nil, err
	}
	f.label = func(i int) string { return string(c.Extra[i][0].(starlark.String)) }
	out, err := f.settle(c.Thread)
	if err != nil {
		return nil, err
	}
	fields := make(starlark.StringDict, len(calls))
	for i, kv := range c.Extra {
		name := string(kv[0].(starlark.String))
		if f.collect {
			fields[name] = &out.all[i]
		} else {
			fields[name] = out.all[i].value
		}
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, fields), nil
}
