package builtins

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// maxSchemaBytes bounds the JSON Schema of one type. Records that share records grow fast when written out.
const maxSchemaBytes = runtime.InlineBytes

// shape is what a type of the language asks of a value. There is one for each way to write a type.
type shape interface {
	// String names the type as a script would write it.
	String() string
	// depth counts the types within types, itself included.
	depth() int
	// schema writes the type as JSON Schema 2020-12.
	schema(w *schemaWriter)
	// fit gives v as the type has it, or a *schemaMismatch.
	fit(f *fitting, v starlark.Value) (starlark.Value, error)
}

// schemaMismatch says where a value does not have the asked type.
type schemaMismatch struct {
	Path   string // such as `$.items[3].name`; "$" is the value itself
	Reason string // what is wanted and what was given
}

func (e *schemaMismatch) Error() string { return e.Path + ": " + e.Reason }

// schemaOf gives the JSON Schema 2020-12 of a type: a record or enum type, str int float bool list dict any, [T], optional(T),
// {"field": T}, or a dict that is a schema already. Objects list all fields in `required`, in the order of the declaration, and
// allow no others, as strict structured output wants it; what has a default may be missing from an answer all the same.
func schemaOf(v starlark.Value) (runtime.Payload, error) {
	s, err := shapeOf(v)
	if err != nil {
		return nil, err
	}
	w := schemaWriter{}
	s.schema(&w)
	if w.err != nil {
		return nil, w.err
	}
	return runtime.Canonical(w.out)
}

// typedValue decodes p and gives it as the type spec has it: a record for a record type, a checked string for an enum, plain
// values else. A value that does not fit is a *schemaMismatch, bytes that are not JSON a *runtime.PayloadError. A spec of None
// fits anything.
func typedValue(spec starlark.Value, p runtime.Payload) (starlark.Value, error) {
	v, err := runtime.Decode(p)
	if err != nil || spec == nil || spec == starlark.None {
		return v, err
	}
	s, err := shapeOf(spec)
	if err != nil {
		return nil, err
	}
	return s.fit(&fitting{decoded: true}, v)
}

// shapeOf reads a type as scripts write it.
func shapeOf(v starlark.Value) (shape, error) {
	r := shapeReader{}
	return r.shape(v)
}

// Bounds of a type: types within types, and the lists and dicts of which it is written, shared ones counted each time.
const (
	maxTypeDepth = 100
	maxTypeNodes = 10_000
)

// shapeReader reads one type.
type shapeReader struct {
	depth, nodes int
	over         bool // too deep or too large
}

func errTypeTooLarge() error {
	return fmt.Errorf("a type is nested deeper than %d, larger than %d parts, or contains itself", maxTypeDepth, maxTypeNodes)
}

func (r *shapeReader) enter() {
	r.depth++
	r.nodes++
	r.over = r.over || r.depth > maxTypeDepth || r.nodes > maxTypeNodes
}

func (r *shapeReader) leave() { r.depth-- }

// typeForms is the advice in every error about a type.
const typeForms = "write str, int, float, bool, list, dict, any, [T], optional(T), a record or an enum"

func (r *shapeReader) shape(v starlark.Value) (shape, error) {
	if r.enter(); r.over {
		return nil, errTypeTooLarge()
	}
	defer r.leave()
	switch v := v.(type) {
	case shape:
		if r.over = r.depth+v.depth() > maxTypeDepth; r.over {
			return nil, errTypeTooLarge()
		}
		return v, nil
	case *starlark.Builtin:
		if s, ok := plainShape(v); ok {
			return s, nil
		}
		return nil, fmt.Errorf("the function %s is not a type, %s", v.Name(), typeForms)
	case *starlark.List:
		return r.list(v)
	case *starlark.Dict:
		if r.isFields(v) {
			return r.fields(v)
		}
		return rawShape(v)
	}
	return nil, fmt.Errorf("%s is not a type, %s", describe(v), typeForms)
}

func (r *shapeReader) list(v *starlark.List) (shape, error) {
	if v.Len() != 1 {
		return nil, fmt.Errorf("a list type has one element, the type of its items, such as [str]; this one has %d", v.Len())
	}
	of, err := r.shape(v.Index(0))
	if err != nil {
		return nil, err
	}
	return listOf{of}, nil
}

// isFields says whether a dict is {"field": T, ...} rather than a JSON Schema, which holds no types of ours.
func (r *shapeReader) isFields(d *starlark.Dict) bool {
	return slices.ContainsFunc(d.Items(), func(kv starlark.Tuple) bool { return r.holdsType(kv[1]) })
}

func (r *shapeReader) holdsType(v starlark.Value) bool {
	if r.enter(); r.over {
		return true // which fails as soon as the type is read
	}
	defer r.leave()
	switch v := v.(type) {
	case shape, *starlark.Builtin, *fieldSpec:
		return true
	case *starlark.List:
		return v.Len() == 1 && r.holdsType(v.Index(0))
	case *starlark.Dict:
		return r.isFields(v)
	}
	return false
}

func (r *shapeReader) fields(d *starlark.Dict) (shape, error) {
	out := make([]column, 0, d.Len())
	for _, kv := range d.Items() {
		name, ok := kv[0].(starlark.String)
		if !ok {
			return nil, fmt.Errorf("the field %s of a type is %s, want a string", brief(kv[0].String()), runtime.A(kv[0].Type()))
		}
		c, err := r.column(string(name), kv[1])
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return dictOf{out, 1 + deepest(out)}, nil
}

// describe names a value in a message: its text when that is short, else its type.
func describe(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		return fmt.Sprintf("%q", brief(string(v)))
	case starlark.Int, starlark.Float, starlark.Bool, starlark.NoneType:
		return brief(v.String())
	case *starlark.List, starlark.Tuple, *starlark.Dict:
		return fmt.Sprintf("%s of %d", runtime.A(v.Type()), starlark.Len(v))
	}
	return runtime.A(v.Type())
}
