package builtins

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime"
)

// maxFitSteps bounds the work of checking one value against a schema of the script's own.
const maxFitSteps = 5_000_000

func (f *fitting) spend(steps int) error {
	if f.steps += steps; f.steps > maxFitSteps {
		return fmt.Errorf("checking the value against its JSON Schema takes more than %d steps, use a simpler one", maxFitSteps)
	}
	return nil
}

// node checks v against a schema.
func (f *fitting) node(n *node, v starlark.Value) error {
	if err := f.spend(1); err != nil {
		return err
	}
	if n.never {
		return f.fail("nothing is allowed here, got %s", describe(v))
	}
	if err := f.typeOf(n, v); err != nil {
		return err
	}
	if err := f.constants(n, v); err != nil {
		return err
	}
	if err := f.kind(n, v); err != nil {
		return err
	}
	return f.combined(n, v)
}

// kind checks what only concerns values of v's type.
func (f *fitting) kind(n *node, v starlark.Value) error {
	switch v := v.(type) {
	case starlark.Int, starlark.Float:
		return f.number(n, v)
	case starlark.String:
		return f.text(n, string(v))
	case *starlark.List:
		return f.list(n, v)
	case *starlark.Dict:
		return f.fields(n, v)
	}
	return nil
}

func (f *fitting) typeOf(n *node, v starlark.Value) error {
	if n.types == nil {
		return nil
	}
	is := jsonType(v)
	if slices.Contains(n.types, is) || is == "integer" && slices.Contains(n.types, "number") {
		return nil
	}
	if x, ok := v.(starlark.Float); ok && float64(x) == math.Trunc(float64(x)) && slices.Contains(n.types, "integer") {
		return f.fail("want an integer, got the float %s, write it without a point", x)
	}
	return f.fail("want %s, got %s", strings.Join(n.types, " or "), describe(v))
}

func jsonType(v starlark.Value) string {
	switch v.(type) {
	case starlark.String:
		return "string"
	case starlark.Int:
		return "integer"
	case starlark.Float:
		return "number"
	case starlark.Bool:
		return "boolean"
	case *starlark.Dict:
		return "object"
	case *starlark.List:
		return "array"
	}
	return "null"
}

func (f *fitting) constants(n *node, v starlark.Value) error {
	if n.constant != nil {
		same, err := f.equal(n.constant, v)
		if err != nil {
			return err
		}
		if !same {
			return f.fail("want %s, got %s", brief(n.constant.String()), describe(v))
		}
	}
	if n.enum == nil {
		return nil
	}
	for _, c := range n.enum {
		if same, err := f.equal(c, v); err != nil || same {
			return err
		}
	}
	return f.fail("want one of %s, got %s", brief(starlark.NewList(n.enum).String()), describe(v))
}

func (f *fitting) equal(a, b starlark.Value) (bool, error) {
	if err := f.spend(1); err != nil {
		return false, err
	}
	return starlark.EqualDepth(a, b, runtime.MaxNesting+2)
}

func (f *fitting) number(n *node, v starlark.Value) error {
	for _, b := range n.bounds {
		if slices.Contains(b.bad[:], sign(v, b.limit)) {
			return f.fail("want %s %s, got %s", b.says, brief(b.limit.String()), describe(v))
		}
	}
	return nil
}

// sign gives the sign of a-b, exactly.
func sign(a, b starlark.Value) int {
	if less, err := starlark.Compare(syntax.LT, a, b); err == nil && less {
		return -1
	}
	if more, err := starlark.Compare(syntax.GT, a, b); err == nil && more {
		return 1
	}
	return 0
}

func (f *fitting) text(n *node, text string) error {
	if n.minLength > 0 || n.maxLength >= 0 {
		if c := utf8.RuneCountInString(text); outside(c, n.minLength, n.maxLength) {
			return f.fail("the string has %d characters, want %s", c, between(n.minLength, n.maxLength))
		}
	}
	if n.pattern == nil {
		return nil
	}
	if ok, err := n.pattern.machine(text, f.spend).search(0); err != nil || ok {
		return err
	}
	return f.fail("want a string that matches %s, got %s", brief(n.pattern.source), describe(starlark.String(text)))
}

func outside(n, least, most int) bool { return n < least || most >= 0 && n > most }

// between says what counts are allowed.
func between(least, most int) string {
	switch {
	case most < 0:
		return fmt.Sprintf("at least %d", least)
	case least == 0:
		return fmt.Sprintf("at most %d", most)
	default:
		return fmt.Sprintf("%d to %d", least, most)
	}
}

func (f *fitting) list(n *node, v *starlark.List) error {
	if outside(v.Len(), n.minItems, n.maxItems) {
		return f.fail("the list has %d items, want %s", v.Len(), between(n.minItems, n.maxItems))
	}
	if n.items == nil {
		return nil
	}
	for i := range v.Len() {
		if err := f.nodeAt("["+strconv.Itoa(i)+"]", n.items, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (f *fitting) nodeAt(part string, n *node, v starlark.Value) error {
	f.path = append(f.path, part)
	err := f.node(n, v)
	f.path = f.path[:len(f.path)-1]
	return err
}

func (f *fitting) fields(n *node, v *starlark.Dict) error {
	has := lookup(v)
	for _, name := range n.required {
		if has(name) == nil {
			return f.failAt("."+brief(name), "is missing")
		}
	}
	if n.properties == nil && n.additional == nil {
		return nil
	}
	for _, kv := range v.Items() {
		name := string(kv[0].(starlark.String))
		of := n.properties[name]
		if of == nil {
			of = n.additional
		}
		switch {
		case of == nil:
			continue
		case of.never:
			return f.failAt("."+brief(name), "there is no such field")
		}
		if err := f.nodeAt("."+name, of, kv[1]); err != nil {
			return err
		}
	}
	return nil
}

func (f *fitting) combined(n *node, v starlark.Value) error {
	for _, all := range n.allOf {
		if err := f.node(all, v); err != nil {
			return err
		}
	}
	if err := f.alternatives(n.anyOf, v, math.MaxInt); err != nil {
		return err
	}
	return f.alternatives(n.oneOf, v, 1)
}

// alternatives wants one to most of the schemas to fit. When none does, the error tells the reason of the last.
func (f *fitting) alternatives(nodes []*node, v starlark.Value, most int) error {
	if len(nodes) == 0 {
		return nil
	}
	fits := 0
	for _, n := range nodes {
		ok, err := f.fits(n, v)
		if err != nil {
			return err
		}
		if ok {
			fits++
		}
		if ok && most > 1 {
			return nil
		}
	}
	switch {
	case fits > most:
		return f.fail("fits %d of the %d alternatives, want exactly one", fits, len(nodes))
	case fits == 0 && f.quiet:
		return errQuiet
	case fits == 0:
		return f.fail("fits none of the %d alternatives; the last says %w", len(nodes), f.node(nodes[len(nodes)-1], v))
	}
	return nil
}

// fits says whether v fits a schema, without telling why not: most reasons would be thrown away.
func (f *fitting) fits(n *node, v starlark.Value) (bool, error) {
	defer func(was bool) { f.quiet = was }(f.quiet)
	f.quiet = true
	err := f.node(n, v)
	if errors.Is(err, errQuiet) {
		return false, nil
	}
	return err == nil, err
}
