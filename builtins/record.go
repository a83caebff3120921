package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime"
)

func recordDecl() *Decl {
	return &Decl{
		Name:   "record",
		Params: []Param{{Name: "fields", Type: "types", Kind: Extra}},
		Result: "record type",
		Doc: `record(field=type, ...) makes a type of immutable values with these fields, in this order.

A type is str, int, float, bool, list, dict, any, [T] (a list of T), optional(T) (T or None), {"field": T}, an enum, another
record, or a JSON Schema as a dict; field(T, default=, doc=) adds a default and a description. Calling the type makes a value, with every
field that has no default given by name; an int given for a float becomes one, and a typed list is copied. A missing, unknown or mistyped
field is an error that names it. Values compare by type and fields, can be keys when their fields can, and become JSON objects.
As ask(returns=...) the type becomes a JSON Schema, and the answer is checked and comes back as a value of the type.

    Verdict = record(answer = enum("true", "false", "unclear"), reason = str)

    def main(claim):
        v = agent("judge").ask("Is this true?", claim = claim, returns = Verdict).value
        return v if v.answer != "unclear" else Verdict(answer = "false", reason = "no proof")`,
		Impl: makeRecordType,
	}
}

// maxFields bounds the fields of a record type.
const maxFields = 1000

func makeRecordType(c *Call) (starlark.Value, error) {
	if len(c.Extra) > maxFields {
		return nil, fmt.Errorf("record: got %d fields, want at most %d", len(c.Extra), maxFields)
	}
	t := &recordType{name: "record", index: make(map[string]int, len(c.Extra))}
	for i, kv := range c.Extra {
		r := shapeReader{}
		col, err := r.column(string(kv[0].(starlark.String)), kv[1])
		if err != nil {
			return nil, fmt.Errorf("record: %w", err)
		}
		t.columns = append(t.columns, col)
		t.index[col.name] = i
	}
	t.levels = 1 + deepest(t.columns)
	return t, nil
}

func fieldDecl() *Decl {
	return &Decl{
		Name: "field",
		Params: []Param{
			{Name: "type", Type: "type"},
			{Name: "default", Type: "any", Default: "REQUIRED", Kind: Named},
			{Name: "doc", Type: "str", Default: `""`, Kind: Named},
		},
		Result: "field",
		Doc: `field(type, default=, doc=) is a field of a record with a default, a description, or both.

The default must have the type, is frozen, and stands in where a value or an answer lacks the field. The description goes into
the JSON Schema that an agent sees.

    Finding = record(
        file = str,
        line = field(int, default = 0, doc = "1-based; 0 when the whole file is meant"),
    )`,
		Impl: func(c *Call) (starlark.Value, error) {
			doc := ""
			if c.Args[2] != nil {
				s, ok := starlark.AsString(c.Args[2])
				if !ok {
					return nil, fmt.Errorf("field: doc is %s, want a string", runtime.A(c.Args[2].Type()))
				}
				doc = s
			}
			return &fieldSpec{of: c.Args[0], def: c.Args[1], doc: doc}, nil
		},
	}
}

func optionalDecl() *Decl {
	return &Decl{
		Name:   "optional",
		Params: []Param{{Name: "type", Type: "type"}},
		Result: "type",
		Doc: `optional(type) is the type of a value that may be None.

In a record a field of such a type defaults to None.

    Person = record(name = str, email = optional(str))
    Person(name = "Ada").email # None`,
		Impl: func(c *Call) (starlark.Value, error) {
			s, err := shapeOf(c.Args[0])
			if err != nil {
				return nil, fmt.Errorf("optional: %w", err)
			}
			return &optionalType{s}, nil
		},
	}
}

// column is one field of a record or of {"field": T}.
type column struct {
	name string
	of   shape
	def  starlark.Value // frozen; nil when the field is required
	doc  string
}

// deepest gives the depth of the deepest type among columns.
func deepest(columns []column) int {
	n := 0
	for _, c := range columns {
		n = max(n, c.of.depth())
	}
	return n
}

func (r *shapeReader) column(name string, v starlark.Value) (column, error) {
	spec, ok := v.(*fieldSpec)
	if !ok {
		spec = &fieldSpec{of: v}
	}
	of, err := r.shape(spec.of)
	if r.over {
		return column{}, errTypeTooLarge() // without the way there, which is long
	}
	if err != nil {
		return column{}, fmt.Errorf("field %s: %w", brief(name), err)
	}
	c := column{name: name, of: of, def: spec.def, doc: spec.doc}
	if _, ok := of.(*optionalType); ok && c.def == nil {
		c.def = starlark.None
	}
	if c.def == nil {
		return c, nil
	}
	if c.def, err = of.fit(&fitting{}, c.def); err != nil {
		return column{}, fmt.Errorf("field %s: the default: %w", brief(name), plainMismatch(err))
	}
	c.def.Freeze()
	return c, nil
}

// plainMismatch gives a mismatch as scripts see it that made the value themselves: by the names of fields, without "$".
func plainMismatch(err error) error {
	m, ok := errors.AsType[*schemaMismatch](err)
	if !ok {
		return err
	}
	if path := strings.TrimPrefix(strings.TrimPrefix(m.Path, "$"), "."); path != "" {
		return fmt.Errorf("%s: %s", path, m.Reason)
	}
	return errors.New(m.Reason)
}

// fieldSpec is what field(...) gives.
type fieldSpec struct {
	of, def starlark.Value // def nil when there is none
	doc     string
}

func (s *fieldSpec) String() string        { return "field(...)" }
func (s *fieldSpec) Type() string          { return "field" }
func (s *fieldSpec) Freeze()               {}
func (s *fieldSpec) Truth() starlark.Bool  { return true }
func (s *fieldSpec) Hash() (uint32, error) { return 0, errors.New("unhashable: field") }

// optionalType is optional(T).
type optionalType struct{ of shape }

func (o *optionalType) String() string        { return "optional(" + o.of.String() + ")" }
func (o *optionalType) Type() string          { return "optional_type" }
func (o *optionalType) Freeze()               {}
func (o *optionalType) Truth() starlark.Bool  { return true }
func (o *optionalType) Hash() (uint32, error) { return 0, errors.New("unhashable: optional_type") }

func (o *optionalType) depth() int { return 1 + o.of.depth() }

func (o *optionalType) schema(w *schemaWriter) {
	w.raw(`{"anyOf":[`)
	o.of.schema(w)
	w.raw(`,{"type":"null"}]}`)
}

func (o *optionalType) fit(f *fitting, v starlark.Value) (starlark.Value, error) {
	if v == starlark.None {
		return v, nil
	}
	return o.of.fit(f, v)
}

// recordType is a type made by record(...). It is immutable but for its name.
type recordType struct {
	name    string
	columns []column
	index   map[string]int // of columns by name
	levels  int
}

var (
	_ starlark.Callable = (*recordType)(nil)
	_ shape             = (*recordType)(nil)
)

func (t *recordType) Name() string          { return t.name }
func (t *recordType) String() string        { return t.name }
func (t *recordType) Type() string          { return "record_type" }
func (t *recordType) Freeze()               {}
func (t *recordType) Truth() starlark.Bool  { return true }
func (t *recordType) Hash() (uint32, error) { return starlark.String(t.name).Hash() }

// Export names the type after the global variable that holds it; the first name stays.
func (t *recordType) Export(name string) {
	if t.name == "record" {
		t.name = name
	}
}

func (t *recordType) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 0 {
		return nil, fmt.Errorf("%s: the fields are given by name, such as %s", t.name, t.example())
	}
	if err := charge(thread, 64+16*len(t.columns)); err != nil {
		return nil, err
	}
	f := fitting{thread: thread}
	names := make([]string, len(kwargs))
	for i, kv := range kwargs {
		names[i] = string(kv[0].(starlark.String))
	}
	values, err := f.object(t.columns, names, func(name string) starlark.Value {
		if i := slices.Index(names, name); i >= 0 {
			return kwargs[i][1]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, plainMismatch(err))
	}
	return &record{t, values}, nil
}

func (t *recordType) example() string {
	if len(t.columns) == 0 {
		return t.name + "()"
	}
	return t.name + "(" + t.columns[0].name + " = ...)"
}

func (t *recordType) depth() int { return t.levels }

func (t *recordType) schema(w *schemaWriter) { w.object(t.columns) }

func (t *recordType) fit(f *fitting, v starlark.Value) (starlark.Value, error) {
	if r, ok := v.(*record); ok && r.typ == t {
		return r, nil
	}
	dict, ok := v.(*starlark.Dict)
	if !ok || !f.decoded {
		return nil, f.want(t, v)
	}
	names, err := stringKeys(dict)
	if err != nil {
		return nil, f.fail("%v", err)
	}
	values, err := f.object(t.columns, names, lookup(dict))
	if err != nil {
		return nil, err
	}
	return &record{t, values}, nil
}

// record is a value of a record type.
type record struct {
	typ    *recordType
	values []starlark.Value // by index of the type's columns
}

var (
	_ starlark.HasAttrs   = (*record)(nil)
	_ starlark.Comparable = (*record)(nil)
)

func (r *record) Type() string         { return "record" }
func (r *record) Truth() starlark.Bool { return true }

func (r *record) Freeze() {
	for _, v := range r.values {
		v.Freeze()
	}
}

func (r *record) String() string {
	var b strings.Builder
	b.WriteString(r.typ.name)
	b.WriteByte('(')
	for i, c := range r.typ.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name + "=" + r.values[i].String())
	}
	b.WriteByte(')')
	return b.String()
}

func (r *record) Hash() (uint32, error) {
	tuple := starlark.Tuple(r.values)
	return tuple.Hash()
}

// Parts gives what the record is made of, to whoever measures it.
func (r *record) Parts() []starlark.Value { return r.values }

// Attr gives a field; the interpreter adds "did you mean" to the error.
func (r *record) Attr(name string) (starlark.Value, error) {
	if i, ok := r.typ.index[name]; ok {
		return r.values[i], nil
	}
	return nil, starlark.NoSuchAttrError(fmt.Sprintf("%s has no field .%s", r.typ.name, name))
}

func (r *record) AttrNames() []string {
	names := make([]string, len(r.typ.columns))
	for i, c := range r.typ.columns {
		names[i] = c.name
	}
	slices.Sort(names)
	return names
}

func (r *record) CompareSameType(op syntax.Token, other starlark.Value, depth int) (bool, error) {
	o := other.(*record)
	switch op {
	case syntax.EQL, syntax.NEQ:
		same, err := r.equal(o, depth)
		return same == (op == syntax.EQL), err
	default:
		return false, fmt.Errorf("records have no order: %s %s %s", r.typ.name, op, o.typ.name)
	}
}

func (r *record) equal(o *record, depth int) (bool, error) {
	if r.typ != o.typ {
		return false, nil
	}
	for i, v := range r.values {
		if same, err := starlark.EqualDepth(v, o.values[i], depth-1); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// Plain gives the record as a struct, for its way into JSON.
func (r *record) Plain() starlark.Value {
	fields := make([]starlark.Tuple, len(r.values))
	for i, c := range r.typ.columns {
		fields[i] = starlark.Tuple{starlark.String(c.name), r.values[i]}
	}
	return starlarkstruct.FromKeywords(starlarkstruct.Default, fields)
}
