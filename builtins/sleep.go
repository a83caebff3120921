package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func sleepDecl() *Decl {
	return &Decl{
		Name:   "sleep",
		Params: []Param{{Name: "duration", Type: "duration"}},
		Result: "None",
		Effect: true,
		Doc: `Pauses this branch; other branches go on.

duration is a string like "250ms", "90s" or "1h30m", or a number of seconds. The end of the pause is recorded when it begins: a run that is
resumed after that does not wait again. Zero does nothing but is recorded.

    def main():
        for _ in range(3):
            agent("poller").ask("look again")
            sleep("30s")
`,
		Impl: func(c *Call) (starlark.Value, error) {
			d, err := durationArg(c.Args[0])
			if err != nil {
				return nil, fmt.Errorf("sleep: %w", err)
			}
			if _, err := c.do(runtime.Sleep{For: d}); err != nil {
				return nil, err
			}
			return starlark.None, nil
		},
	}
}
