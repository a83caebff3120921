package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// jsonModule is what scripts call `json`.
func jsonModule() module {
	return module{
		Name: "json",
		Doc: `json turns values into JSON text and back, as they also cross to agents: ints stay exact, floats keep a point, keys are sorted, tuples
become lists, records and structs become objects. Sets, bytes, functions, NaN and infinities have no JSON form.

    json.encode({"b": 1, "a": [True, None]}) # '{"a":[true,null],"b":1}'
    json.decode("[1, 2.0]")                  # [1, 2.0]`,
		Decls: []*Decl{jsonEncode(), jsonEncodeIndent(), jsonDecode(), jsonIndent()},
	}
}

func jsonEncode() *Decl {
	return &Decl{
		Name:   "encode",
		Params: []Param{{Name: "x", Type: "any"}},
		Result: "str",
		Doc: `json.encode(x) is x as JSON, without spaces and with sorted keys. What has no JSON form is an error that names the path to it.

    json.encode(struct(ok = True)) # '{"ok":true}'`,
		Impl: func(c *Call) (starlark.Value, error) {
			p, err := encodeText(c)
			return starlark.String(p), err
		},
	}
}

// encodeText encodes parameter 0.
func encodeText(c *Call) (runtime.Payload, error) {
	p, err := runtime.Encode(c.Args[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Decl.Name, err)
	}
	return p, charge(c.Thread, 2*len(p))
}

func jsonEncodeIndent() *Decl {
	return &Decl{
		Name: "encode_indent",
		Params: []Param{
			{Name: "x", Type: "any"},
			{Name: "prefix", Type: "str", Default: `""`, Kind: Named},
			{Name: "indent", Type: "str", Default: `"  "`, Kind: Named},
		},
		Result: "str",
		Doc: `json.encode_indent(x, prefix="", indent="  ") is x as JSON on many lines, each with the prefix and an indent for each level.

    print(json.encode_indent(findings))`,
		Impl: func(c *Call) (starlark.Value, error) {
			p, err := encodeText(c)
			if err != nil {
				return nil, err
			}
			return indented(c, p)
		},
	}
}

func jsonIndent() *Decl {
	return &Decl{
		Name: "indent",
		Params: []Param{
			{Name: "text", Type: "str"},
			{Name: "prefix", Type: "str", Default: `""`, Kind: Named},
			{Name: "indent", Type: "str", Default: `"  "`, Kind: Named},
		},
		Result: "str",
		Doc: `json.indent(text, prefix="", indent="  ") is a JSON text on many lines, with sorted keys.

    json.indent('{"a":1}') # '{\n  "a": 1\n}'`,
		Impl: func(c *Call) (starlark.Value, error) {
			p, err := canonicalArg(c)
			if err != nil {
				return nil, err
			}
			return indented(c, p)
		},
	}
}

func canonicalArg(c *Call) (runtime.Payload, error) {
	text, err := c.textArg(0)
	if err != nil {
		return nil, err
	}
	if err := charge(c.Thread, 2*len(text)); err != nil {
		return nil, err
	}
	p, err := runtime.Canonical([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Decl.Name, err)
	}
	return p, nil
}

// indented lays a payload out on many lines. The size is known before anything is written.
func indented(c *Call, p runtime.Payload) (starlark.Value, error) {
	prefix, err := c.textArg(1)
	if err != nil {
		return nil, err
	}
	indent, err := c.textOr(2, "  ")
	if err != nil {
		return nil, err
	}
	size := 0
	layout(p, func(part []byte) { size += len(part) }, func(depth int) { size += 1 + len(prefix) + depth*len(indent) })
	if err := charge(c.Thread, size); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Decl.Name, err)
	}
	var b strings.Builder
	b.Grow(size)
	layout(p, func(part []byte) { b.Write(part) }, func(depth int) {
		b.WriteByte('\n')
		b.WriteString(prefix)
		for range depth {
			b.WriteString(indent)
		}
	})
	return starlark.String(b.String()), nil
}

// layout walks a payload and says what to write and where a line of which depth starts.
func layout(p runtime.Payload, write func([]byte), line func(depth int)) {
	depth := 0
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case '"':
			end := i + 1
			for ; p[end] != '"'; end++ {
				if p[end] == '\\' {
					end++
				}
			}
			write(p[i : end+1])
			i = end
		case '{', '[':
			if p[i+1] == c+2 { // the closing one
				write(p[i : i+2])
				i++
				continue
			}
			write(p[i : i+1])
			depth++
			line(depth)
		case '}', ']':
			depth--
			line(depth)
			write(p[i : i+1])
		case ',':
			write(p[i : i+1])
			line(depth)
		case ':':
			write([]byte(": "))
		default:
			write(p[i : i+1])
		}
	}
}

func jsonDecode() *Decl {
	return &Decl{
		Name:   "decode",
		Params: []Param{{Name: "text", Type: "str"}, {Name: "default", Type: "any", Default: "FAIL"}},
		Result: "any",
		Doc: `json.decode(text, default=) is the value of a JSON text: objects as dicts, ints exact. A text that is not JSON is an error that
names the byte, or gives the default when there is one.

    json.decode('{"n": 1}')["n"]       # 1
    json.decode(answer, default = {})  # {} when the answer is not JSON`,
		Impl: decodeText,
	}
}

func decodeText(c *Call) (starlark.Value, error) {
	text, err := c.textArg(0)
	if err != nil {
		return nil, err
	}
	if err := charge(c.Thread, len(text)); err != nil {
		return nil, err
	}
	if b, err := runtime.BranchOf(c.Thread); err == nil {
		if err := b.Charge(c.Thread, decodedBytes(text)); err != nil {
			return nil, err
		}
	}
	v, err := runtime.Decode(runtime.Payload(text))
	if err == nil {
		return v, nil
	}
	if c.Args[1] != nil {
		return c.Args[1], nil
	}
	return nil, fmt.Errorf("decode: %w", err)
}

// decodedBytes is about how much memory the value of a JSON text takes: an empty dict is two bytes of text and half a KiB of
// memory.
func decodedBytes(text string) uint64 {
	n := func(c string) int { return strings.Count(text, c) }
	return uint64(n("{")*640 + n("[")*64 + n(",")*32)
}
