package builtins

import (
	"fmt"
	"slices"
	"strconv"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// rawType is a JSON Schema that a script wrote as a dict.
type rawType struct {
	*node
	text runtime.Payload
}

// node is one schema within a JSON Schema, read once. Absent keywords are zero; counts without a bound are -1.
type node struct {
	never     bool // the schema `false`
	described bool

	types      []string
	enum       []starlark.Value
	constant   starlark.Value
	bounds     []bound
	minLength  int
	maxLength  int
	pattern    *rx
	minItems   int
	maxItems   int
	items      *node
	required   []string
	properties map[string]*node
	additional *node

	allOf, anyOf, oneOf []*node
}

// bound is one limit of a number.
type bound struct {
	says  string // such as "at least"
	limit starlark.Value
	bad   [2]int // signs of value-limit that are refused
}

// rawShape reads a schema: every keyword must be one that is understood, or promises would be made that nobody keeps.
func rawShape(d *starlark.Dict) (shape, error) {
	p, err := runtime.Encode(d)
	if err != nil {
		return nil, fmt.Errorf("the JSON Schema: %w", err)
	}
	if len(p) > maxSchemaBytes {
		return nil, fmt.Errorf("the JSON Schema is larger than %d KiB", maxSchemaBytes>>10)
	}
	fresh, err := runtime.Decode(p) // a tree that nobody changes, where the script's dict may share parts
	if err != nil {
		return nil, err
	}
	n, err := readNode("$", fresh)
	if err != nil {
		return nil, fmt.Errorf("the JSON Schema: %w", err)
	}
	return rawType{n, p}, nil
}

func (r rawType) String() string { return "a value that fits the JSON Schema" }

func (r rawType) depth() int { return 1 }

func (r rawType) schema(w *schemaWriter) { w.raw(string(r.text)) }

func (r rawType) fit(f *fitting, v starlark.Value) (starlark.Value, error) {
	if err := f.node(r.node, v); err != nil {
		return nil, err
	}
	return v, nil
}

// readNode reads the schema that stands at a path of the whole.
func readNode(path string, v starlark.Value) (*node, error) {
	n := &node{maxLength: -1, maxItems: -1}
	if b, ok := v.(starlark.Bool); ok && path != "$" {
		n.never = !bool(b)
		return n, nil
	}
	d, ok := v.(*starlark.Dict)
	if !ok {
		return nil, fmt.Errorf("%s is %s, want a schema, which is a dict", path, describe(v))
	}
	for _, kv := range d.Items() {
		key := string(kv[0].(starlark.String))
		if err := n.keyword(path+"."+key, key, kv[1]); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// keyword reads one keyword of a schema.
func (n *node) keyword(path, key string, v starlark.Value) (err error) {
	switch key {
	case "title", "default", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly", "writeOnly", "format":
	case "description":
		n.described = true
	case "type":
		n.types, err = readTypes(path, v)
	case "enum":
		n.enum, err = readList(path, v)
	case "const":
		n.constant = v
	case "minimum":
		err = n.bound(path, v, bound{"at least", v, [2]int{-1, -1}})
	case "maximum":
		err = n.bound(path, v, bound{"at most", v, [2]int{1, 1}})
	case "exclusiveMinimum":
		err = n.bound(path, v, bound{"more than", v, [2]int{-1, 0}})
	case "exclusiveMaximum":
		err = n.bound(path, v, bound{"less than", v, [2]int{1, 0}})
	case "minLength":
		n.minLength, err = readCount(path, v)
	case "maxLength":
		n.maxLength, err = readCount(path, v)
	case "minItems":
		n.minItems, err = readCount(path, v)
	case "maxItems":
		n.maxItems, err = readCount(path, v)
	case "pattern":
		n.pattern, err = readPattern(path, v)
	case "required":
		n.required, err = readStrings(path, v)
	case "properties":
		n.properties, err = readNodeMap(path, v)
	case "items":
		n.items, err = readNode(path, v)
	case "additionalProperties":
		n.additional, err = readNode(path, v)
	case "allOf":
		n.allOf, err = readNodes(path, v)
	case "anyOf":
		n.anyOf, err = readNodes(path, v)
	case "oneOf":
		n.oneOf, err = readNodes(path, v)
	default:
		return unknownKeyword(path, key)
	}
	return err
}

func (n *node) bound(path string, v starlark.Value, b bound) error {
	if _, ok := starlark.AsFloat(v); !ok {
		return malformed(path, v, "a number")
	}
	n.bounds = append(n.bounds, b)
	return nil
}

func unknownKeyword(path, key string) error {
	known := []string{
		"type", "properties", "required", "additionalProperties", "items", "enum", "const", "minimum", "maximum", "exclusiveMinimum",
		"exclusiveMaximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "anyOf", "oneOf", "allOf", "description",
	}
	if near := runtime.Nearest(key, known); near != "" {
		return fmt.Errorf("the keyword at %s is not supported, did you mean %q?", path, near)
	}
	return fmt.Errorf("the keyword at %s is not supported, and nothing would check it; leave it out or write it with others", path)
}

func malformed(path string, v starlark.Value, want string) error {
	return fmt.Errorf("%s is %s, want %s", path, describe(v), want)
}

func readTypes(path string, v starlark.Value) ([]string, error) {
	names := []string{string(asString(v))}
	if _, ok := v.(*starlark.List); ok {
		var err error
		if names, err = readStrings(path, v); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		switch name {
		case "string", "integer", "number", "boolean", "object", "array", "null":
		default:
			return nil, malformed(path, v, "the name of a JSON type, or a list of them")
		}
	}
	return names, nil
}

func asString(v starlark.Value) starlark.String {
	s, _ := v.(starlark.String)
	return s
}

func readList(path string, v starlark.Value) ([]starlark.Value, error) {
	list, ok := v.(*starlark.List)
	if !ok {
		return nil, malformed(path, v, "a list")
	}
	return slices.Collect(list.Elements()), nil
}

func readStrings(path string, v starlark.Value) ([]string, error) {
	list, err := readList(path, v)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, e := range list {
		s, ok := e.(starlark.String)
		if !ok {
			return nil, malformed(path+"["+strconv.Itoa(i)+"]", e, "a string")
		}
		out[i] = string(s)
	}
	return out, nil
}

func readCount(path string, v starlark.Value) (int, error) {
	n, err := starlark.AsInt32(v)
	if err != nil || n < 0 {
		return 0, malformed(path, v, "an int of at least 0")
	}
	return n, nil
}

func readPattern(path string, v starlark.Value) (*rx, error) {
	s, ok := v.(starlark.String)
	if !ok {
		return nil, malformed(path, v, "a string")
	}
	r, err := compileRegexp(string(s))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func readNodeMap(path string, v starlark.Value) (map[string]*node, error) {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return nil, malformed(path, v, "a dict of schemas")
	}
	out := make(map[string]*node, d.Len())
	for _, kv := range d.Items() {
		name := string(kv[0].(starlark.String))
		n, err := readNode(path+"."+name, kv[1])
		if err != nil {
			return nil, err
		}
		out[name] = n
	}
	return out, nil
}

func readNodes(path string, v starlark.Value) ([]*node, error) {
	list, err := readList(path, v)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, malformed(path, v, "at least one schema")
	}
	out := make([]*node, len(list))
	for i, e := range list {
		if out[i], err = readNode(path+"["+strconv.Itoa(i)+"]", e); err != nil {
			return nil, err
		}
	}
	return out, nil
}
