package manifest

import (
	"bytes"
	"errors"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxDepth is how deep tables of a manifest may be nested.
const maxDepth = 64

// document is a TOML text, its values, and where its keys stand.
type document struct {
	name     string
	text     []byte
	lines    []int          // offset at which each line starts
	keys     map[string]int // offset of the first mention of each key, by its path
	values   map[string]any
	problems []Problem
	accepts  map[string][]string // the keys that each table may have, by its path; noted where it is not nil
}

// parse reads the text. Its error is an *Error.
func parse(name string, text []byte) (*document, error) {
	d := &document{name: name, text: bytes.TrimPrefix(text, []byte("\ufeff")), keys: make(map[string]int)}
	d.lines = append(d.lines, 0)
	for i, c := range d.text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	if !utf8.Valid(d.text) {
		d.problem(d.at(validPrefix(d.text)), "save the file as UTF-8", "the text is not valid UTF-8")
		return nil, d.err()
	}
	d.index()
	if len(d.problems) > 0 {
		return nil, d.err()
	}
	if err := toml.Unmarshal(d.text, &d.values); err != nil {
		d.malformed(err)
		return nil, d.err()
	}
	return d, nil
}

func validPrefix(text []byte) int {
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}

// malformed notes what the TOML reader did not like.
func (d *document) malformed(err error) {
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, col := e.Position()
		pos := Pos{max(line, 1), max(col, 1)}
		d.problem(d.runes(pos), "", "%s", strings.TrimPrefix(e.Error(), "toml: "))
		return
	}
	d.problem(Pos{1, 1}, "", "%s", strings.TrimPrefix(err.Error(), "toml: "))
}

// runes turns a column in bytes into one in characters.
func (d *document) runes(p Pos) Pos {
	if p.Line > len(d.lines) {
		return p
	}
	start := d.lines[p.Line-1]
	end := min(start+p.Col-1, len(d.text))
	return Pos{p.Line, utf8.RuneCount(d.text[start:end]) + 1}
}

// at is the place of an offset.
func (d *document) at(offset int) Pos {
	line := sort.Search(len(d.lines), func(i int) bool { return d.lines[i] > offset })
	return Pos{line, utf8.RuneCount(d.text[d.lines[line-1]:offset]) + 1}
}

// line is the text of a line, counted from 1.
func (d *document) line(n int) string {
	if n < 1 || n > len(d.lines) {
		return ""
	}
	end := len(d.text)
	if n < len(d.lines) {
		end = d.lines[n]
	}
	line := strings.TrimRight(string(d.text[d.lines[n-1]:end]), "\r\n")
	return strings.ToValidUTF8(line, "\ufffd")
}

// index notes where each key stands. Malformed text is left to the reader that gives the values.
func (d *document) index() {
	var p unstable.Parser
	p.Reset(d.text)
	var within []string
	for p.NextExpression() && len(d.problems) == 0 {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			within = d.mark(nil, e.Key())
		case unstable.KeyValue:
			d.keyValue(within, e)
		default:
		}
	}
}

func (d *document) keyValue(within []string, e *unstable.Node) {
	path := d.mark(within, e.Key())
	if path != nil {
		d.value(path, e.Value())
	}
}

// value notes the keys inside a value. Elements of a list share the place of the list.
func (d *document) value(path []string, v *unstable.Node) {
	if len(path) > maxDepth {
		return
	}
	for it := v.Children(); it.Next(); {
		n := it.Node()
		switch n.Kind {
		case unstable.KeyValue:
			d.keyValue(path, n)
		case unstable.Array, unstable.InlineTable:
			d.value(append(slices.Clip(path), "[]"), n)
		default:
		}
	}
}

// mark notes the parts of a dotted key and gives its full path, or nil when that is too deep.
func (d *document) mark(within []string, key unstable.Iterator) []string {
	path := slices.Clip(within)
	for key.Next() {
		n := key.Node()
		if len(path) == maxDepth {
			d.problem(d.at(int(n.Raw.Offset)), "", "the key is nested deeper than %d", maxDepth)
			return nil
		}
		path = append(path, string(n.Data))
		id := strings.Join(path, "\x00")
		if _, ok := d.keys[id]; !ok {
			d.keys[id] = int(n.Raw.Offset)
		}
	}
	return path
}

// place is where the key of that path stands, or the nearest key around it.
func (d *document) place(path []string) Pos {
	for n := len(path); n > 0; n-- {
		if offset, ok := d.keys[strings.Join(path[:n], "\x00")]; ok {
			return d.at(offset)
		}
	}
	return Pos{1, 1}
}
