package builtins

import (
	"encoding/binary"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func randomDecl() *Decl {
	return &Decl{
		Name:   "random",
		Result: "float",
		Effect: true,
		Doc: `Gives a random number that is at least 0 and less than 1.

It depends on the seed of the run, on the branch and on how many numbers the branch has drawn, and on nothing else: a replay draws the same numbers on
every engine. It is not for secrets.

    def main(items):
        return items[int(random() * len(items))]
`,
		Impl: func(c *Call) (starlark.Value, error) {
			b, err := runtime.BranchOf(c.Thread)
			if err != nil {
				return nil, outOfPlace("random", err)
			}
			bits := b.Random()
			return starlark.Float(float64(binary.BigEndian.Uint64(bits[:])>>11) / (1 << 53)), nil
		},
	}
}
