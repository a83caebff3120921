package diagnose

import (
	"strings"
)

// The fixes below are for findings of the package above, which sees more than one file.

// offsetAt is the byte at a line and column, both from 1.
func (p *page) offsetAt(line, col int) int {
	at := 0
	for n := 1; n < line; n++ {
		i := strings.IndexByte(p.src[at:], '\n')
		if i < 0 {
			return len(p.src)
		}
		at += i + 1
	}
	for i := range p.src[at:] {
		if col--; col == 0 {
			return at + i
		}
	}
	return len(p.src)
}

func (p *page) finish(f *Fix) *Fix {
	if f == nil || !tidy(p.src, f.Edits) {
		return nil
	}
	f.Rewrite = rewrite(p.src, f.Edits)
	return f
}

// Bind proposes for the lambda at a place a parameter that holds what name is now. It is safe to make the change when sure.
func Bind(src string, line, col int, name string, sure bool) *Fix {
	p := read(src)
	i := p.tokenAt(p.offsetAt(line, col))
	if i < 0 || !p.toks[i].is("lambda") || !p.toks[i+1].is(":") {
		return nil
	}
	end := p.toks[i].end
	return p.finish(&Fix{Safe: sure, Edits: []Edit{{end, end, " " + name + " = " + name}}})
}

// AddMain proposes a main that calls the one function of a file that is not private; where there are several, nothing shows which is meant.
func AddMain(src string) *Fix {
	p := read(src)
	var public []line
	for _, l := range p.lines {
		def := l.width == 0 && p.toks[l.first].is("def") && l.first+2 < l.last && p.toks[l.first+2].is("(") && p.toks[l.first+2].match >= 0
		if def && !strings.HasPrefix(p.toks[l.first+1].raw, "_") {
			public = append(public, l)
		}
	}
	if len(public) == 1 {
		l := public[0]
		open := l.first + 2
		params, args := p.src[p.toks[open].end:p.toks[p.toks[open].match].start], []string{}
		for k := open + 1; k < p.toks[open].match; {
			end := p.exprEnd(k, p.toks[open].match, []string{","})
			if !p.toks[k].isName() {
				return nil
			}
			args = append(args, p.toks[k].raw)
			k = end + 1
		}
		text := "\n\ndef main(" + params + "):\n    return " + p.toks[l.first+1].raw + "(" + strings.Join(args, ", ") + ")\n"
		at := len(strings.TrimRight(src, " \t\r\n"))
		return p.finish(risky(Edit{at, len(src), "\n" + text[1:]}))
	}
	return nil
}

// Later proposes for the effect at a place, in code that runs while the file is loaded, a function that main can call.
func Later(src string, line, col int) *Fix {
	p := read(src)
	n := p.lineAt(p.offsetAt(line, col))
	if n < 0 || p.lines[n].width > 0 {
		return nil
	}
	l := p.lines[n]
	if l.last-l.first < 3 || !p.toks[l.first].isName() || !p.toks[l.first+1].is("=") {
		return p.intoMain(n)
	}
	name := p.toks[l.first].raw
	edits := []Edit{{p.toks[l.first].start, p.toks[l.first+2].start, "def " + name + "():\n    return "}}
	for k := l.last; k < len(p.toks); k++ {
		if t := p.toks[k]; t.kind == word && t.raw == name && !p.toks[k-1].is(".") && !(t.depth > 0 && p.toks[k+1].is("=")) {
			edits = append(edits, Edit{t.end, t.end, "()"})
		}
	}
	return p.finish(risky(edits...))
}

// intoMain moves a line to the start of main.
func (p *page) intoMain(n int) *Fix {
	for k, l := range p.lines {
		if l.width > 0 || !p.toks[l.first].is("def") || !p.toks[l.first+1].is("main") || k+1 >= len(p.lines) || p.toks[p.lines[n].first].is("def", "for", "if") {
			continue
		}
		body := p.lines[k+1]
		if body.width == 0 {
			return nil
		}
		moved := p.between(p.lines[n].first, p.lines[n].last)
		return p.finish(risky(p.dropLine(n), Edit{body.start, body.start, body.indent + moved + "\n"}))
	}
	return nil
}
