package builtins

import "go.starlark.net/starlark"

func chunksDecl() *Decl {
	return &Decl{
		Name:   "chunks",
		Params: []Param{{Name: "items", Type: "list"}, {Name: "n", Type: "int"}},
		Result: "list of lists",
		Doc: `chunks(items, n) cuts a list into lists of n; the last one may be shorter. No items give no chunks.

    chunks([1, 2, 3, 4, 5], 2) # [[1, 2], [3, 4], [5]]
    parallel(summarise, chunks(texts, 4))`,
		Impl: makeChunks,
	}
}

func makeChunks(c *Call) (starlark.Value, error) {
	n, err := c.intArg(1, 0, 1)
	if err != nil {
		return nil, err
	}
	items, err := c.elements(0)
	if err != nil {
		return nil, err
	}
	count := (len(items) + n - 1) / n
	if err := charge(c.Thread, count*80); err != nil {
		return nil, err
	}
	out := make([]starlark.Value, 0, count)
	for at := 0; at < len(items); at += n {
		end := min(at+n, len(items))
		out = append(out, starlark.NewList(items[at:end:end])) // the full slice keeps an append from reaching the next chunk
	}
	return starlark.NewList(out), nil
}
