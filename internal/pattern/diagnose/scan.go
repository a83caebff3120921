package diagnose

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a token is.
type kind uint8

const (
	word kind = iota
	number
	text
	mark // operators, brackets, and characters that mean nothing
	note // a comment of another language
)

// token is a piece of the text. Unlike the interpreter's scanner, this one never fails.
type token struct {
	kind       kind
	start, end int
	raw        string
	prefix     string // of text: "f", "rb"; "`" for a template
	quote      string // of text
	closed     bool   // of text: it ends with its quote
	block      bool   // of a brace: it delimits statements
	match      int    // of a bracket: index of its partner, or -1
	line       int    // index of its logical line
	depth      int    // brackets around it
}

// body is the text between the quotes.
func (t token) body() string {
	b := t.raw[len(strings.Trim(t.prefix, "`"))+len(t.quote):]
	if t.closed {
		b = b[:len(b)-len(t.quote)]
	}
	return b
}

func (t token) is(raws ...string) bool {
	return t.kind != text && t.kind != note && slices.Contains(raws, t.raw)
}

// line is one logical line: a line of text and those that brackets or backslashes join to it.
type line struct {
	first, last int    // its tokens
	start, end  int    // its bytes, without the last newline
	indent      string // what stands before the first token
	width       int    // of the indent, in columns
}

// page is a scanned text. The last token is a mark without text, so that looking ahead by one is always possible.
type page struct {
	src   string
	toks  []token
	lines []line
	open  []int  // tokens of brackets that nothing closes
	types []Edit // where classes stand, whose fields have types
	found []Finding
	work  int  // steps that the rules took
	full  bool // there is enough to tell, or nothing more will be found
}

// scanner makes a page.
type scanner struct {
	*page
	at    int
	stack []int // open brackets
	eol   int   // end of the line of text that holds at
}

// read scans a text.
func read(src string) *page {
	s := &scanner{page: &page{src: src}, eol: -1}
	s.begin(0)
	for s.at < len(s.src) {
		s.step()
	}
	s.end(len(s.src))
	s.open = append(s.open, s.stack...)
	s.toks = append(s.toks, token{kind: mark, start: len(src), end: len(src), match: -1, line: max(0, len(s.lines)-1)})
	return s.page
}

// begin starts a logical line at a byte.
func (s *scanner) begin(at int) {
	s.lines = append(s.lines, line{first: len(s.toks), start: at})
}

// end ends the logical line; one without tokens is dropped.
func (s *scanner) end(at int) {
	l := &s.lines[len(s.lines)-1]
	l.last, l.end = len(s.toks), at
	if l.last == l.first {
		s.lines = s.lines[:len(s.lines)-1]
		return
	}
	l.indent = s.src[l.start:s.toks[l.first].start]
	l.width = width(l.indent)
}

// width counts columns as the interpreter does: a tab goes to the next multiple of eight.
func width(indent string) int {
	n := 0
	for _, r := range indent {
		if r == '\t' {
			n += 8 - n%8
		} else {
			n++
		}
	}
	return n
}

func (s *scanner) step() {
	switch c := s.src[s.at]; {
	case c == '\n':
		s.newline()
	case c == ' ' || c == '\t' || c == '\r' || c == '\f':
		s.at++
	case c == '\\' && (strings.HasPrefix(s.src[s.at+1:], "\n") || strings.HasPrefix(s.src[s.at+1:], "\r\n")):
		s.at += strings.IndexByte(s.src[s.at:], '\n') + 1
	case c == '#':
		s.at = s.lineEnd(s.at)
	case strings.HasPrefix(s.src[s.at:], "/*"):
		s.blockNote()
	case strings.HasPrefix(s.src[s.at:], "//") && s.isNote():
		s.add(note, s.lineEnd(s.at))
	case c >= '0' && c <= '9' || c == '.' && s.at+1 < len(s.src) && isDigit(s.src[s.at+1]):
		s.number()
	case c == '"' || c == '\'' || c == '`':
		s.text(s.at)
	default:
		s.other()
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// lineEnd is where the line of text at a byte ends. The last answer is kept, for lines may be very long.
func (s *scanner) lineEnd(at int) int {
	if at > s.eol || at < s.at {
		s.eol = lineEnd(s.src, at)
	}
	return s.eol
}

func lineEnd(src string, at int) int {
	if i := strings.IndexByte(src[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(src)
}

func (s *scanner) add(k kind, end int) *token {
	s.toks = append(s.toks, token{
		kind: k, start: s.at, end: end, raw: s.src[s.at:end], match: -1, line: len(s.lines) - 1, depth: len(s.stack),
	})
	s.at = end
	return &s.toks[len(s.toks)-1]
}

func (s *scanner) newline() {
	if len(s.stack) > 0 && !s.abandoned() {
		s.at++
		return
	}
	s.open = append(s.open, s.stack...)
	s.stack = nil
	s.end(s.at)
	s.at++
	s.begin(s.at)
}

// starters begin statements and never continue an expression.
var starters = []string{"def", "return", "while", "pass", "break", "continue", "class", "import", "try", "raise", "with", "load"}

// abandoned says that the brackets that are open were forgotten: a statement begins on the next line, no further in.
func (s *scanner) abandoned() bool {
	next := s.src[s.at+1 : s.lineEnd(s.at+1)]
	trimmed := strings.TrimLeft(next, " \t")
	w := trimmed[:wordEnd(trimmed)]
	l := s.lines[len(s.lines)-1]
	if width(next[:len(next)-len(trimmed)]) > width(s.src[l.start:s.toks[l.first].start]) {
		return false
	}
	return slices.Contains(starters, w) || (w == "for" || w == "if") && strings.HasSuffix(strings.TrimRight(trimmed, " \r"), ":")
}

func wordEnd(t string) int {
	for i, r := range t {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return i
		}
	}
	return len(t)
}

func (s *scanner) blockNote() {
	end := len(s.src)
	if i := strings.Index(s.src[s.at+2:], "*/"); i >= 0 {
		end = s.at + 2 + i + 2
	}
	s.add(note, end)
}

// maxPeek is how far a comment is read to see that it is one.
const maxPeek = 80

// isNote tells a comment from a division: it stands where no operator can, or words follow that are no expression.
func (s *scanner) isNote() bool {
	l := s.lines[len(s.lines)-1]
	if l.first == len(s.toks) {
		return true
	}
	if s.toks[len(s.toks)-1].is(";", "{", "}", ":", ",", "(", "[") {
		return true
	}
	words := strings.Fields(s.src[s.at+2 : min(s.lineEnd(s.at), s.at+maxPeek)])
	if len(words) < 2 || wordEnd(words[0]) != len(words[0]) || wordEnd(words[1]) == 0 {
		return false
	}
	return !slices.Contains([]string{"and", "or", "in", "not", "if", "else", "for", "is"}, words[1])
}

func (s *scanner) number() {
	i := s.at
	for i < len(s.src) {
		c := s.src[i]
		sign := (c == '+' || c == '-') && (s.src[i-1] == 'e' || s.src[i-1] == 'E') && !strings.HasPrefix(s.src[s.at:], "0x") && !strings.HasPrefix(s.src[s.at:], "0X")
		if !isDigit(c) && c != '_' && c != '.' && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(i > s.at && sign) {
			break
		}
		if c == '.' && strings.HasPrefix(s.src[i:], "..") {
			break
		}
		i++
	}
	s.add(number, max(i, s.at+1))
}

// text scans a string whose quote stands at quoteAt; what stands before it is its prefix.
func (s *scanner) text(quoteAt int) {
	prefix, quote := s.src[s.at:quoteAt], s.src[quoteAt:quoteAt+1]
	if triple := strings.Repeat(quote, 3); quote != "`" && strings.HasPrefix(s.src[quoteAt:], triple) {
		quote = triple
	}
	if quote == "`" {
		prefix = "`"
	}
	end, closed := textEnd(s.src, quoteAt+len(quote), quote, strings.ContainsAny(prefix, "fF"))
	t := s.add(text, end)
	t.prefix, t.quote, t.closed = prefix, quote, closed
}

// textEnd finds the end of a string. In a formatted one, quotes in braces belong to the expression there if it is closed on its line.
func textEnd(src string, at int, quote string, formatted bool) (end int, closed bool) {
	for at < len(src) {
		switch c := src[at]; {
		case c == '\\' && at+1 < len(src):
			_, n := utf8.DecodeRuneInString(src[at+1:])
			at += 1 + n
		case strings.HasPrefix(src[at:], quote):
			return at + len(quote), true
		case c == '\n' && len(quote) == 1 && quote != "`":
			return at, false
		case c == '{' && formatted && strings.HasPrefix(src[at:], "{{"):
			at += 2
		case c == '{' && formatted:
			if n := fieldEnd(src[at:]); n > 0 {
				at += n
			} else {
				at++
			}
		default:
			at++
		}
	}
	return len(src), false
}

// maxField bounds a formatted expression, so that looking for its end costs little.
const maxField = 500

// fieldEnd is the length of "{...}" at the start of t, with strings and brackets inside, or 0 when it does not end on this line.
func fieldEnd(t string) int {
	depth := 0
	for i := 0; i < min(len(t), maxField); i++ {
		switch c := t[i]; c {
		case '\n':
			return 0
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			n := strings.IndexByte(t[i+1:min(len(t), maxField)], c)
			if n < 0 {
				return 0
			}
			i += 1 + n
		}
	}
	return 0
}

// marks are the operators of more than one character, the longest first.
var marks = []string{
	"===", "!==", ">>>", "**=", "//=", "<<=", ">>=", "...", "&&=", "||=", "??=",
	"==", "!=", "<=", ">=", "<>", "->", "=>", ":=", "**", "//", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
	"&&", "||", "++", "--", "??", "?.", "::",
}

func (s *scanner) other() {
	if n := wordEnd(s.src[s.at:]); n > 0 {
		if q := s.at + n; q < len(s.src) && isPrefix(s.src[s.at:q]) && (s.src[q] == '"' || s.src[q] == '\'') {
			s.text(q)
			return
		}
		s.add(word, s.at+n)
		return
	}
	for _, m := range marks {
		if strings.HasPrefix(s.src[s.at:], m) {
			s.add(mark, s.at+len(m))
			return
		}
	}
	_, n := utf8.DecodeRuneInString(s.src[s.at:])
	s.bracket(s.add(mark, s.at+n))
}

func isPrefix(w string) bool {
	switch strings.ToLower(w) {
	case "r", "b", "rb", "br", "f", "fr", "rf", "u", "ur", "t":
		return true
	}
	return false
}

// bracket keeps the book on brackets.
func (s *scanner) bracket(t *token) {
	i := len(s.toks) - 1
	switch t.raw {
	case "(", "[":
		s.stack = append(s.stack, i)
	case "{":
		if t.block = s.opensBlock(); !t.block {
			s.stack = append(s.stack, i)
		}
	case ")", "]", "}":
		top := len(s.stack) - 1
		if top < 0 || !pairs(s.toks[s.stack[top]].raw, t.raw) {
			t.block = t.raw == "}"
			return
		}
		t.match, s.toks[s.stack[top]].match = s.stack[top], i
		s.stack = s.stack[:top]
		t.depth--
	}
}

func pairs(open, closing string) bool {
	return open == "(" && closing == ")" || open == "[" && closing == "]" || open == "{" && closing == "}"
}

// blockWords begin lines that end with a brace in other languages.
var blockWords = []string{
	"if", "else", "for", "while", "function", "def", "class", "try", "catch", "finally", "switch", "do", "func", "fn", "async", "export", "elif",
	"interface", "struct", "foreach", "void", "int", "public", "private", "static", "}",
}

// opensBlock says that the brace that was just scanned begins a block of statements: nothing follows it on its line.
func (s *scanner) opensBlock() bool {
	rest := strings.TrimSpace(s.src[s.at:min(s.lineEnd(s.at), s.at+maxPeek)])
	l := s.lines[len(s.lines)-1]
	before := s.toks[max(l.first, len(s.toks)-2)]
	if len(s.stack) > 0 || rest != "" && !strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "#") {
		return false
	}
	ends := before.kind != mark && !before.is("in", "and", "or", "not", "is", "return") || before.is(")", "]")
	return before.is("=>") || slices.Contains(blockWords, s.toks[l.first].raw) && (ends || len(s.toks)-1 == l.first)
}
