package builtins

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// schemaWriter writes one JSON Schema, keys in any order.
type schemaWriter struct {
	out []byte
	err error
}

func (w *schemaWriter) raw(s string) {
	if w.err == nil && len(w.out)+len(s) > maxSchemaBytes {
		w.err = fmt.Errorf("the JSON Schema of the type is larger than %d KiB", maxSchemaBytes>>10)
	}
	if w.err == nil {
		w.out = append(w.out, s...)
	}
}

func (w *schemaWriter) text(s string) {
	p, err := runtime.Encode(starlark.String(s))
	if err != nil && w.err == nil {
		w.err = err
	}
	w.raw(string(p))
}

func (w *schemaWriter) texts(list []string) {
	w.raw("[")
	for i, s := range list {
		if i > 0 {
			w.raw(",")
		}
		w.text(s)
	}
	w.raw("]")
}

// object writes the schema of an object with these fields and no others.
func (w *schemaWriter) object(columns []column) {
	w.raw(`{"type":"object","additionalProperties":false,"properties":{`)
	names := make([]string, len(columns))
	for i, c := range columns {
		if w.err != nil {
			return
		}
		if i > 0 {
			w.raw(",")
		}
		names[i] = c.name
		w.text(c.name)
		w.raw(":")
		w.property(c)
	}
	w.raw(`},"required":`)
	w.texts(names)
	w.raw("}")
}

// property writes the type of a field with its description.
func (w *schemaWriter) property(c column) {
	start := len(w.out)
	c.of.schema(w)
	own, isRaw := c.of.(rawType)
	if c.doc == "" || w.err != nil || isRaw && own.described {
		return
	}
	w.out = w.out[:len(w.out)-1]
	if len(w.out)-start > 1 {
		w.raw(",")
	}
	w.raw(`"description":`)
	w.text(c.doc)
	w.raw("}")
}

// plainType is a type that Starlark itself has, by the name of its builtin.
type plainType string

func plainShape(b *starlark.Builtin) (shape, bool) {
	switch b.Name() {
	case "str", "int", "float", "bool", "list", "dict", "any":
		return plainType(b.Name()), b.Receiver() == nil
	}
	return nil, false
}

func (p plainType) String() string { return string(p) }

func (p plainType) depth() int { return 1 }

func (p plainType) schema(w *schemaWriter) {
	switch p {
	case "str":
		w.raw(`{"type":"string"}`)
	case "int":
		w.raw(`{"type":"integer"}`)
	case "float":
		w.raw(`{"type":"number"}`)
	case "bool":
		w.raw(`{"type":"boolean"}`)
	case "list":
		w.raw(`{"type":"array"}`)
	case "dict":
		w.raw(`{"type":"object"}`)
	case "any":
		w.raw(`{}`)
	}
}

func (p plainType) fit(f *fitting, v starlark.Value) (starlark.Value, error) {
	ok := false
	switch p {
	case "str":
		_, ok = v.(starlark.String)
	case "int":
		if x, isFloat := v.(starlark.Float); isFloat && float64(x) == math.Trunc(float64(x)) {
			return nil, f.fail("want int, got the float %s, write it without a point", x)
		}
		_, ok = v.(starlark.Int)
	case "float":
		return fitFloat(f, v)
	case "bool":
		_, ok = v.(starlark.Bool)
	case "list":
		_, ok = v.(*starlark.List)
	case "dict":
		_, ok = v.(*starlark.Dict)
	case "any":
		ok = true
	}
	if !ok {
		return nil, f.want(p, v)
	}
	return v, nil
}

// fitFloat takes integers too, as floats.
func fitFloat(f *fitting, v starlark.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case starlark.Float:
		return v, nil
	case starlark.Int:
		if x := v.Float(); !math.IsInf(float64(x), 0) {
			return x, nil
		}
		return nil, f.fail("want float, got an integer that is too large for one")
	}
	return nil, f.want(plainType("float"), v)
}

// listOf is [T].
type listOf struct{ of shape }

func (l listOf) String() string { return "[" + l.of.String() + "]" }

func (l listOf) depth() int { return 1 + l.of.depth() }

func (l listOf) schema(w *schemaWriter) {
	w.raw(`{"type":"array","items":`)
	l.of.schema(w)
	w.raw("}")
}

func (l listOf) fit(f *fitting, v starlark.Value) (starlark.Value, error) {
	list, ok := v.(*starlark.List)
	if !ok {
		return nil, f.want(l, v)
	}
	if err := charge(f.thread, list.Len()*16); err != nil {
		return nil, err
	}
	out := make([]starlark.Value, list.Len())
	for i := range out {
		var err error
		if out[i], err = f.at("["+strconv.Itoa(i)+"]", l.of, list.Index(i)); err != nil {
			return nil, err
		}
	}
	return starlark.NewList(out), nil
}

// dictOf is {"field": T, ...}: a dict with these fields.
type dictOf struct {
	columns []column
	levels  int
}

func (d dictOf) String() string {
	parts := make([]string, len(d.columns))
	for i, c := range d.columns {
		parts[i] = strconv.Quote(c.name) + ": ..." // types that share parts would be long when written out
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (d dictOf) depth() int { return d.levels }

func (d dictOf) schema(w *schemaWriter) { w.object(d.columns) }

func (d dictOf) fit(f *fitting, v starlark.Value) (starlark.Value, error) {
	dict, ok := v.(*starlark.Dict)
	if !ok {
		return nil, f.want(d, v)
	}
	names, err := stringKeys(dict)
	if err != nil {
		return nil, f.fail("%v", err)
	}
	values, err := f.object(d.columns, names, lookup(dict))
	if err != nil {
		return nil, err
	}
	out := starlark.NewDict(len(values))
	for i, c := range d.columns {
		if err := out.SetKey(starlark.String(c.name), values[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
