package diagnose

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// texts looks at the strings of a text that cannot be read.
func (p *page) texts() {
	for i, t := range p.toks {
		if t.kind != text || p.full {
			continue
		}
		switch {
		case !t.closed:
			p.unclosed(i)
		case t.quote == "`":
			p.template("template-string", t)
		case strings.ContainsAny(t.prefix, "fFtT"):
			p.template("f-string", t)
		case strings.ContainsAny(t.prefix, "uU"):
			p.report("string-prefix", t.start, safe(Edit{t.start, t.start + len(t.prefix), ""}))
		case i > 0 && p.toks[i-1].kind == text && p.toks[i-1].line == t.line && (i < 2 || p.toks[i-2].kind != text || p.toks[i-2].line != t.line):
			p.concatenation(i)
		}
	}
}

// unclosed closes a string before the brackets and commas that end its line. One that began in the middle of the line may be the end of an
// earlier one, which was closed too late.
func (p *page) unclosed(i int) {
	t := p.toks[i]
	for k := p.bounds(i).first; k+1 < i && !p.spent(); k++ {
		early := p.toks[k]
		if early.kind != text || early.quote != t.quote || !p.adjacent(k) || p.toks[k+1].kind != word {
			continue
		}
		if n := strings.IndexAny(early.body(), "),]"); n >= 0 {
			at := early.end - len(early.quote) - len(early.body()) + n
			p.report("unclosed-string", early.start, risky(Edit{at, at, early.quote}))
			return
		}
	}
	if len(t.quote) == 3 || t.quote == "`" {
		p.report("unclosed-string", t.start, risky(Edit{t.end, t.end, t.quote}))
		return
	}
	end := t.end - (len(t.raw) - len(strings.TrimRight(t.raw, " \t\r)]},:")))
	if end <= t.start+len(t.prefix) {
		end = t.end
	}
	p.report("unclosed-string", t.start, risky(Edit{end, end, t.quote}))
}

// concatenation joins strings that stand side by side, in parentheses so that operators around keep their meaning.
func (p *page) concatenation(second int) {
	last := second
	for p.toks[last+1].kind == text && p.toks[last+1].line == p.toks[second].line {
		last++
	}
	edits := []Edit{{p.toks[second-1].start, p.toks[second-1].start, "("}}
	for i := second; i <= last; i++ {
		at := p.toks[i-1].end
		edits = append(edits, Edit{at, at, " +"})
		if p.toks[i].start == at {
			edits[len(edits)-1].New = " + "
		}
	}
	end := p.toks[last].end
	p.report("implicit-concatenation", p.toks[second].start, safe(append(edits, Edit{end, end, ")"})...))
}

// template turns a string with expressions in it into a call of format.
func (p *page) template(code string, t token) {
	open := "{"
	if code == "template-string" {
		open = "${"
	}
	f := fields{open: open, safe: true}
	f.take(t.body())
	quote, prefix := t.quote, strings.Trim(t.prefix, "fFtT`")
	if quote == "`" {
		quote = `"`
		f.out.lines(`"`)
	}
	s := prefix + quote + f.out.String() + quote
	switch {
	case f.bad:
		p.report(code, t.start, nil)
		return
	case len(f.args) > 0:
		s += ".format(" + strings.Join(f.args, ", ") + ")"
	default:
		s = prefix + quote + strings.NewReplacer("{{", "{", "}}", "}").Replace(f.out.String()) + quote
	}
	p.report(code, t.start, &Fix{Safe: f.safe, Edits: []Edit{t.replace(s)}})
}

// fields takes the body of a formatted string apart.
type fields struct {
	open string // what begins a field: "{" or "${"
	out  body   // for format
	args []string
	safe bool // the result means the same
	bad  bool // a field has no end
}

// body is the text of a string literal under construction.
type body struct{ strings.Builder }

// lines makes the body fit between single quotes marks on one line.
func (b *body) lines(quote string) {
	s := strings.ReplaceAll(b.String(), quote, `\`+quote)
	s = strings.ReplaceAll(s, "\r", "")
	b.Reset()
	b.WriteString(strings.ReplaceAll(s, "\n", `\n`))
}

func (f *fields) take(s string) {
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			f.out.WriteString(s[i : i+2])
			i += 2
		case f.open == "{" && (strings.HasPrefix(s[i:], "{{") || strings.HasPrefix(s[i:], "}}")):
			f.out.WriteString(s[i : i+2])
			i += 2
		case strings.HasPrefix(s[i:], f.open):
			n := fieldEnd(s[i+len(f.open)-1:])
			if n == 0 {
				f.bad = true
				return
			}
			f.field(s[i+len(f.open) : i+len(f.open)-1+n-1])
			i += len(f.open) - 1 + n
		case s[i] == '{' || s[i] == '}':
			f.out.WriteString(s[i:i+1] + s[i:i+1])
			i++
		default:
			f.out.WriteByte(s[i])
			i++
		}
	}
}

// field adds what stands between braces: expression, "=", conversion, format.
func (f *fields) field(s string) {
	expr, conversion, spec := splitField(s)
	expr = strings.TrimSpace(expr)
	if f.open == "{" && strings.HasSuffix(expr, "=") && !strings.HasSuffix(expr, "==") {
		f.out.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(expr))
		expr = strings.TrimSpace(strings.TrimSuffix(expr, "="))
		if conversion == "" && spec == "" {
			conversion = "!r"
		}
	}
	if expr == "" {
		f.bad = true
		return
	}
	value, after, same := formatted(expr, spec)
	if conversion == "!a" {
		conversion = "!r"
	}
	f.safe = f.safe && same
	f.args = append(f.args, value)
	f.out.WriteString("{" + conversion + "}" + after)
}

// splitField finds the conversion and the format of a field.
func splitField(s string) (expr, conversion, spec string) {
	depth := 0
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case depth > 0:
		case c == '!' && i+1 < len(s) && strings.ContainsRune("rsa", rune(s[i+1])) && (i+2 == len(s) || s[i+2] == ':'):
			return s[:i], s[i : i+2], strings.TrimPrefix(s[i+2:], ":")
		case c == ':' && !strings.HasPrefix(strings.TrimSpace(s[:i]), "lambda"):
			return s[:i], "", s[i+1:]
		}
	}
	return s, "", ""
}

var (
	rounded = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[+ ]?,?(?:0?\d+)?,?\.(\d{1,2})[fFgeE]$`) })
	percent = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\.(\d{1,2})%$`) })
	padded  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(0|[<>^])?(\d{1,4})[ds]?$`) })
	cut     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\.(\d{1,4})s?$`) })
	verb    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^#?[xXoeEg]$`) })
)

// formatted gives an expression for a value in a Python format, what to write behind it, and whether it shows the same.
func formatted(expr, spec string) (value, after string, same bool) {
	if m := rounded().FindStringSubmatch(spec); m != nil {
		if m[1] == "0" {
			return "int(math.round(" + expr + "))", "", false
		}
		return "math.round(" + expr + ", " + m[1] + ")", "", false
	}
	if m := percent().FindStringSubmatch(spec); m != nil {
		return "math.round((" + expr + ") * 100, " + m[1] + ")", "%", false
	}
	if m := padded().FindStringSubmatch(spec); m != nil {
		return pad(expr, m[1], m[2]), "", false
	}
	if m := cut().FindStringSubmatch(spec); m != nil {
		return "str(" + expr + ")[:" + m[1] + "]", "", true
	}
	switch {
	case spec == "" || spec == "d" || spec == "s":
		return expr, "", true
	case verb().MatchString(spec):
		return fmt.Sprintf(`("%%%s" %% (%s))`, strings.TrimPrefix(spec, "#"), expr), "", true
	}
	return expr, "", false
}

func pad(expr, how, columns string) string {
	fill := `" " * (` + columns + " - len(str(" + expr + ")))"
	switch how {
	case "0":
		return `"0" * (` + columns + " - len(str(" + expr + "))) + str(" + expr + ")"
	case ">":
		return fill + " + str(" + expr + ")"
	}
	return "str(" + expr + ") + " + fill
}
