package guard

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Composite is a value of ours that is made of others, which its text, its hash or a comparison may visit.
type Composite interface {
	starlark.Value
	Parts() []starlark.Value
}

// Measure visits a value without recursion, as often as printing or comparing it would: what is reached twice counts
// twice. It gives bytes that stand for the work and the text, and a *TooLarge for a value too deep or of too many parts.
func Measure(v starlark.Value) (bytes uint64, err error) {
	if n, ok := scalar(v); ok {
		return n, nil
	}
	stack := []level{open(v)}
	for nodes := 1; len(stack) > 0; {
		c := stack[len(stack)-1].next()
		if c == nil {
			stack = stack[:len(stack)-1]
			continue
		}
		if nodes++; nodes > MaxNodes || bytes > 4*MaxBytes {
			return 0, tooLarge("the %s has more than %d parts", v.Type(), MaxNodes)
		}
		n, ok := scalar(c)
		if bytes += n + 16; ok || onPath(stack, c) {
			continue
		}
		if len(stack) >= MaxDepth {
			return 0, tooLarge("the %s is nested deeper than %d", v.Type(), MaxDepth)
		}
		stack = append(stack, open(c))
	}
	return bytes, nil
}

// onPath says that a container contains itself; it is printed as "...".
func onPath(stack []level, v starlark.Value) bool {
	if _, isTuple := v.(starlark.Tuple); isTuple {
		return false
	}
	for i := range stack {
		if stack[i].of == v {
			return true
		}
	}
	return false
}

// level is a container that is being visited.
type level struct {
	of   starlark.Value // the container, unless it is a tuple
	list starlark.Indexable
	rest []starlark.Value
	i    int
}

func open(v starlark.Value) level {
	switch v := v.(type) {
	case starlark.Tuple:
		return level{list: v}
	case *starlark.List:
		return level{of: v, list: v}
	case *starlark.Dict:
		flat := make([]starlark.Value, 0, 2*v.Len())
		for _, kv := range v.Items() {
			flat = append(flat, kv[0], kv[1])
		}
		return level{of: v, rest: flat}
	case *starlark.Set:
		var flat []starlark.Value
		for x := range v.Elements() {
			flat = append(flat, x)
		}
		return level{rest: flat}
	case *starlarkstruct.Struct:
		names := v.AttrNames()
		flat := make([]starlark.Value, 0, len(names))
		for _, name := range names {
			if x, err := v.Attr(name); err == nil && x != nil {
				flat = append(flat, x)
			}
		}
		return level{rest: flat}
	case Composite:
		return level{rest: v.Parts()}
	}
	return level{}
}

// next gives the next part, or nil.
func (l *level) next() starlark.Value {
	l.i++
	switch {
	case l.list != nil && l.i <= l.list.Len():
		return l.list.Index(l.i - 1)
	case l.list == nil && l.i <= len(l.rest):
		return l.rest[l.i-1]
	}
	return nil
}

// scalar gives the size of a value without parts.
func scalar(v starlark.Value) (uint64, bool) {
	switch v := v.(type) {
	case starlark.String:
		return uint64(len(v)), true
	case starlark.Bytes:
		return uint64(len(v)), true
	case starlark.Int:
		return intBytes(v), true
	case *starlark.List, starlark.Tuple, *starlark.Dict, *starlark.Set, *starlarkstruct.Struct, Composite:
		return 0, false
	}
	return 32, true
}

func intBytes(v starlark.Int) uint64 {
	if _, ok := v.Int64(); ok {
		return 8
	}
	return uint64(intBits(v)/8) + 8
}

func intBits(v starlark.Int) int {
	if _, ok := v.Int64(); ok {
		return 64
	}
	return v.BigInt().BitLen()
}

// Freeze freezes a value and all that it is made of, as Value.Freeze does, and refuses one that is nested so deep that doing so,
// or any later walk over it, could exhaust the stack. What is frozen already costs nothing.
func Freeze(v starlark.Value) error {
	if isFrozen(v) {
		return nil
	}
	seen := make(map[starlark.Value]bool)
	var functions []*starlark.Function
	if fn, ok := v.(*starlark.Function); ok {
		functions = append(functions, fn)
	}
	stack := []level{closure(v)}
	for tuples := 0; len(stack) > 0; {
		c := stack[len(stack)-1].next()
		if c == nil {
			stack = stack[:len(stack)-1]
			continue
		}
		if isFrozen(c) {
			continue
		}
		if _, tuple := c.(starlark.Tuple); !tuple {
			if seen[c] {
				continue
			}
			seen[c] = true
		} else if tuples++; tuples > MaxNodes {
			return tooLarge("the %s has more than %d tuples in it", v.Type(), MaxNodes)
		}
		if fn, ok := c.(*starlark.Function); ok {
			functions = append(functions, fn)
		}
		if len(stack) >= MaxDepth {
			return tooLarge("the %s is nested deeper than %d", v.Type(), MaxDepth)
		}
		stack = append(stack, closure(c))
	}
	if fn := knot(functions); fn != nil {
		return tooLarge("the function %s refers to itself; define it at the top level", fn.Name())
	}
	v.Freeze()
	return nil
}

// knot finds one of the functions that reaches itself without a list, dict or set on the way: Value.Freeze would never come back from
// it. Such a function is of no use, for nothing may call itself.
func knot(functions []*starlark.Function) *starlark.Function {
	type visit struct {
		level
		fn *starlark.Function // nil for what lies between
	}
	const open, done = 1, 2
	state := make(map[*starlark.Function]int)
	for _, fn := range functions {
		if state[fn] == done {
			continue
		}
		state[fn] = open
		stack := []visit{{closure(fn), fn}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			c := top.next()
			if c == nil {
				state[top.fn] = done
				stack = stack[:len(stack)-1]
				continue
			}
			next, isFunction := c.(*starlark.Function)
			switch {
			case isFunction && state[next] == open:
				return next
			case isFunction && state[next] == done, stopsFreeze(c):
			default:
				if isFunction {
					state[next] = open
				}
				stack = append(stack, visit{closure(c), next})
			}
		}
	}
	return nil
}

// stopsFreeze says that Freeze does not go on behind c when it has been there, or has nothing to do there.
func stopsFreeze(c starlark.Value) bool {
	switch c.(type) {
	case *starlark.List, *starlark.Dict, *starlark.Set:
		return true
	}
	return isFrozen(c)
}

// closure is open for values that Freeze also enters: functions and bound methods.
func closure(v starlark.Value) level {
	switch v := v.(type) {
	case *starlark.Function:
		var flat []starlark.Value
		for i := range v.NumParams() {
			if d := v.ParamDefault(i); d != nil {
				flat = append(flat, d)
			}
		}
		for i := range v.NumFreeVars() {
			if _, x := v.FreeVar(i); x != nil {
				flat = append(flat, x)
			}
		}
		return level{rest: flat}
	case *starlark.Builtin:
		if recv := v.Receiver(); recv != nil {
			return level{rest: []starlark.Value{recv}}
		}
		return level{}
	}
	return open(v)
}

// isFrozen says that nothing in v can change, as far as that shows without visiting its parts.
func isFrozen(v starlark.Value) bool {
	switch v := v.(type) {
	case *starlark.List:
		return v.Len() > 0 && saysFrozen(v.SetIndex(0, v.Index(0)))
	case *starlark.Dict:
		_, _, err := v.Delete(new(starlark.List)) // unhashable: nothing is deleted
		return saysFrozen(err)
	case *starlark.Set:
		_, err := v.Delete(new(starlark.List))
		return saysFrozen(err)
	case starlark.Tuple:
		return len(v) == 0
	case *starlark.Function:
		return v.NumFreeVars() == 0 && v.NumParams() == 0
	case *starlark.Builtin:
		return v.Receiver() == nil
	case *starlarkstruct.Struct, Composite:
		return false
	}
	return true
}

func saysFrozen(err error) bool { return err != nil && strings.Contains(err.Error(), "frozen") }
