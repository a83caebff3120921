package guard

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

func (g *guard) operators(names starlark.StringDict) {
	add := func(b *starlark.Builtin) { names[b.Name()] = b }
	for token, name := range binary {
		switch token {
		case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
			add(hidden(name, 2, func(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
				return g.compare(t, token, args[0], args[1])
			}))
		default:
			add(hidden(name, 2, func(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
				return g.binary(t, token, args[0], args[1])
			}))
			add(hidden(name+"=", 2, func(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
				return g.inPlace(t, token, args[0], args[1])
			}))
		}
	}
	add(hidden("%key", 1, func(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
		return args[0], g.key(t, nil, args[0])
	}))
	add(hidden("%keyof", 2, func(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
		return args[1], g.key(t, args[0], args[1])
	}))
	add(hidden("%compkey", 1, g.compKey))
	add(hidden("%slice", 4, g.slice))
	add(hidden("%spread", 1, g.spread))
	add(hidden("%attr", 2, func(_ *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
		return g.attr(args[0], string(args[1].(starlark.String)))
	}))
}

// small is the cost below which nothing is charged: the step itself stands for it.
const small = 128

// book charges what is worth it.
func (g *guard) book(t *starlark.Thread, bytes uint64) error {
	if bytes <= small {
		return nil
	}
	return g.charge(t, bytes)
}

func (g *guard) binary(t *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	cost, err := g.cost(op, x, y)
	if err != nil {
		return nil, err
	}
	if err := g.book(t, cost); err != nil {
		return nil, err
	}
	return starlark.Binary(op, x, y)
}

// cost says what a binary operation will allocate or visit, in bytes.
func (g *guard) cost(op syntax.Token, x, y starlark.Value) (uint64, error) {
	switch op {
	case syntax.PLUS, syntax.MINUS:
		if max(bitsOf(x), bitsOf(y)) >= MaxBits {
			return 0, tooLarge("an integer of more than %d bits", MaxBits)
		}
		if op == syntax.PLUS {
			return sized(length(x)+length(y), "the sum")
		}
		return setCost(x, y)
	case syntax.STAR:
		return repeatCost(x, y)
	case syntax.PERCENT:
		if format, ok := x.(starlark.String); ok {
			return formatCost(string(format), '%', y)
		}
		return products(x, y), nil
	case syntax.SLASH, syntax.SLASHSLASH:
		return products(x, y), nil
	case syntax.LTLT:
		if n, ok := y.(starlark.Int); ok {
			if shift, ok := n.Int64(); ok && shift > 0 && shift+int64(bitsOf(x)) > MaxBits+64 {
				return 0, tooLarge("an integer of more than %d bits", MaxBits)
			}
		}
		return length(x), nil
	case syntax.IN, syntax.NOT_IN:
		return g.searchCost(x, y)
	default: // & | ^ >>: sets, dicts and integers
		return setCost(x, y)
	}
}

// length is the size in bytes of what an operation copies: text, elements or digits.
func length(v starlark.Value) uint64 {
	switch v := v.(type) {
	case starlark.String:
		return uint64(len(v))
	case starlark.Bytes:
		return uint64(len(v))
	case *starlark.List:
		return 16 * uint64(v.Len())
	case starlark.Tuple:
		return 16 * uint64(len(v))
	case starlark.Int:
		return intBytes(v)
	case *starlark.Dict:
		return 48 * uint64(v.Len())
	case *starlark.Set:
		return 48 * uint64(v.Len())
	}
	return 16
}

// sized refuses a value that would be larger than MaxBytes.
func sized(n uint64, what string) (uint64, error) {
	if n > MaxBytes {
		return 0, tooLarge("%s would be larger than %d MiB", what, MaxBytes>>20)
	}
	return n, nil
}

func bitsOf(v starlark.Value) int {
	if i, ok := v.(starlark.Int); ok {
		return intBits(i)
	}
	return 0
}

// repeatCost is that of x * y: integers multiply, sequences repeat.
func repeatCost(x, y starlark.Value) (uint64, error) {
	i, isInt := x.(starlark.Int)
	j, alsoInt := y.(starlark.Int)
	switch {
	case isInt && alsoInt:
		if intBits(i)+intBits(j) > MaxBits+64 {
			return 0, tooLarge("an integer of more than %d bits", MaxBits)
		}
		return products(x, y), nil
	case alsoInt:
		return repeated(x, j)
	case isInt:
		return repeated(y, i)
	}
	return 0, nil
}

func repeated(seq starlark.Value, times starlark.Int) (uint64, error) {
	n := length(seq)
	k, ok := times.Int64()
	if _, isFloat := seq.(starlark.Float); isFloat || n == 0 || times.Sign() <= 0 {
		return 0, nil
	}
	if !ok || uint64(k) > MaxBytes || uint64(k)*n > MaxBytes {
		return sized(MaxBytes+1, "the repetition")
	}
	return uint64(k) * n, nil
}

// products stands for the work of multiplying or dividing long integers, which grows with both lengths.
func products(x, y starlark.Value) uint64 {
	return uint64(bitsOf(x)/64) * uint64(bitsOf(y)/64+1) / 8
}

func setCost(x, y starlark.Value) (uint64, error) {
	cost := uint64(0)
	for _, v := range []starlark.Value{x, y} {
		switch v := v.(type) {
		case *starlark.Set, *starlark.Dict:
			cost += length(v) + wideKeys(v)
		case starlark.Int:
			cost += intBytes(v)
		}
	}
	return cost, nil
}

// wideKeys charges for hash collisions that a script can make at will when all keys of v go into a new table.
func wideKeys(v starlark.Value) uint64 {
	wide := wideCount(v)
	return wide * wide * collision / 2
}

// wideCount counts the wide keys among the elements of v.
func wideCount(v starlark.Value) uint64 {
	it, ok := v.(starlark.Iterable)
	if !ok {
		return 0
	}
	n := uint64(0)
	for k := range starlark.Elements(it) {
		if isWide(k) {
			n++
		}
	}
	return n
}

// collision is charged per entry that a lookup of a wide key may have to pass.
const collision = 5

// isWide says that a script can make many keys like k with one hash by arithmetic. The text of the source bounds how many
// colliding strings it can hold.
func isWide(k starlark.Value) bool {
	switch k := k.(type) {
	case starlark.String, starlark.Bytes, starlark.NoneType, starlark.Bool:
		return false
	case starlark.Int:
		n, ok := k.Int64()
		return !ok || n != int64(int32(n))
	}
	return true
}

// key charges what hashing k and finding it in the container may cost. A nil container is one that is not known.
func (g *guard) key(t *starlark.Thread, container, k starlark.Value) error {
	cost, err := keyCost(container, k)
	if err != nil {
		return err
	}
	return g.book(t, cost)
}

func keyCost(container, k starlark.Value) (uint64, error) {
	switch k := k.(type) {
	case starlark.String:
		return uint64(len(k)), nil
	case starlark.Int:
		if n, ok := k.Int64(); ok && n == int64(int32(n)) {
			return 0, nil
		}
	case starlark.NoneType, starlark.Bool:
		return 0, nil
	case *starlark.List, *starlark.Dict, *starlark.Set:
		return 0, nil // unhashable
	}
	if _, ok := container.(starlark.Indexable); ok {
		return 0, nil
	}
	n, err := Measure(k)
	return n + collisions(container, k), err
}

// unknownTable is the number of entries taken for a table that is not at hand.
const unknownTable = 512

func collisions(container, k starlark.Value) uint64 {
	if !isWide(k) {
		return 0
	}
	entries := unknownTable
	switch c := container.(type) {
	case nil:
	case *starlark.Dict:
		entries = c.Len()
	case *starlark.Set:
		entries = c.Len()
	default:
		entries = 0
	}
	return uint64(entries) * collision
}

// compKeys is where a thread counts the wide keys of its dict comprehensions, whose tables are out of reach.
const compKeys = "parallax.guard.compkeys"

func (g *guard) compKey(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	k := args[0]
	cost, err := keyCost(starlark.None, k)
	if err != nil {
		return nil, err
	}
	if isWide(k) {
		seen, _ := t.Local(compKeys).(*uint64)
		if seen == nil {
			seen = new(uint64)
			t.SetLocal(compKeys, seen)
		}
		*seen++
		cost += *seen * collision
	}
	return k, g.book(t, cost)
}

// searchCost is that of `x in y`.
func (g *guard) searchCost(x, y starlark.Value) (uint64, error) {
	switch y := y.(type) {
	case starlark.String, starlark.Bytes:
		return length(y) + length(x), nil
	case *starlark.Dict, *starlark.Set:
		return keyCost(y, x)
	case starlark.Indexable: // list or tuple
		return scanCost(y, x)
	}
	return 0, nil
}

// scanCost is that of comparing x with every element of a sequence.
func scanCost(seq starlark.Indexable, x starlark.Value) (uint64, error) {
	if _, isRange := seq.(starlark.Value); isRange && seq.(starlark.Value).Type() == "range" {
		return 0, nil
	}
	each, err := compareCost(x, x)
	if n := uint64(seq.Len()); err == nil {
		return n * (16 + each), nil
	}
	return 0, err
}

func (g *guard) compare(t *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	cost, err := compareCost(x, y)
	if err != nil {
		return nil, err
	}
	if err := g.book(t, cost); err != nil {
		return nil, err
	}
	ok, err := starlark.Compare(op, x, y)
	return starlark.Bool(ok), err
}

// compareCost is what comparing x and y may visit.
func compareCost(x, y starlark.Value) (uint64, error) {
	switch x := x.(type) {
	case starlark.String:
		if y, ok := y.(starlark.String); ok {
			return uint64(min(len(x), len(y))), nil
		}
		return 0, nil
	case starlark.Bytes:
		return length(x), nil
	case starlark.Int:
		return intBytes(x), nil
	case *starlark.List:
		if y, ok := y.(*starlark.List); ok {
			return lesser(x, y, x.Len(), y.Len())
		}
	case starlark.Tuple:
		if y, ok := y.(starlark.Tuple); ok {
			return lesser(x, y, len(x), len(y))
		}
	case *starlark.Dict:
		if y, ok := y.(*starlark.Dict); ok {
			return lesser(x, y, x.Len(), y.Len())
		}
	case *starlark.Set:
		if y, ok := y.(*starlark.Set); ok {
			return lesser(x, y, x.Len(), y.Len())
		}
	case *starlarkstruct.Struct, Composite:
		return Measure(x)
	}
	return 0, nil
}

// lesser measures the container with fewer entries.
func lesser(x, y starlark.Value, n, m int) (uint64, error) {
	if n > m {
		x = y
	}
	cost, err := Measure(x)
	return cost + wideKeys(x), err
}

// inPlace charges for x op= y, which the interpreter then performs, and gives y.
func (g *guard) inPlace(t *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	cost, err := g.inPlaceCost(op, x, y)
	if err != nil {
		return nil, err
	}
	return y, g.book(t, cost)
}

func (g *guard) inPlaceCost(op syntax.Token, x, y starlark.Value) (uint64, error) {
	list, isList := x.(*starlark.List)
	more, isIterable := y.(starlark.Iterable)
	if op == syntax.PLUS && isList && isIterable {
		n, err := count(more)
		if err != nil {
			return 0, err
		}
		_, err = sized(16*(uint64(list.Len())+n), "the list")
		return 16 * n, err
	}
	d, isDict := x.(*starlark.Dict)
	if e, ok := y.(*starlark.Dict); op == syntax.PIPE && isDict && ok {
		return length(e) + insertCost(d, e), nil
	}
	return g.cost(op, x, y)
}

// insertCost charges for the collisions that the keys of more can cause in a table.
func insertCost(table *starlark.Dict, more starlark.Iterable) uint64 {
	wide := wideCount(more)
	return wide * (wide/2 + uint64(table.Len())) * collision
}

// count gives the number of elements of an iterable, by walking it where it does not know.
func count(it starlark.Iterable) (uint64, error) {
	if n := starlark.Len(it); n >= 0 {
		if n > MaxBytes/16 {
			return 0, tooLarge("%d elements are more than %d", n, MaxBytes/16)
		}
		return uint64(n), nil
	}
	n := uint64(0)
	for range starlark.Elements(it) {
		if n++; n > MaxBytes/16 {
			return 0, tooLarge("more than %d elements", MaxBytes/16)
		}
	}
	return n, nil
}

// spread charges for the copy that *args and **kwargs make.
func (g *guard) spread(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	switch x := args[0].(type) {
	case *starlark.Dict:
		return x, g.book(t, length(x)+wideKeys(x))
	case starlark.Iterable:
		n, err := count(x)
		if err != nil {
			return nil, err
		}
		return x, g.book(t, 16*n)
	}
	return args[0], nil
}

// slice is x[lo:hi:step].
func (g *guard) slice(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	x, ok := args[0].(starlark.Sliceable)
	if !ok {
		return nil, fmt.Errorf("invalid slice operand %s", args[0].Type())
	}
	start, end, step, err := sliceBounds(x.Len(), args[1], args[2], args[3])
	if err != nil {
		return nil, err
	}
	n := max((end-start)/step, 0)
	if err := g.book(t, uint64(n)*16); err != nil {
		return nil, err
	}
	return x.Slice(start, end, step), nil
}

// sliceBounds resolves the bounds of a slice as the language defines them.
func sliceBounds(n int, lo, hi, by starlark.Value) (start, end, step int, err error) {
	step = 1
	if by != starlark.None {
		if step, err = starlark.AsInt32(by); err != nil {
			return 0, 0, 0, fmt.Errorf("invalid slice step: %w", err)
		}
		if step == 0 {
			return 0, 0, 0, fmt.Errorf("zero is not a valid slice step")
		}
	}
	start, end, low, high := 0, n, 0, n
	if step < 0 {
		start, end, low, high = n-1, -1, -1, n-1
	}
	if start, err = sliceIndex(lo, n, start, low, high); err != nil {
		return 0, 0, 0, fmt.Errorf("invalid start index: %w", err)
	}
	if end, err = sliceIndex(hi, n, end, low, high); err != nil {
		return 0, 0, 0, fmt.Errorf("invalid end index: %w", err)
	}
	if step > 0 && end < start || step < 0 && start < end {
		if step > 0 {
			end = start
		} else {
			start = end
		}
	}
	return start, end, step, nil
}

func sliceIndex(v starlark.Value, n, absent, low, high int) (int, error) {
	if v == starlark.None {
		return absent, nil
	}
	i, err := starlark.AsInt32(v)
	if err != nil {
		return 0, err
	}
	if i < 0 {
		i += n
	}
	return max(low, min(i, high)), nil
}
