package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func enumDecl() *Decl {
	return &Decl{
		Name:   "enum",
		Params: []Param{{Name: "values", Type: "str", Kind: Rest}},
		Result: "enum type",
		Doc: `enum(*values) makes a type of which only these strings are values.

The values are plain strings, so they compare, print and travel as such. Calling the type checks a string and gives it back; any other
value is an error that lists the values. The type has .values in order, can be iterated, has a len, and knows ` + "`in`" + `.

    Severity = enum("low", "high")
    Severity("high") == "high" # True
    "medium" in Severity       # False
    Finding = record(text = str, severity = Severity)`,
		Impl: makeEnumType,
	}
}

func makeEnumType(c *Call) (starlark.Value, error) {
	e := &enumType{}
	for i, v := range c.Rest {
		s, ok := starlark.AsString(v)
		if !ok {
			return nil, fmt.Errorf("enum: value %d is %s, want a string", i+1, runtime.A(v.Type()))
		}
		if slices.Contains(e.values, s) {
			return nil, fmt.Errorf("enum: the value %q stands twice", brief(s))
		}
		e.values = append(e.values, s)
	}
	if len(e.values) == 0 || len(e.values) > 1000 {
		return nil, fmt.Errorf("enum: got %d values, want 1 to 1000", len(e.values))
	}
	return e, nil
}

// enumType is a set of strings in their order; its values are plain strings.
type enumType struct{ values []string }

var (
	_ starlark.Callable  = (*enumType)(nil)
	_ starlark.Sequence  = (*enumType)(nil)
	_ starlark.HasAttrs  = (*enumType)(nil)
	_ starlark.Container = (*enumType)(nil)
	_ shape              = (*enumType)(nil)
)

func (e *enumType) Name() string          { return "enum" }
func (e *enumType) Type() string          { return "enum_type" }
func (e *enumType) Freeze()               {}
func (e *enumType) Truth() starlark.Bool  { return true }
func (e *enumType) Hash() (uint32, error) { return 0, errors.New("unhashable: enum_type") }
func (e *enumType) Len() int              { return len(e.values) }

func (e *enumType) String() string { return "enum(" + e.list() + ")" }

func (e *enumType) list() string {
	quoted := make([]string, len(e.values))
	for i, s := range e.values {
		quoted[i] = starlark.String(s).String()
	}
	return strings.Join(quoted, ", ")
}

func (e *enumType) tuple() starlark.Tuple {
	t := make(starlark.Tuple, len(e.values))
	for i, s := range e.values {
		t[i] = starlark.String(s)
	}
	return t
}

func (e *enumType) Iterate() starlark.Iterator { return e.tuple().Iterate() }

func (e *enumType) Attr(name string) (starlark.Value, error) {
	if name == "values" {
		return e.tuple(), nil
	}
	return nil, nil
}

func (e *enumType) AttrNames() []string { return []string{"values"} }

// Has is `x in e`.
func (e *enumType) Has(x starlark.Value) (bool, error) {
	s, ok := starlark.AsString(x)
	return ok && slices.Contains(e.values, s), nil
}

func (e *enumType) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 1 || len(kwargs) > 0 {
		return nil, fmt.Errorf("enum: want one value to check")
	}
	v, err := e.fit(&fitting{}, args[0])
	if err != nil {
		return nil, fmt.Errorf("enum: %w", plainMismatch(err))
	}
	return v, nil
}

func (e *enumType) depth() int { return 1 }

func (e *enumType) schema(w *schemaWriter) {
	w.raw(`{"type":"string","enum":`)
	w.texts(e.values)
	w.raw("}")
}

func (e *enumType) fit(f *fitting, v starlark.Value) (starlark.Value, error) {
	s, ok := starlark.AsString(v)
	if ok && slices.Contains(e.values, s) {
		return v, nil
	}
	list := e.list()
	if len(list) > 300 {
		list = strings.ToValidUTF8(list[:300], "") + ", ..."
	}
	if near := runtime.Nearest(s, e.values); ok && near != "" {
		return nil, f.fail("want one of %s, got %s, did you mean %q?", list, describe(v), near)
	}
	return nil, f.fail("want one of %s, got %s", list, describe(v))
}
