package builtins

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// maxText bounds a string that a builtin makes, in bytes.
const maxText = runtime.MaxValueBytes

// matchValue is where a pattern matched a text.
type matchValue struct {
	*rx
	text  string
	slots []int
}

var _ starlark.HasAttrs = (*matchValue)(nil)

func (m *matchValue) String() string        { return "match(" + m.of(0).String() + ")" }
func (m *matchValue) Type() string          { return "match" }
func (m *matchValue) Freeze()               {}
func (m *matchValue) Truth() starlark.Bool  { return true }
func (m *matchValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: match") }

func (m *matchValue) AttrNames() []string {
	return []string{"end", "group", "groupdict", "groups", "start"}
}

func (m *matchValue) Attr(name string) (starlark.Value, error) {
	if !slices.Contains(m.AttrNames(), name) {
		return nil, nil
	}
	d := &Decl{Name: name, Impl: m.method(name)}
	if name != "groups" && name != "groupdict" {
		d.Params = []Param{{Name: "g", Type: "int or str", Default: "0"}}
	}
	return d.Builtin(m), nil
}

func (m *matchValue) method(name string) func(c *Call) (starlark.Value, error) {
	switch name {
	case "groups":
		return func(*Call) (starlark.Value, error) { return m.groups(), nil }
	case "groupdict":
		return func(*Call) (starlark.Value, error) { return m.named() }
	}
	return func(c *Call) (starlark.Value, error) {
		g, err := m.groupArg(c.Args[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		switch name {
		case "start":
			return starlark.MakeInt(m.slots[2*g]), nil
		case "end":
			return starlark.MakeInt(m.slots[2*g+1]), nil
		default:
			return m.of(g), nil
		}
	}
}

func (m *matchValue) groupArg(v starlark.Value) (int, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case starlark.String:
		return m.group(string(v))
	case starlark.Int:
		return m.group(v.String())
	}
	return 0, fmt.Errorf("got %s, want the number or the name of a group", runtime.A(v.Type()))
}

// group gives the number of a group, named or numbered.
func (r *rx) group(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil {
		if n < 0 || n >= len(r.names) {
			return 0, fmt.Errorf("there is no group %d, the pattern has %d", n, len(r.names)-1)
		}
		return n, nil
	}
	if i := slices.Index(r.names, name); i > 0 && name != "" {
		return i, nil
	}
	if near := runtime.Nearest(name, r.names[1:]); near != "" {
		return 0, fmt.Errorf("there is no group %q, did you mean %q?", brief(name), near)
	}
	return 0, fmt.Errorf("there is no group %q", brief(name))
}

// of gives the text of a group, or None when it took no part.
func (m *matchValue) of(g int) starlark.Value {
	if m.slots[2*g] < 0 {
		return starlark.None
	}
	return starlark.String(m.text[m.slots[2*g]:m.slots[2*g+1]])
}

func (m *matchValue) groups() starlark.Tuple {
	t := make(starlark.Tuple, len(m.names)-1)
	for i := range t {
		t[i] = m.of(i + 1)
	}
	return t
}

func (m *matchValue) named() (starlark.Value, error) {
	d := new(starlark.Dict)
	for i, name := range m.names {
		if name == "" {
			continue
		}
		if err := d.SetKey(starlark.String(name), m.of(i)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// listed gives the match as findall lists it.
func (m *matchValue) listed() starlark.Value {
	groups := m.groups()
	for i, g := range groups {
		if g == starlark.None {
			groups[i] = starlark.String("")
		}
	}
	switch len(groups) {
	case 0:
		return m.of(0)
	case 1:
		return groups[0]
	default:
		return groups
	}
}

// expand puts the groups into a replacement.
func (m *matchValue) expand(parts []part) (string, error) {
	var b strings.Builder
	for _, p := range parts {
		text := p.text
		if p.group >= 0 {
			s, _ := starlark.AsString(m.of(p.group)) // "" for None
			text = s
		}
		if b.Len()+len(text) > maxText {
			return "", fmt.Errorf("sub: the text would be larger than %d MiB", maxText>>20)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}
