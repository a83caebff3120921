package builtins

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func structDecl() *Decl {
	return &Decl{
		Name:   "struct",
		Params: []Param{{Name: "fields", Type: "any", Kind: Extra}},
		Result: "struct",
		Doc: `struct(**fields) is an immutable value with these fields.

Structs compare by their fields, a + b has the fields of both (those of b win), and they become JSON objects. For fields with types see
record.

    best = struct(value = "draft", score = 0.8)
    best.score            # 0.8
    best + struct(tier = 2) # struct(score = 0.8, tier = 2, value = "draft")`,
		Impl: func(c *Call) (starlark.Value, error) {
			if err := charge(c.Thread, 64+48*len(c.Extra)); err != nil {
				return nil, err
			}
			return starlarkstruct.FromKeywords(starlarkstruct.Default, c.Extra), nil
		},
	}
}
