package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func waitForDecl() *Decl {
	return &Decl{
		Name: "wait_for",
		Params: []Param{
			{Name: "name", Type: "str"},
			{Name: "timeout", Type: "duration", Default: "None", Kind: Named},
		},
		Result: "any",
		Effect: true,
		Doc: `Waits for a signal from outside the run and gives what it carries.

Signals of one name are taken first in, first out, each by one branch only; of the branches that wait for one name, the one with the lowest address takes
the next. A signal that came before anybody waited is kept. When timeout passes first, the error is "timeout". The deadline is recorded, so the wait
goes on after a crash.

    def main(order):
        paid = wait_for("payment", timeout="48h")
        return {"order": order, "amount": paid["amount"]}
`,
		Impl: func(c *Call) (starlark.Value, error) {
			name, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			timeout, err := c.durationArg(1, 0)
			if err != nil {
				return nil, err
			}
			return decoded(c.do(runtime.WaitSignal{Name: name, Timeout: timeout}))
		},
	}
}
