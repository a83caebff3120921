package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func logDecl() *Decl {
	return &Decl{
		Name: "log",
		Params: []Param{
			{Name: "message", Type: "any"},
			{Name: "fields", Type: "any", Kind: Extra},
		},
		Result: "None",
		Effect: true,
		Doc: `Writes a line to the run's log, with fields.

The message is what str() makes of it; fields must have a JSON form. Lines are events, shown on the screen while the run goes on. print(...)
does the same without fields.

    def main(score):
        log("scored", score=score, good=score > 0.8)
`,
		Impl: func(c *Call) (starlark.Value, error) {
			text, err := textOf(c.Thread, c.Args[0])
			if err != nil {
				return nil, err
			}
			return c.tell(runtime.Logged, text, "field")
		},
	}
}
