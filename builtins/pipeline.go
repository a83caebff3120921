package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func pipelineDecl() *Decl {
	return &Decl{
		Name: "pipeline",
		Params: []Param{
			{Name: "items", Type: "list"},
			{Name: "stages", Type: "function", Kind: Rest},
			{Name: "limit", Type: "int", Default: "16", Kind: Named},
			{Name: "on_error", Type: `"fail" or "collect"`, Default: `"fail"`, Kind: Named},
		},
		Result: "Outcomes",
		Effect: true,
		Doc: `Sends each item through all the stages, one after the other, the items side by side.

Each stage is a function of one argument: the first gets the item, the next what the one before it returned. No item waits for another: the first may be
through before the last has begun, and at most limit of them are on their way at a time. The Outcomes hold what the last stage returned, in the order of
the items; failures, on_error and freezing are as in parallel.

    def main(urls):
        return pipeline(urls, fetch, summarise, translate, limit=8, on_error="collect").values
`,
		Impl: func(c *Call) (starlark.Value, error) {
			f := &fork{name: "pipeline"}
			if err := c.rules(f, 2, -1, 3); err != nil {
				return nil, err
			}
			items, err := c.itemsArg(0)
			if err != nil {
				return nil, err
			}
			if len(c.Rest) == 0 {
				return nil, fmt.Errorf("pipeline: there is no stage: %s", c.Decl.Signature())
			}
			for i, stage := range c.Rest {
				if _, ok := stage.(starlark.Callable); !ok {
					return nil, fmt.Errorf("pipeline: stage %d is %s, want a function", i, runtime.A(stage.Type()))
				}
			}
			f.n, f.items, f.shared = len(items), items, c.Rest
			stages := c.Rest
			f.body = func(t *starlark.Thread, i int) (v starlark.Value, err error) {
				v = items[i]
				for _, stage := range stages {
					if v, err = starlark.Call(t, stage, starlark.Tuple{v}, nil); err != nil {
						return nil, err
					}
				}
				return v, nil
			}
			return f.outcomes(c.Thread)
		},
	}
}
