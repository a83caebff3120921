package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func flattenDecl() *Decl {
	return &Decl{
		Name:   "flatten",
		Params: []Param{{Name: "items", Type: "list"}, {Name: "depth", Type: "int", Default: "1", Kind: Named}},
		Result: "list",
		Doc: `flatten(items, depth=1) puts the elements of lists and tuples in items in their place, depth levels deep. Anything else,
strings and dicts included, stays as it is.

    flatten([[1, 2], [], 3, [[4]]])            # [1, 2, 3, [4]]
    flatten([[1, 2], [], 3, [[4]]], depth = 2) # [1, 2, 3, 4]`,
		Impl: flatten,
	}
}

func flatten(c *Call) (starlark.Value, error) {
	depth, err := c.intArg(1, 1, 0)
	if err != nil {
		return nil, err
	}
	if depth > runtime.MaxNesting {
		return nil, c.wrong(1, "%d is more than %d", depth, runtime.MaxNesting)
	}
	items, err := c.elements(0)
	if err != nil {
		return nil, err
	}
	f := flattener{thread: c.Thread}
	if err := f.add(items, depth); err != nil {
		return nil, err
	}
	return starlark.NewList(f.out), nil
}

// flattener builds one flat list. Shared lists can make it far longer than what it is made of, so that it counts as it goes.
type flattener struct {
	thread *starlark.Thread
	out    []starlark.Value
	lists  int
}

// flattenSlice is how many elements are paid for at once.
const flattenSlice = 4096

func (f *flattener) add(items []starlark.Value, depth int) error {
	for _, item := range items {
		nested, ok := item.(starlark.Indexable)
		switch item.(type) {
		case *starlark.List, starlark.Tuple:
		default:
			ok = false
		}
		if !ok || depth == 0 {
			if err := f.count(len(f.out)); err != nil {
				return err
			}
			f.out = append(f.out, item)
			continue
		}
		if f.lists++; f.lists > maxItems {
			return fmt.Errorf("flatten: more than %d lists", maxItems)
		}
		inner := make([]starlark.Value, nested.Len())
		for i := range inner {
			inner[i] = nested.Index(i)
		}
		if err := f.add(inner, depth-1); err != nil {
			return err
		}
	}
	return nil
}

func (f *flattener) count(n int) error {
	if n >= maxItems {
		return fmt.Errorf("flatten: the list would be longer than %d", maxItems)
	}
	if n%flattenSlice == 0 {
		return charge(f.thread, flattenSlice*32)
	}
	return nil
}
