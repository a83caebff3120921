package guard

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

// price says what a method will allocate or visit, in bytes.
type price func(recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (uint64, error)

// methods prices the methods of Starlark's own types; a nil price is that of a step. The test of this package fails when the
// interpreter has a method that is not here.
var methods = map[string]map[string]price{
	"string": {
		"capitalize": whole, "codepoint_ords": nil, "codepoints": nil, "count": search, "elem_ords": nil, "elems": nil,
		"endswith": search, "find": search, "format": format, "index": search, "isalnum": whole, "isalpha": whole,
		"isdigit": whole, "islower": whole, "isspace": whole, "istitle": whole, "isupper": whole, "join": join,
		"lower": whole, "lstrip": search, "partition": search, "removeprefix": search, "removesuffix": search,
		"replace": replace, "rfind": search, "rindex": search, "rpartition": search, "rsplit": split, "rstrip": search,
		"split": split, "splitlines": lines, "startswith": search, "strip": search, "title": whole, "upper": whole,
	},
	"bytes": {"elems": nil},
	"list": {
		"append": nil, "clear": whole, "extend": extend, "index": scan, "insert": shift, "pop": shift, "remove": scan,
	},
	"dict": {
		"clear": whole, "get": keyed, "items": entries, "keys": entries, "pop": keyed, "popitem": nil, "setdefault": keyed,
		"update": merge, "values": entries,
	},
	"set": {
		"add": keyed, "clear": whole, "difference": union, "discard": keyed, "intersection": union, "issubset": union,
		"issuperset": union, "pop": nil, "remove": keyed, "symmetric_difference": union, "union": union, "update": union,
	},
}

// guardedNames are the attributes that the rewriter sends through attr: those that are a priced method of any type.
var guardedNames = pricedNames()

func pricedNames() map[string]bool {
	priced := make(map[string]bool)
	for _, table := range methods {
		for name, p := range table {
			if p != nil {
				priced[name] = true
			}
		}
	}
	return priced
}

// attr is x.name for a name that may be a priced method.
func (g *guard) attr(x starlark.Value, name string) (starlark.Value, error) {
	v, err := attribute(x, name)
	if err != nil {
		return nil, err
	}
	if m, ok := v.(*starlark.Builtin); ok && m.Receiver() != nil {
		return g.guarded(m), nil
	}
	return v, nil
}

// attribute reads x.name with the interpreter's own messages.
func attribute(x starlark.Value, name string) (starlark.Value, error) {
	if x, ok := x.(starlark.HasAttrs); ok {
		v, err := x.Attr(name)
		if v != nil && err == nil {
			return v, nil
		}
	}
	// The interpreter's getattr words the error, with its suggestion.
	v, err := starlark.Universe["getattr"].(*starlark.Builtin).CallInternal(&starlark.Thread{}, starlark.Tuple{x, starlark.String(name)}, nil)
	if err != nil {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "getattr: "))
	}
	return v, nil
}

// guarded puts a price on a bound method of a Starlark type; other methods charge for themselves.
func (g *guard) guarded(m *starlark.Builtin) *starlark.Builtin {
	recv := m.Receiver()
	p := methods[recv.Type()][m.Name()]
	if p == nil {
		return m
	}
	return starlark.NewBuiltin(m.Name(), func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		n, err := p(recv, args, kwargs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name(), err)
		}
		if err := g.book(t, n); err != nil {
			return nil, err
		}
		return m.CallInternal(t, args, kwargs)
	}).BindReceiver(recv)
}

// argument gives the text of string argument i, or "".
func argument(args starlark.Tuple, i int) string {
	if i < len(args) {
		if s, ok := args[i].(starlark.String); ok {
			return string(s)
		}
	}
	return ""
}

// whole looks at all of the receiver.
func whole(recv starlark.Value, _ starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	return length(recv), nil
}

// search looks at all of the receiver and of the arguments.
func search(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	total := length(recv)
	for _, a := range args {
		switch a := a.(type) {
		case starlark.String:
			total += uint64(len(a))
		case starlark.Tuple: // startswith and endswith
			total += 16 * uint64(len(a))
			for _, s := range a {
				total += length(s)
			}
		}
	}
	return total, nil
}

// split makes a list of pieces that share the receiver's bytes.
func split(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	s := string(recv.(starlark.String))
	pieces := len(s)/2 + 1
	if sep := argument(args, 0); sep != "" {
		pieces = strings.Count(s, sep) + 1
	}
	return sized(uint64(len(s))+48*uint64(pieces), "the list of pieces")
}

func lines(recv starlark.Value, _ starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	s := string(recv.(starlark.String))
	return sized(uint64(len(s))+48*uint64(strings.Count(s, "\n")+1), "the list of lines")
}

func join(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	if len(args) == 0 {
		return 0, nil
	}
	it, ok := args[0].(starlark.Iterable)
	if !ok {
		return 0, nil
	}
	if _, err := count(it); err != nil {
		return 0, err
	}
	total := uint64(0)
	for v := range starlark.Elements(it) {
		total += length(v) + length(recv)
	}
	return sized(total, "the joined text")
}

func replace(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	s := string(recv.(starlark.String))
	was, is := argument(args, 0), argument(args, 1)
	times := len(s) + 1
	if was != "" {
		times = strings.Count(s, was)
	}
	return sized(uint64(len(s))+uint64(times)*uint64(len(is)), "the text")
}

// format fills as many fields as the receiver has braces.
func format(recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (uint64, error) {
	values := make(starlark.Tuple, 0, len(args)+len(kwargs))
	values = append(values, args...)
	for _, kv := range kwargs {
		values = append(values, kv[1])
	}
	return formatCost(string(recv.(starlark.String)), '{', values)
}

// formatCost is that of filling a format whose fields start with a mark: each may take the largest value.
func formatCost(format string, mark byte, values starlark.Value) (uint64, error) {
	fields := strings.Count(format, string(mark))
	if fields == 0 {
		return uint64(len(format)), nil
	}
	list, ok := values.(starlark.Tuple)
	if !ok {
		list = starlark.Tuple{values}
	}
	largest, sum := uint64(0), uint64(0)
	for _, v := range list {
		n, err := renderCost(v)
		if err != nil {
			return 0, err
		}
		largest, sum = max(largest, n), sum+n
	}
	total := uint64(fields) * largest
	if mark == '%' && ok {
		total = sum // each value is used once
	}
	return sized(uint64(len(format))+total, "the text")
}

func extend(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	if len(args) == 0 {
		return 0, nil
	}
	it, ok := args[0].(starlark.Iterable)
	if !ok {
		return 0, nil
	}
	n, err := count(it)
	if err != nil {
		return 0, err
	}
	_, err = sized(16*(uint64(recv.(*starlark.List).Len())+n), "the list")
	return 16 * n, err
}

// scan compares the argument with every element.
func scan(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	if len(args) == 0 {
		return 0, nil
	}
	return scanCost(recv.(*starlark.List), args[0])
}

// shift moves the elements behind a place.
func shift(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	if len(args) == 0 {
		return 0, nil
	}
	return uint64(recv.(*starlark.List).Len()), nil
}

func keyed(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	if len(args) == 0 {
		return 0, nil
	}
	return keyCost(recv, args[0])
}

func entries(recv starlark.Value, _ starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	return length(recv), nil
}

// merge is dict.update.
func merge(recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (uint64, error) {
	total, err := tableCost(args, kwargs)
	for _, a := range args {
		if it, ok := a.(starlark.Iterable); ok && err == nil {
			total += insertCost(recv.(*starlark.Dict), it)
		}
	}
	return total, err
}

// union visits the receiver and the arguments, all of which may become keys of one table.
func union(recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	total, own := length(recv), wideCount(recv)
	for _, a := range args {
		n, err := tableCost(starlark.Tuple{a}, nil)
		if err != nil {
			return 0, err
		}
		total += n + own*wideCount(a)*collision
	}
	return total, nil
}
