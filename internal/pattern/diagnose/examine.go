package diagnose

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// Language is what a text may say.
type Language struct {
	Env   runtime.Environment
	Decls []*builtins.Decl // of builtins whose calls are checked; those that Env lacks are passed over

	// Loaded gives the parameters of a function that a label's file defines, nil where they are not known. It may be nil.
	Loaded func(label, name string) *builtins.Decl
}

// Examine says all that is wrong with one text, in the order of the text.
func Examine(name string, src []byte, lang Language) []Finding {
	f, err := runtime.Parse(name, src)
	if err != nil {
		return unreadable(src, err)
	}
	p := read(string(src))
	if wrong, ok := errors.AsType[*runtime.SourceError](f.Resolve(lang.Env)); ok {
		p.unresolved(wrong.Findings)
	}
	p.tree(f.Syntax, lang)
	p.secrets()
	return p.sorted()
}

// unreadable says what is wrong with a text that does not parse.
func unreadable(src []byte, err error) []Finding {
	wrong, ok := errors.AsType[*runtime.SourceError](err)
	if !ok || len(wrong.Findings) == 0 {
		return []Finding{{Code: "syntax", Message: err.Error()}}
	}
	first := wrong.Findings[0]
	if first.Code != "syntax" {
		return []Finding{{Code: first.Code, Message: first.Message, Hint: first.Hint}}
	}
	p := read(string(src))
	at := p.offset(first.Pos)
	if p.fences(); len(p.found) > 0 {
		p.secrets()
		return p.sorted() // the rest is best read without what is around it
	}
	p.characters()
	p.texts()
	p.notes()
	p.braces()
	p.words()
	p.operators()
	p.layout(at, first.Message)
	if !p.explains(at) {
		p.found = append(p.found, Finding{Code: "syntax", Offset: p.culprit(at), Message: first.Message, Hint: pageOf("syntax").Hint})
	}
	p.secrets()
	return p.sorted()
}

// culprit is the start of the token that ends at a byte, for the interpreter may point behind what it could not use.
func (p *page) culprit(at int) int {
	if p.tokenAt(at) < 0 {
		for _, t := range p.toks {
			if t.end == at && t.kind != text {
				return t.start
			}
		}
	}
	return at
}

// explains says that a finding accounts for what stopped the interpreter at a byte.
func (p *page) explains(at int) bool {
	line := p.lineAt(at)
	for _, f := range p.found {
		switch f.Code {
		case "unclosed-bracket", "unclosed-string", "indentation", "tabs", "empty-block", "markdown-fence":
			return true
		}
		if n := p.lineAt(f.Offset); f.Offset <= at && line-n <= 1 || n == line {
			return true
		}
	}
	return false
}

// offset is the byte at a position.
func (p *page) offset(pos syntax.Position) int {
	at := 0
	for n := int32(1); n < pos.Line; n++ {
		i := strings.IndexByte(p.src[at:], '\n')
		if i < 0 {
			return len(p.src)
		}
		at += i + 1
	}
	for n := int32(1); n < pos.Col && at < len(p.src) && p.src[at] != '\n'; n++ {
		_, size := utf8.DecodeRuneInString(p.src[at:])
		at += size
	}
	return at
}

// tokenAt is the index of the token that starts at a byte, or -1.
func (p *page) tokenAt(at int) int {
	i, ok := slices.BinarySearchFunc(p.toks, at, func(t token, at int) int { return t.start - at })
	if !ok || i == len(p.toks)-1 {
		return -1
	}
	return i
}

// sorted gives the findings in the order of the text, each once.
func (p *page) sorted() []Finding {
	slices.SortStableFunc(p.found, func(a, b Finding) int {
		if a.Offset != b.Offset {
			return a.Offset - b.Offset
		}
		return strings.Compare(a.Code, b.Code)
	})
	return slices.CompactFunc(p.found, func(a, b Finding) bool { return a.Offset == b.Offset && a.Code == b.Code })
}

// Place is where a byte of a text stands: line and column in characters, from 1.
func Place(src string, at int) (line, col int) {
	at = min(max(at, 0), len(src))
	start := strings.LastIndexByte(src[:at], '\n') + 1
	return strings.Count(src[:at], "\n") + 1, utf8.RuneCountInString(src[start:at]) + 1
}

// parses says that the interpreter can read a text.
func parses(src string) bool {
	_, err := runtime.Parse("main.star", []byte(src))
	return err == nil
}
