package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func patternDecl() *Decl {
	return &Decl{
		Name: "pattern",
		Params: []Param{
			{Name: "description", Type: "str", Default: `""`},
			{Name: "agents", Type: "[str]", Default: "[]", Kind: Named},
			{Name: "budget", Type: "Budget", Default: "None", Kind: Named},
		},
		Result: "None",
		Doc: `Says something about the pattern, at the top level of its file: what it does, which agents it needs, what it may cost.

It is optional. Descriptions are shown by list and search; agents that are named here are resolved before main starts, beside those that the source asks by a literal
name; the budget bounds every run of the pattern. Inputs are not declared here: they are the parameters of main.

    pattern(
        description="Asks several models and says where they agree.",
        agents=["fast", "thorough"],
        budget=budget(cost=1.0),
    )

    def main(question):
        return [agent(n).ask(question).value for n in ["fast", "thorough"]]
`,
		Impl: func(c *Call) (starlark.Value, error) {
			meta := runtime.MetaOf(c.Thread)
			if meta == nil {
				return nil, &runtime.Error{
					Code:    runtime.Script,
					Message: "pattern: it describes the file and stands at its top level, not in a function",
					Hint:    "move it above def main",
				}
			}
			description, err := c.textArg(0)
			if err != nil {
				return nil, err
			}
			agents, err := c.textsArg(1)
			if err != nil {
				return nil, err
			}
			m := runtime.Meta{Description: description, Agents: agents}
			if c.given(2) {
				b, ok := c.Args[2].(*budget)
				if !ok {
					return nil, c.wrong(2, "got %s, want budget(...)", runtime.A(c.Args[2].Type()))
				}
				m.Budget = b.BudgetLimits
			}
			*meta = m
			return starlark.None, nil
		},
	}
}
