package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func groupByDecl() *Decl {
	return &Decl{
		Name:   "group_by",
		Params: []Param{{Name: "items", Type: "list"}, {Name: "key", Type: "function or str"}},
		Result: "dict of lists",
		Doc: `group_by(items, key) is a dict from each key to the list of its items, both in the order in which they come.

The key of an item is key(item), or, when key is a string, the item's attribute of that name, or its entry when it is a dict.

    group_by(["ant", "bee", "ape"], lambda w: w[0]) # {"a": ["ant", "ape"], "b": ["bee"]}
    group_by(findings, "severity")["high"]`,
		Impl: groupBy,
	}
}

func groupBy(c *Call) (starlark.Value, error) {
	key, err := keyFunc(c, 1)
	if err != nil {
		return nil, err
	}
	items, err := c.elements(0)
	if err != nil {
		return nil, err
	}
	out := new(starlark.Dict)
	for i, item := range items {
		k, err := key(item)
		if err != nil {
			return nil, err
		}
		group, found, err := out.Get(k)
		if err != nil {
			return nil, fmt.Errorf("group_by: the key of item %d: %w", i, err)
		}
		if !found {
			if err := charge(c.Thread, 160); err != nil {
				return nil, err
			}
			group = new(starlark.List)
			if err := out.SetKey(k, group); err != nil {
				return nil, err
			}
		}
		if err := group.(*starlark.List).Append(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keyFunc reads parameter i as a function of one item, or as the name of an attribute.
func keyFunc(c *Call, i int) (func(starlark.Value) (starlark.Value, error), error) {
	if name, ok := starlark.AsString(c.Args[i]); ok {
		return func(item starlark.Value) (starlark.Value, error) {
			v, err := attrOf(item, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Decl.Name, err)
			}
			return v, nil
		}, nil
	}
	fn, ok := c.Args[i].(starlark.Callable)
	if !ok {
		return nil, c.wrong(i, "got %s, want a function or the name of an attribute", runtime.A(c.Args[i].Type()))
	}
	return func(item starlark.Value) (starlark.Value, error) {
		return starlark.Call(c.Thread, fn, starlark.Tuple{item}, nil)
	}, nil
}

// attrOf gives the attribute of a value, or the entry of a dict.
func attrOf(v starlark.Value, name string) (starlark.Value, error) {
	if d, ok := v.(*starlark.Dict); ok {
		if e := lookup(d)(name); e != nil {
			return e, nil
		}
		return nil, fmt.Errorf("a dict has no key %q", brief(name))
	}
	h, ok := v.(starlark.HasAttrs)
	if !ok {
		return nil, fmt.Errorf("%s has no attribute .%s", runtime.A(v.Type()), brief(name))
	}
	a, err := h.Attr(name)
	if a != nil && err == nil {
		return a, nil
	}
	if _, absent := err.(starlark.NoSuchAttrError); err != nil && !absent { //nolint:errorlint // never wrapped
		return nil, err
	}
	if near := runtime.Nearest(name, h.AttrNames()); near != "" {
		return nil, fmt.Errorf("%s has no attribute .%s, did you mean .%s?", runtime.A(v.Type()), brief(name), near)
	}
	return nil, fmt.Errorf("%s has no attribute .%s", runtime.A(v.Type()), brief(name))
}
