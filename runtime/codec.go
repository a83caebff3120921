package runtime

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// MaxValueBytes bounds one payload.
const MaxValueBytes = 64 << 20

// Plain is a value that crosses to the world as a plainer one: an enum as its string, a decision as a struct.
type Plain interface {
	starlark.Value
	Plain() starlark.Value
}

// Encode gives the payload of a Starlark value: tuples as lists, structs and records as objects. What has no JSON form is a
// *PayloadError that names the path to it and what to write instead.
func Encode(v starlark.Value) (Payload, error) {
	e := encoder{}
	if err := e.value(v); err != nil {
		return nil, err
	}
	return e.out, nil
}

// encoder builds one payload; path is where it is, for messages.
type encoder struct {
	out  []byte
	path []step
}

// step is one level of a path: an index where key is "".
type step struct {
	key   string
	index int
}

func (e *encoder) fail(format string, args ...any) error {
	var b bytes.Buffer
	b.WriteByte('$')
	for _, s := range e.path {
		if s.key != "" {
			fmt.Fprintf(&b, ".%s", s.key)
		} else {
			fmt.Fprintf(&b, "[%d]", s.index)
		}
		if b.Len() > 200 {
			b.WriteString("...")
			break
		}
	}
	return &PayloadError{Offset: -1, Path: b.String(), Reason: fmt.Sprintf(format, args...)}
}

func (e *encoder) value(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.NoneType:
		e.out = append(e.out, "null"...)
	case starlark.Bool:
		e.out = strconv.AppendBool(e.out, bool(v))
	case starlark.Int:
		return e.integer(v)
	case starlark.Float:
		return e.float(float64(v))
	case starlark.String:
		return e.text(string(v))
	case *starlark.List:
		return e.list(v)
	case starlark.Tuple:
		return e.list(v)
	case *starlark.Dict:
		return e.dict(v)
	case *starlarkstruct.Struct:
		return e.fields(v)
	case Plain:
		return e.value(v.Plain())
	case *starlark.Set:
		return e.fail("a set has no JSON form, write sorted(x) or list(x)")
	case starlark.Bytes:
		return e.fail("bytes have no JSON form, write str(x) or a list of numbers")
	default:
		return e.fail("%s has no JSON form", A(v.Type()))
	}
	return e.size()
}

func (e *encoder) size() error {
	if len(e.out) > MaxValueBytes {
		return &PayloadError{Offset: -1, Path: "$", Reason: fmt.Sprintf("the value is larger than %d MiB", MaxValueBytes>>20)}
	}
	return nil
}

func (e *encoder) integer(v starlark.Int) error {
	if n, ok := v.Int64(); ok {
		e.out = strconv.AppendInt(e.out, n, 10)
		return nil
	}
	b := v.BigInt()
	if b.BitLen() > 64<<10 {
		return e.fail("an integer of more than 64 Kibit")
	}
	e.out = b.Append(e.out, 10)
	return nil
}

func (e *encoder) float(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return e.fail("the float %v has no JSON form", starlark.Float(f))
	}
	e.out = appendFloat(e.out, f)
	return nil
}

func (e *encoder) text(s string) error {
	if !utf8.ValidString(s) {
		return e.fail("a string that is not UTF-8")
	}
	e.out = appendQuoted(e.out, s)
	return e.size()
}

// enter guards against depth, and so against cycles, before a nested value is looked at.
func (e *encoder) enter() error {
	if len(e.path) >= MaxNesting {
		return &PayloadError{Offset: -1, Path: "$", Reason: fmt.Sprintf("the value is nested deeper than %d, or contains itself", MaxNesting)}
	}
	e.path = append(e.path, step{})
	return nil
}

func (e *encoder) leave() { e.path = e.path[:len(e.path)-1] }

func (e *encoder) list(v starlark.Indexable) error {
	if err := e.enter(); err != nil {
		return err
	}
	e.out = append(e.out, '[')
	for i := range v.Len() {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.path[len(e.path)-1] = step{index: i}
		if err := e.value(v.Index(i)); err != nil {
			return err
		}
	}
	e.out = append(e.out, ']')
	e.leave()
	return e.size()
}

func (e *encoder) dict(v *starlark.Dict) error {
	items := v.Items()
	for _, kv := range items {
		if _, ok := kv[0].(starlark.String); !ok {
			return e.fail("a dict key of type %s, only strings can be keys in JSON", kv[0].Type())
		}
	}
	slices.SortFunc(items, func(a, b starlark.Tuple) int {
		return compareStrings(string(a[0].(starlark.String)), string(b[0].(starlark.String)))
	})
	return e.object(len(items), func(i int) (string, starlark.Value, error) {
		return string(items[i][0].(starlark.String)), items[i][1], nil
	})
}

func (e *encoder) fields(v *starlarkstruct.Struct) error {
	names := v.AttrNames()
	return e.object(len(names), func(i int) (string, starlark.Value, error) {
		f, err := v.Attr(names[i])
		return names[i], f, err
	})
}

// object writes n fields that at gives in byte order of their keys.
func (e *encoder) object(n int, at func(i int) (string, starlark.Value, error)) error {
	if err := e.enter(); err != nil {
		return err
	}
	e.out = append(e.out, '{')
	for i := range n {
		key, v, err := at(i)
		if err != nil {
			return err
		}
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.path[len(e.path)-1] = step{key: key}
		if err := e.text(key); err != nil {
			return err
		}
		e.out = append(e.out, ':')
		if err := e.value(v); err != nil {
			return err
		}
	}
	e.out = append(e.out, '}')
	e.leave()
	return e.size()
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Decode gives the Starlark value of a payload: objects as dicts, lists as lists, integers exact. The value is fresh and
// may be changed by the script. It reads any valid JSON; an error is a *PayloadError.
func Decode(p Payload) (starlark.Value, error) {
	s := scanner{src: p}
	v, err := s.starlark()
	if err != nil {
		return nil, err
	}
	s.space()
	if s.pos < len(s.src) {
		return nil, s.fail("%s after the value", s.found())
	}
	return v, nil
}

func (s *scanner) starlark() (starlark.Value, error) {
	switch c := s.peek(); {
	case c == '{':
		return descend(s, s.dict)
	case c == '[':
		return descend(s, s.list)
	case c == '"':
		text, err := s.text()
		return starlark.String(text), err
	case c == '-' || '0' <= c && c <= '9':
		return s.numeric()
	}
	word, err := s.value(make([]byte, 0, 8))
	switch string(word) {
	case "true":
		return starlark.True, nil
	case "false":
		return starlark.False, nil
	}
	return starlark.None, err
}

func descend[V starlark.Value](s *scanner, body func() (V, error)) (starlark.Value, error) {
	if s.depth++; s.depth > MaxNesting {
		return nil, s.fail("nested deeper than %d", MaxNesting)
	}
	s.pos++
	v, err := body()
	s.depth--
	return v, err
}

func (s *scanner) list() (*starlark.List, error) {
	var elems []starlark.Value
	for s.peek() != ']' {
		if len(elems) > 0 {
			if s.peek() != ',' {
				return nil, s.fail("%s in a list, want ',' or ']'", s.found())
			}
			s.pos++
		}
		v, err := s.starlark()
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
	}
	s.pos++
	return starlark.NewList(elems), nil
}

func (s *scanner) dict() (*starlark.Dict, error) {
	d := new(starlark.Dict)
	for s.peek() != '}' {
		if d.Len() > 0 {
			if s.peek() != ',' {
				return nil, s.fail("%s in an object, want ',' or '}'", s.found())
			}
			s.pos++
		}
		if s.peek() != '"' {
			return nil, s.fail("%s where a key should start", s.found())
		}
		key, err := s.text()
		if err != nil {
			return nil, err
		}
		if s.peek() != ':' {
			return nil, s.fail("%s after a key, want ':'", s.found())
		}
		s.pos++
		v, err := s.starlark()
		if err != nil {
			return nil, err
		}
		before := d.Len()
		if err := d.SetKey(starlark.String(key), v); err != nil {
			return nil, err
		}
		if d.Len() == before {
			return nil, s.fail("the key %q stands twice", key)
		}
	}
	s.pos++
	return d, nil
}

func (s *scanner) numeric() (starlark.Value, error) {
	start := s.pos
	isFloat, err := s.numeral()
	if err != nil {
		return nil, err
	}
	text := string(s.src[start:s.pos])
	if isFloat {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			s.pos = start
			return nil, s.fail("the number %s is out of range", clip([]byte(text)))
		}
		return starlark.Float(f), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return starlark.MakeInt64(n), nil
	}
	if len(text) > maxDigits {
		s.pos = start
		return nil, s.fail("an integer of %d digits, more than %d", len(text), maxDigits)
	}
	n, _ := new(big.Int).SetString(text, 10)
	return starlark.MakeBigInt(n), nil
}
