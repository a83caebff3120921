package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func nowDecl() *Decl {
	return &Decl{
		Name:   "now",
		Result: "time",
		Effect: true,
		Doc: `Gives the time of the run, in UTC.

It is the latest time that was recorded where this branch can see it: that of its last effect, of the fork that began it, or of the branches it has
joined. So it never goes back, a replay sees the same times, and between two effects it stands still. time - time is a duration; in
inputs and results a time is a string like "2026-03-01T12:00:00Z".

    def main(question):
        start = now()
        answer = agent("chat").ask(question)
        return {"answer": answer.value, "took": (now() - start).seconds}
`,
		Impl: func(c *Call) (starlark.Value, error) {
			b, err := runtime.BranchOf(c.Thread)
			if err != nil {
				return nil, outOfPlace("now", err)
			}
			return instantOf(b.Effects().Now()), nil
		},
	}
}
