package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func uuidDecl() *Decl {
	return &Decl{
		Name:   "uuid",
		Result: "str",
		Effect: true,
		Doc: `Gives a new identifier in the form of a UUID of version 4.

It is drawn like random(): a replay gives the same one, and two branches or two runs never share one.

    def main(order):
        id = uuid()
        emit("order.placed", id=id, order=order)
        return id
`,
		Impl: func(c *Call) (starlark.Value, error) {
			b, err := runtime.BranchOf(c.Thread)
			if err != nil {
				return nil, outOfPlace("uuid", err)
			}
			u := b.Random()
			u[6] = u[6]&0x0f | 0x40 // version 4
			u[8] = u[8]&0x3f | 0x80 // variant of RFC 9562
			return starlark.String(fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])), nil
		},
	}
}
