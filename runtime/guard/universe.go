package guard

import (
	"fmt"
	"math/bits"

	"go.starlark.net/starlark"
)

// costs of the universe's functions, by what they allocate or visit. A nil cost is that of a step. The test of this package fails
// when the interpreter has a function that is not here.
var universe = map[string]func(args starlark.Tuple, kwargs []starlark.Tuple) (uint64, error){
	"abs":       nil,
	"all":       elementsCost(1),
	"any":       elementsCost(1),
	"bool":      nil,
	"bytes":     elementsCost(16),
	"chr":       nil,
	"dict":      tableCost,
	"dir":       nil,
	"enumerate": elementsCost(64),
	"fail":      textCost,
	"float":     textCost,
	"getattr":   nil, // goes through attr
	"hasattr":   nil,
	"hash":      textCost,
	"int":       intCost,
	"len":       nil,
	"list":      elementsCost(16),
	"max":       compareAll,
	"min":       compareAll,
	"ord":       nil,
	"print":     textCost,
	"range":     nil,
	"repr":      textCost,
	"reversed":  elementsCost(16),
	"set":       tableCost,
	"sorted":    sortCost,
	"str":       textCost,
	"tuple":     elementsCost(16),
	"type":      nil,
	"zip":       elementsCost(48),
}

func (g *guard) universe(names starlark.StringDict) {
	for name, cost := range universe {
		fn := starlark.Universe[name].(*starlark.Builtin)
		switch {
		case name == "getattr":
			names[name] = g.getattr(fn)
		case cost != nil:
			names[name] = g.priced(fn, cost)
		}
	}
}

// priced charges for a function before it is called.
func (g *guard) priced(fn *starlark.Builtin, cost func(starlark.Tuple, []starlark.Tuple) (uint64, error)) *starlark.Builtin {
	return starlark.NewBuiltin(fn.Name(), func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		n, err := cost(args, kwargs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fn.Name(), err)
		}
		if err := g.book(t, n); err != nil {
			return nil, err
		}
		return fn.CallInternal(t, args, kwargs)
	})
}

// getattr goes the way of x.name.
func (g *guard) getattr(fn *starlark.Builtin) *starlark.Builtin {
	return starlark.NewBuiltin("getattr", func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		v, err := fn.CallInternal(t, args, kwargs)
		if m, ok := v.(*starlark.Builtin); ok && err == nil && m.Receiver() != nil && len(args) > 1 {
			return g.guarded(m), nil
		}
		return v, err
	})
}

// elementsCost charges each element of the iterables among the arguments.
func elementsCost(each uint64) func(starlark.Tuple, []starlark.Tuple) (uint64, error) {
	return func(args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
		total := uint64(0)
		for _, a := range args {
			it, ok := a.(starlark.Iterable)
			if !ok {
				total += length(a)
				continue
			}
			n, err := count(it)
			if err != nil {
				return 0, err
			}
			total += n * each
		}
		return total, nil
	}
}

// tableCost is that of set(x) and dict(x): elements, keys and collisions.
func tableCost(args starlark.Tuple, kwargs []starlark.Tuple) (uint64, error) {
	total := uint64(len(kwargs)) * 48
	for _, a := range args {
		it, ok := a.(starlark.Iterable)
		if !ok {
			continue
		}
		if _, err := count(it); err != nil {
			return 0, err
		}
		wide := uint64(0)
		for k := range starlark.Elements(it) {
			if pair, ok := k.(starlark.Indexable); ok && pair.Len() == 2 && isWide(pair.Index(0)) || isWide(k) {
				wide++
			}
			n, err := keyCost(starlark.None, k)
			if err != nil {
				return 0, err
			}
			total += 48 + n
		}
		total += wide * wide * collision / 2
	}
	return total, nil
}

// textCost is that of the text of the arguments.
func textCost(args starlark.Tuple, kwargs []starlark.Tuple) (uint64, error) {
	total := uint64(0)
	for _, a := range args {
		n, err := renderCost(a)
		if err != nil {
			return 0, err
		}
		total += n
	}
	for _, kv := range kwargs {
		n, err := renderCost(kv[1])
		if err != nil {
			return 0, err
		}
		total += n
	}
	return sized(total, "the text")
}

// renderCost is that of a value's text. Writing a long integer in decimal takes more than its length.
func renderCost(v starlark.Value) (uint64, error) {
	if b := bitsOf(v); b > 64 {
		return uint64(b) * uint64(b) / 4096, nil
	}
	return Measure(v)
}

// maxDigits bounds the text that int() reads to MaxBits in base 10.
const maxDigits = 19_728

func intCost(args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	if len(args) == 0 {
		return 0, nil
	}
	s, ok := args[0].(starlark.String)
	if !ok {
		return 0, nil
	}
	if len(s) > maxDigits {
		return 0, tooLarge("a number of %d digits is longer than %d", len(s), maxDigits)
	}
	return uint64(len(s)) * uint64(len(s)) / 64, nil
}

// compareAll is the cost of comparing each element once.
func compareAll(args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	return comparisons(args, func(int) uint64 { return 1 })
}

func sortCost(args starlark.Tuple, _ []starlark.Tuple) (uint64, error) {
	return comparisons(args, func(n int) uint64 { return 2 * uint64(bits.Len(uint(n))) })
}

// comparisons charges each element its own size as often as it may be compared.
func comparisons(args starlark.Tuple, times func(n int) uint64) (uint64, error) {
	elems := args
	if len(args) == 1 {
		it, ok := args[0].(starlark.Iterable)
		if !ok {
			return 0, nil
		}
		if _, err := count(it); err != nil {
			return 0, err
		}
		elems = nil
		for v := range starlark.Elements(it) {
			elems = append(elems, v)
		}
	}
	total := uint64(0)
	k := times(len(elems))
	for _, v := range elems {
		n, err := compareCost(v, v)
		if err != nil {
			return 0, err
		}
		total += 16 + n*k
	}
	return total, nil
}
