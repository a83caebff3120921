package runtime

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxNesting is how deep a JSON document or a value may be nested.
const MaxNesting = 500

// maxDigits bounds an integer to about 64 Kibit.
const maxDigits = 19_728

// PayloadError says why a document or a value is not a payload.
type PayloadError struct {
	Offset int    // in the document, bytes from 0; -1 for a value
	Path   string // in the value, such as `$.items[3]`; "" for a document
	Reason string
}

func (e *PayloadError) Error() string {
	if e.Path != "" {
		return fmt.Sprintf("%s: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
}

// scanner walks one JSON document once and writes its canonical form.
type scanner struct {
	src   []byte
	pos   int
	depth int
}

func (s *scanner) fail(format string, args ...any) error {
	return &PayloadError{Offset: s.pos, Reason: fmt.Sprintf(format, args...)}
}

func (s *scanner) document(out []byte) ([]byte, error) {
	out, err := s.value(out)
	if err != nil {
		return nil, err
	}
	s.space()
	if s.pos < len(s.src) {
		return nil, s.fail("%s after the value", s.found())
	}
	return out, nil
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// peek skips white space and gives the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos == len(s.src) {
		return 0
	}
	return s.src[s.pos]
}

// found names what stands at pos, for messages.
func (s *scanner) found() string {
	if s.pos >= len(s.src) {
		return "the end"
	}
	r, _ := utf8.DecodeRune(s.src[s.pos:])
	return strconv.QuoteRune(r)
}

func (s *scanner) value(out []byte) ([]byte, error) {
	switch c := s.peek(); {
	case c == '{':
		return s.nested(out, s.object)
	case c == '[':
		return s.nested(out, s.array)
	case c == '"':
		return s.string(out)
	case c == '-' || '0' <= c && c <= '9':
		return s.number(out)
	default:
		for _, word := range []string{"null", "true", "false"} {
			if bytes.HasPrefix(s.src[s.pos:], []byte(word)) {
				s.pos += len(word)
				return append(out, word...), nil
			}
		}
		return nil, s.fail("%s where a value should start", s.found())
	}
}

func (s *scanner) nested(out []byte, body func([]byte) ([]byte, error)) ([]byte, error) {
	if s.depth++; s.depth > MaxNesting {
		return nil, s.fail("nested deeper than %d", MaxNesting)
	}
	s.pos++
	out, err := body(out)
	s.depth--
	return out, err
}

func (s *scanner) array(out []byte) ([]byte, error) {
	out = append(out, '[')
	for first := true; ; first = false {
		c := s.peek()
		if c == ']' && first {
			break
		}
		if !first {
			if c == ']' {
				break
			}
			if c != ',' {
				return nil, s.fail("%s in a list, want ',' or ']'", s.found())
			}
			s.pos++
			out = append(out, ',')
		}
		var err error
		if out, err = s.value(out); err != nil {
			return nil, err
		}
	}
	s.pos++
	return append(out, ']'), nil
}

// field is one `"key":value` of an object as it stands in the output.
type field struct {
	key        []byte // decoded
	start, end int
}

func (s *scanner) object(out []byte) ([]byte, error) {
	base := len(out)
	out = append(out, '{')
	var room [16]field
	fields := room[:0]
	sorted := true
	for more, err := s.more(true); more || err != nil; more, err = s.more(false) {
		if err != nil {
			return nil, err
		}
		at := s.pos
		var f field
		if out, f, err = s.field(out); err != nil {
			return nil, err
		}
		if n := len(fields); n > 0 {
			order := bytes.Compare(fields[n-1].key, f.key)
			if order == 0 {
				s.pos = at
				return nil, s.fail("the key %q stands twice", f.key)
			}
			sorted = sorted && order < 0
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return append(out, '}'), nil
	}
	if !sorted {
		if err := s.sort(out, base+1, fields); err != nil {
			return nil, err
		}
	}
	out[len(out)-1] = '}'
	return out, nil
}

// more moves to the next key of an object, or over its end.
func (s *scanner) more(first bool) (bool, error) {
	c := s.peek()
	if c == '}' {
		s.pos++
		return false, nil
	}
	if !first {
		if c != ',' {
			return false, s.fail("%s in an object, want ',' or '}'", s.found())
		}
		s.pos++
		c = s.peek()
	}
	if c != '"' {
		return false, s.fail("%s where a key should start", s.found())
	}
	return true, nil
}

// field reads `"key": value` and writes it with a comma behind.
func (s *scanner) field(out []byte) ([]byte, field, error) {
	key, err := s.text()
	if err != nil {
		return nil, field{}, err
	}
	start := len(out)
	out = append(appendQuoted(out, key), ':')
	if s.peek() != ':' {
		return nil, field{}, s.fail("%s after a key, want ':'", s.found())
	}
	s.pos++
	if out, err = s.value(out); err != nil {
		return nil, field{}, err
	}
	return append(out, ','), field{key, start, len(out)}, nil
}

// sort puts the fields that stand in out[base:] into the order of their keys.
func (s *scanner) sort(out []byte, base int, fields []field) error {
	slices.SortFunc(fields, func(a, b field) int { return bytes.Compare(a.key, b.key) })
	tmp := make([]byte, 0, len(out)-base)
	for i, f := range fields {
		if i > 0 && bytes.Equal(f.key, fields[i-1].key) {
			return s.fail("the key %q stands twice", f.key)
		}
		tmp = append(append(tmp, out[f.start:f.end]...), ',')
	}
	copy(out[base:], tmp)
	return nil
}

func (s *scanner) string(out []byte) ([]byte, error) {
	text, err := s.text()
	if err != nil {
		return nil, err
	}
	return appendQuoted(out, text), nil
}

// text reads a string and decodes its escapes. The result may alias the source.
func (s *scanner) text() ([]byte, error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			text := s.src[start:s.pos]
			if !utf8.Valid(text) {
				return nil, s.badUTF8(start)
			}
			s.pos++
			return text, nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.fail("a control character in a string, write it as an escape")
		default:
			s.pos++
		}
	}
	return nil, s.fail("the document ends inside a string")
}

func (s *scanner) badUTF8(start int) error {
	for s.pos = start; s.pos < len(s.src); {
		r, n := utf8.DecodeRune(s.src[s.pos:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		s.pos += n
	}
	return s.fail("a string that is not UTF-8")
}

func (s *scanner) escaped(start int) ([]byte, error) {
	buf := append(make([]byte, 0, s.pos-start+32), s.src[start:s.pos]...)
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case c == '"':
			if !utf8.Valid(buf) {
				return nil, s.badUTF8(start)
			}
			s.pos++
			return buf, nil
		case c < ' ':
			return nil, s.fail("a control character in a string, write it as an escape")
		case c != '\\':
			buf = append(buf, c)
			s.pos++
		default:
			var err error
			if buf, err = s.escape(buf); err != nil {
				return nil, err
			}
		}
	}
	return nil, s.fail("the document ends inside a string")
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (s *scanner) escape(buf []byte) ([]byte, error) {
	if s.pos+1 >= len(s.src) {
		return nil, s.fail("the document ends inside a string")
	}
	c := s.src[s.pos+1]
	if c != 'u' {
		if escapes[c] == 0 {
			return nil, s.fail("an unknown escape \\%c", c)
		}
		s.pos += 2
		return append(buf, escapes[c]), nil
	}
	r, ok := s.unicode(s.pos)
	if !ok {
		return nil, s.fail("a \\u that is not followed by four hex digits")
	}
	at := s.pos
	s.pos += 6
	if 0xD800 <= r && r < 0xDC00 {
		if low, ok := s.unicode(s.pos); ok && 0xDC00 <= low && low < 0xE000 {
			s.pos += 6
			return utf8.AppendRune(buf, (r-0xD800)<<10+(low-0xDC00)+0x10000), nil
		}
	}
	if 0xD800 <= r && r < 0xE000 {
		s.pos = at
		return nil, s.fail("half of a surrogate pair")
	}
	return utf8.AppendRune(buf, r), nil
}

func (s *scanner) unicode(at int) (rune, bool) {
	if at+6 > len(s.src) || s.src[at] != '\\' || s.src[at+1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(s.src[at+2:at+6]), 16, 32)
	return rune(v), err == nil
}

func (s *scanner) number(out []byte) ([]byte, error) {
	start := s.pos
	isFloat, err := s.numeral()
	if err != nil {
		return nil, err
	}
	text := s.src[start:s.pos]
	if !isFloat {
		if len(text) > maxDigits {
			s.pos = start
			return nil, s.fail("an integer of %d digits, more than %d", len(text), maxDigits)
		}
		if string(text) == "-0" {
			text = text[1:]
		}
		return append(out, text...), nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		s.pos = start
		return nil, s.fail("the number %s is out of range", clip(text))
	}
	return appendFloat(out, f), nil
}

// numeral moves over a number and says whether it is a float.
func (s *scanner) numeral() (isFloat bool, err error) {
	digits := func() int {
		from := s.pos
		for s.pos < len(s.src) && '0' <= s.src[s.pos] && s.src[s.pos] <= '9' {
			s.pos++
		}
		return s.pos - from
	}
	at := func(set string) bool { return s.pos < len(s.src) && bytes.IndexByte([]byte(set), s.src[s.pos]) >= 0 }
	if at("-") {
		s.pos++
	}
	leading := at("0")
	if n := digits(); n == 0 || leading && n > 1 {
		return false, s.fail("a malformed number")
	}
	if at(".") {
		isFloat = true
		if s.pos++; digits() == 0 {
			return false, s.fail("a number without digits after its point")
		}
	}
	if at("eE") {
		isFloat = true
		if s.pos++; at("+-") {
			s.pos++
		}
		if digits() == 0 {
			return false, s.fail("a number without digits in its exponent")
		}
	}
	return isFloat, nil
}

func clip(b []byte) string {
	if len(b) > 40 {
		return string(b[:40]) + "..."
	}
	return string(b)
}

// appendFloat writes a finite float so that it reads back as the same float, never as an integer.
func appendFloat(b []byte, f float64) []byte {
	start := len(b)
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if bytes.IndexByte(b[start:], '.') < 0 && bytes.IndexByte(b[start:], 'e') < 0 {
		b = append(b, ".0"...)
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes valid UTF-8 as a JSON string.
func appendQuoted[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
