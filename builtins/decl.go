// Package builtins is what a pattern can say beyond Starlark: agents, structured concurrency, deciding, people, and data.
//
// Each builtin is declared once, as a Decl: its parameters bind the arguments, and documentation, editor stubs and completion
// are made from the same declaration. One file holds one builtin or one family.
package builtins

import (
	"fmt"
	"strings"
	"unicode"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// Decl declares one builtin.
type Decl struct {
	Name   string // as scripts write it: "parallel", or "ask" for a method
	Params []Param
	Result string // type of the result, for people
	Effect bool   // acts on the world, and so only works below main
	Doc    string // manual page: one sentence, then result, failure and order
	Impl   func(c *Call) (starlark.Value, error)
}

// Param declares one parameter.
type Param struct {
	Name    string
	Type    string // for people: "int", "str or list"
	Default string // as a script would write it; "" means required
	Kind    Kind
}

// Kind is how a parameter takes its argument.
type Kind uint8

// Kinds of parameters, in the order in which they may stand.
const (
	Plain Kind = iota // by position or by name
	Rest              // *args
	Named             // by name only
	Extra             // **kwargs
)

// Call is one call of a builtin, its arguments bound to the declared parameters.
type Call struct {
	Thread *starlark.Thread
	Decl   *Decl
	Recv   starlark.Value   // of a method, else nil
	Args   []starlark.Value // by index of Params; nil where the caller gave none
	Rest   starlark.Tuple
	Extra  []starlark.Tuple // in the caller's order
}

// Builtin makes the Starlark value of a declaration; recv is the receiver of a method, or nil.
func (d *Decl) Builtin(recv starlark.Value) *starlark.Builtin {
	return starlark.NewBuiltin(d.Name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		c := Call{Thread: t, Decl: d, Recv: recv, Args: make([]starlark.Value, len(d.Params))}
		if err := c.bind(args, kwargs); err != nil {
			return nil, err
		}
		return d.Impl(&c)
	})
}

// Signature writes the declaration as Python would.
func (d *Decl) Signature() string {
	var parts []string
	star := false
	for _, p := range d.Params {
		switch p.Kind {
		case Rest:
			star = true
			parts = append(parts, "*"+p.Name)
			continue
		case Extra:
			parts = append(parts, "**"+p.Name)
			continue
		case Named:
			if !star {
				star = true
				parts = append(parts, "*")
			}
		case Plain:
		}
		if p.Default != "" {
			parts = append(parts, p.Name+"="+p.Default)
		} else {
			parts = append(parts, p.Name)
		}
	}
	s := d.Name + "(" + strings.Join(parts, ", ") + ")"
	if d.Result != "" {
		s += " -> " + d.Result
	}
	return s
}

// Summary is the first sentence of the manual page, on one line. Where it begins with the signature it says only what comes after.
func (d *Decl) Summary() string {
	paragraph, _, _ := strings.Cut(strings.TrimSpace(d.Doc), "\n\n")
	text := strings.Join(strings.Fields(paragraph), " ")
	for i := 0; i+2 < len(text); i++ {
		if text[i:i+2] == ". " && unicode.IsUpper(rune(text[i+2])) {
			text = text[:i+1]
			break
		}
	}
	if rest, ok := strings.CutPrefix(text, d.Name+"("); ok {
		if _, verb, ok := strings.Cut(rest, ") "); ok {
			text = strings.ToUpper(verb[:1]) + verb[1:]
		}
	}
	return text
}

func (c *Call) bind(args starlark.Tuple, kwargs []starlark.Tuple) error {
	pos := 0
	for i, p := range c.Decl.Params {
		switch p.Kind {
		case Plain:
			if pos < len(args) {
				c.Args[i] = args[pos]
				pos++
			}
		case Rest:
			c.Rest, pos = args[pos:], len(args)
		case Named, Extra:
		}
	}
	if pos < len(args) {
		return fmt.Errorf("%s: got %d positional arguments, want at most %d: %s", c.Decl.Name, len(args), pos, c.Decl.Signature())
	}
	for _, kv := range kwargs {
		if err := c.bindNamed(string(kv[0].(starlark.String)), kv); err != nil {
			return err
		}
	}
	for i, p := range c.Decl.Params {
		if c.Args[i] == nil && p.Default == "" && (p.Kind == Plain || p.Kind == Named) {
			return fmt.Errorf("%s: missing argument %s: %s", c.Decl.Name, p.Name, c.Decl.Signature())
		}
	}
	return nil
}

func (c *Call) bindNamed(name string, kv starlark.Tuple) error {
	extra := false
	for i, p := range c.Decl.Params {
		switch p.Kind {
		case Plain, Named:
			if p.Name != name {
				continue
			}
			if c.Args[i] != nil {
				return fmt.Errorf("%s: got two values for %s", c.Decl.Name, name)
			}
			c.Args[i] = kv[1]
			return nil
		case Extra:
			extra = true
		case Rest:
		}
	}
	if extra {
		c.Extra = append(c.Extra, kv)
		return nil
	}
	var names []string
	for _, p := range c.Decl.Params {
		names = append(names, p.Name)
	}
	if near := runtime.Nearest(name, names); near != "" {
		return fmt.Errorf("%s: no parameter %s, did you mean %s? %s", c.Decl.Name, name, near, c.Decl.Signature())
	}
	return fmt.Errorf("%s: no parameter %s: %s", c.Decl.Name, name, c.Decl.Signature())
}
