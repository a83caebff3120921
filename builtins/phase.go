package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func phaseDecl() *Decl {
	return &Decl{
		Name:   "phase",
		Params: []Param{{Name: "title", Type: "str"}},
		Result: "None",
		Effect: true,
		Doc: `Begins a phase of the run: what follows on this branch belongs to it, until the next phase.

Phases are how the live tree and the summary group what happened. They change nothing else.

    def main(text):
        phase("Review")
        notes = agent("critic").ask("review", text=text).value
        phase("Rewrite")
        return agent("writer").ask("rewrite", text=text, notes=notes).value
`,
		Impl: func(c *Call) (starlark.Value, error) {
			title, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			return c.tell(runtime.PhaseStarted, title, "field")
		},
	}
}
