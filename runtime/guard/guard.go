// Package guard makes Starlark a sandbox: it rewrites a syntax tree so that every operation whose cost can exceed its steps first
// says what it will cost.
//
// The interpreter counts steps, yet one step can copy a gigabyte, hash a long key or hang inside a builtin. Rewrite puts calls of
// guarded builtins, under names that no script can write, in place of such operators, keys, slices and methods; Builtins gives those
// and guarded versions of the universe. Each charges the bytes it will allocate or look at before it does, and refuses a value that
// grows too large. What costs no more than its steps is left alone, and so is what can be seen to: `i + 1`, `x["key"]`.
//
// Results, errors and their positions are those of the interpreter itself.
package guard

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

// Bounds on one value.
const (
	MaxBytes = 64 << 20 // of a string, or of a list's elements
	MaxBits  = 64 << 10 // of an integer
	MaxDepth = 500      // of nested values
	MaxNodes = 1 << 20  // that printing or comparing may visit
)

// Charger books bytes that an operation on t is about to use. Its error ends the run.
type Charger func(t *starlark.Thread, bytes uint64) error

// TooLarge says that an operation would make or visit too large a value.
type TooLarge struct{ Message string }

func (e *TooLarge) Error() string { return e.Message }

func tooLarge(format string, args ...any) error { return &TooLarge{fmt.Sprintf(format, args...)} }

// Hidden says whether a function is one of the guard's own, which no backtrace shows.
func Hidden(name string) bool { return strings.HasPrefix(name, "%") }

// guard is what the guarded builtins share.
type guard struct{ charge Charger }

// Builtins gives the names that a rewritten file uses: the hidden ones and the guarded universe.
func Builtins(charge Charger) starlark.StringDict {
	g := &guard{charge: charge}
	names := make(starlark.StringDict, 64)
	g.operators(names)
	g.universe(names)
	return names
}

// hidden makes a builtin of fixed arity for rewritten code.
func hidden(name string, arity int, fn func(t *starlark.Thread, args starlark.Tuple) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		if len(args) != arity {
			return nil, fmt.Errorf("%s: %d arguments, want %d", b.Name(), len(args), arity)
		}
		return fn(t, args)
	})
}
