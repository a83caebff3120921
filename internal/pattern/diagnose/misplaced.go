package diagnose

import (
	"slices"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// misplaced looks at what the resolver says of statements. It says whether it knew better.
func (p *page) misplaced(i int, f runtime.Finding) bool {
	l := p.bounds(i)
	switch m := f.Message; {
	case strings.HasSuffix(m, "support while loops"):
		p.while(i, l)
	case strings.HasPrefix(m, "while loop not within"):
	case strings.HasPrefix(m, "for loop not within"), strings.HasPrefix(m, "if statement not within"):
		if !p.toks[i].is("if") || i+1 >= l.last || !p.toks[i+1].is("__name__") {
			p.topControl(i, l)
		}
	case strings.HasPrefix(m, "cannot reassign"):
		p.reassigned(i, l)
	case strings.HasPrefix(m, "return statement not within"):
		p.report("return-outside", p.toks[i].start, risky(p.span(statement{l.first, l.last, p.toks[i].line, true, true})))
	case strings.HasSuffix(m, "not in a loop"):
		p.report("break-outside", p.toks[i].start, risky(p.toks[i].replace(map[bool]string{true: "return", false: "pass"}[p.inFunction(p.toks[i].line)])))
	case strings.HasPrefix(m, "load statement within"):
		p.report("load-inside", p.toks[i].start, safe(Edit{p.toks[l.first].start, p.toks[l.last-1].end, "pass"}, Edit{0, 0, p.between(l.first, l.last) + "\n"}))
	case strings.HasPrefix(m, "positional argument may not follow"):
		p.report("argument-order", p.toks[i].start, p.reordered(i, l))
	case strings.HasPrefix(m, "required parameter may not follow"):
		p.say("parameter-order", p.toks[i].start, "", risky(Edit{p.toks[i].end, p.toks[i].end, " = None"}))
	default:
		return false
	}
	return true
}

// while counts, for every loop must end.
func (p *page) while(i int, l line) {
	colon := p.suiteColon(p.toks[i].line)
	if i != l.first || colon < 0 {
		p.report("while", p.toks[i].start, nil)
		return
	}
	p.report("while", p.toks[i].start, risky(p.rounds(i, colon, l)))
}

// rounds writes the head of a while as a for that breaks.
func (p *page) rounds(i, colon int, l line) Edit {
	n := p.toks[i].line
	cond := p.between(i+1, colon)
	s := "for _ in range(1000):"
	if inner := l.indent + unit; cond != "True" && cond != "1" && cond != "(True)" {
		if from, to := p.body(n); from < to {
			inner = p.lines[from].indent
		}
		s += "\n" + inner + "if not (" + cond + "):\n" + inner + unit + "break"
		if colon+1 < l.last {
			s += "\n" + inner
		}
	}
	end := p.toks[colon].end
	if colon+1 < l.last {
		end = p.toks[colon+1].start
		if !strings.Contains(s, "\n") {
			s += " "
		}
	}
	return Edit{p.toks[i].start, end, s}
}

// topControl moves a statement that decides or repeats into a function, with the names that it works on.
func (p *page) topControl(i int, l line) {
	n := p.toks[i].line
	if i != l.first || l.width > 0 {
		return // inside of one that is told
	}
	end := n
	for end < len(p.lines) && (end == n || p.lines[end].width > 0 || p.toks[p.lines[end].first].is("else", "elif")) {
		end++
	}
	names := p.assigned(n, end)
	start := n
	for start > 0 && p.isSetup(start-1, names) {
		start--
	}
	var b strings.Builder
	b.WriteString("def prepare():\n")
	b.WriteString(p.bodyText(start, end, unit))
	call := "prepare()\n"
	if len(names) > 0 {
		list := strings.Join(names, ", ")
		b.WriteString(unit + "return " + list + "\n")
		call = list + " = prepare()\n"
	}
	b.WriteString("\n" + call)
	p.report("top-level-control", p.toks[i].start, risky(Edit{p.lines[start].start, p.blockEnd(end), b.String()}))
}

// isSetup says that a line gives one of the names its first value.
func (p *page) isSetup(n int, names []string) bool {
	l := p.lines[n]
	if l.width > 0 || l.last-l.first < 3 || !p.toks[l.first+1].is("=") {
		return false
	}
	return slices.Contains(names, p.toks[l.first].raw)
}

// maxEdits is how many places a fix may change.
const maxEdits = 500

// reassigned gives the second value of a global a name of its own, from there on.
func (p *page) reassigned(i int, l line) {
	t := p.toks[i]
	fresh := t.raw + "_2"
	for p.has(fresh) {
		fresh += "2"
	}
	edits := []Edit{t.replace(fresh)}
	if i+1 < l.last && len(p.toks[i+1].raw) > 1 && strings.HasSuffix(p.toks[i+1].raw, "=") {
		edits = append(edits, p.toks[i+1].replace("= "+t.raw+" "+strings.TrimSuffix(p.toks[i+1].raw, "=")))
	}
	for k := l.last; k < len(p.toks); k++ {
		if u := p.toks[k]; u.kind == word && u.raw == t.raw && !p.toks[k-1].is(".") && !(u.depth > 0 && p.toks[k+1].is("=")) {
			edits = append(edits, u.replace(fresh))
		}
	}
	fix := risky(edits...)
	if len(edits) > maxEdits {
		fix = nil
	}
	p.say("reassigned", t.start, t.raw+" has a value already, and globals keep theirs", fix)
}

func (p *page) has(name string) bool {
	for _, t := range p.toks {
		if t.raw == name {
			return true
		}
	}
	return false
}

// reordered puts positional arguments before the named ones.
func (p *page) reordered(i int, l line) *Fix {
	open := p.opens(i, l)
	if open < 0 || p.toks[open].match < 0 {
		return nil
	}
	closing := p.toks[open].match
	var plain, named []string
	for k := open + 1; k < closing; {
		end := p.exprEnd(k, closing, []string{","})
		if arg := p.between(k, end); p.toks[k+1].is("=") || p.toks[k].is("*", "**") {
			named = append(named, arg)
		} else if arg != "" {
			plain = append(plain, arg)
		}
		k = max(end, k) + 1
	}
	return risky(Edit{p.toks[open].end, p.toks[closing].start, strings.Join(append(plain, named...), ", ")})
}
