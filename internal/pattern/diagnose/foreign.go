package diagnose

import (
	"slices"
	"strings"
)

// def looks at the head of a function: annotations, markers of other dialects, the colon.
func (p *page) def(st statement) {
	open := p.find(st.first, st.last, "(")
	if open < 0 {
		p.colon(st)
		return
	}
	closing := p.partner(open, st.last)
	p.params(open+1, closing)
	if closing+1 < st.last && p.toks[closing+1].is("->") {
		end := p.find(closing+1, st.last, ":")
		if end < 0 {
			end = st.last
		}
		p.report("annotation", p.toks[closing+1].start, safe(Edit{p.toks[closing].end, p.toks[end-1].end, ""}))
	}
	p.colon(st)
}

// params looks at parameters i up to j.
func (p *page) params(i, j int) {
	for i < j {
		end := p.exprEnd(i, j, []string{","})
		switch colon := p.find(i, end, ":"); {
		case end == i+1 && p.toks[i].is("/"):
			stop := p.toks[i].end
			if end < j {
				stop = p.toks[end].end
			}
			edit := Edit{p.toks[i].start, stop, ""}
			if end >= j && p.toks[i-1].is(",") {
				edit.Start = p.toks[i-1].start
			}
			p.report("positional-only", p.toks[i].start, risky(edit))
		case colon > i:
			stop := p.find(colon, end, "=")
			edit := Edit{p.toks[colon].start, p.toks[end-1].end, ""}
			if stop > 0 {
				edit = Edit{p.toks[colon].start, p.toks[stop].start, " "}
			}
			p.report("annotation", p.toks[colon].start, safe(edit))
		}
		i = max(end, i) + 1
	}
}

// colon adds what a compound statement lacks at its end, when a block follows.
func (p *page) colon(st statement) {
	l := p.lines[st.line]
	last := p.toks[l.last-1]
	if st.line+1 >= len(p.lines) || p.lines[st.line+1].width <= l.width || !st.lead {
		return
	}
	if p.suiteColon(st.line) >= 0 || last.is("{", ":", "}") || last.block {
		return
	}
	p.report("missing-colon", last.end, safe(Edit{last.end, last.end, ":"}))
}

// condition looks at what if, elif and while ask.
func (p *page) condition(st statement) {
	if last := p.toks[st.last-1]; last.is("then") {
		p.report("missing-colon", last.start, safe(Edit{p.toks[st.last-2].end, last.end, ":"}))
		return
	}
	colon := p.suiteColon(st.line)
	if colon < 0 {
		colon = st.last
	}
	from := st.first + 1
	if from < st.last && p.toks[from].is("(") && p.toks[from].match == colon-1 {
		from, colon = from+1, colon-1
	}
	if eq := p.find(from, colon, "="); eq > 0 {
		p.report("assignment-in-condition", p.toks[eq].start, safe(p.toks[eq].replace("==")))
	}
	p.colon(st)
}

// declare drops the word that declares a variable elsewhere.
func (p *page) declare(st statement) {
	w := p.toks[st.first]
	if st.last < st.first+2 || p.toks[st.first+1].kind != word && !p.toks[st.first+1].is("[", "{") {
		return
	}
	eq := p.find(st.first+1, st.last, "=")
	switch {
	case eq > 0 && slices.Contains([]string{"var", "let", "const", "auto"}, w.raw), eq == st.first+2:
		p.report("declaration", w.start, safe(p.drop(st.first)))
	case eq < 0 && st.last == st.first+2, eq < 0 && p.toks[st.last-1].is(";"):
		p.report("declaration", w.start, safe(p.drop(st.first), Edit{p.toks[st.first+1].end, p.toks[st.first+1].end, " = None"}))
	}
}

// function_ looks at functions with another keyword.
func (p *page) function_(st statement) {
	if st.first+2 < st.last && p.toks[st.first+1].kind == word && p.toks[st.first+2].is("(") {
		p.report("function", p.toks[st.first].start, safe(p.toks[st.first].replace("def")))
		p.params(st.first+3, p.partner(st.first+2, st.last))
	}
}

func (p *page) export(st statement) {
	if st.first+1 < st.last && p.toks[st.first+1].kind == word {
		end := st.first
		if p.toks[end+1].is("default") {
			end++
		}
		p.report("declaration", p.toks[st.first].start, safe(Edit{p.toks[st.first].start, p.toks[end+1].start, ""}))
	}
}

// cFor turns the loops of C and JavaScript into one over a range or a list.
func (p *page) cFor(st statement) {
	open := st.first + 1
	if open >= st.last || !p.toks[open].is("(") || p.toks[open].match < 0 {
		p.colon(st)
		return
	}
	closing := p.toks[open].match
	i := open + 1
	if p.toks[i].is("let", "var", "const", "int", "auto") {
		i++
	}
	edit := func(s string) *Fix { return safe(Edit{p.toks[open].start, p.toks[closing].end, s}) }
	if of := p.find(i, closing, "of", "in", ":"); of == i+1 && !p.toks[closing+1].is(":") {
		p.report("c-for", p.toks[st.first].start, edit(p.toks[i].raw+" in "+p.between(of+1, closing)))
		return
	}
	first := p.find(i, closing, ";")
	if first < 0 {
		p.colon(st)
		return
	}
	second := p.find(first+1, closing, ";")
	counts := second == first+4 && p.toks[i+1].is("=") && p.toks[first+1].raw == p.toks[i].raw && p.toks[first+2].is("<") || second > first+3 && p.toks[first+2].is("<")
	if !counts || !p.toks[closing-1].is("++") && !p.toks[second+1].is("++") {
		p.report("c-for", p.toks[st.first].start, nil)
		return
	}
	lo, hi := p.between(i+2, first), p.between(first+3, second)
	args := hi
	if lo != "0" {
		args = lo + ", " + hi
	}
	p.report("c-for", p.toks[st.first].start, edit(p.toks[i].raw+" in range("+args+")"))
}

// braces turns blocks in braces into indented ones.
func (p *page) braces() {
	var stack []int
	for i, t := range p.toks {
		if !t.block {
			continue
		}
		switch {
		case t.raw == "{":
			stack = append(stack, i)
		case len(stack) > 0:
			p.braced(stack[len(stack)-1], i)
			stack = stack[:len(stack)-1]
		}
	}
}

func (p *page) braced(open, closing int) {
	if open == 0 || p.full {
		return
	}
	o, c := p.toks[open], p.toks[closing]
	edits := []Edit{{p.toks[open-1].end, o.end, ":"}}
	l := p.lines[c.line]
	switch {
	case l.first != closing:
		p.report("braces", o.start, nil)
		return
	case l.last == l.first+1 || l.last == l.first+2 && p.toks[l.last-1].is(";"):
		edits = append(edits, p.dropLine(c.line))
	default:
		edits = append(edits, p.drop(closing)) // before else
	}
	if c.line == o.line+1 {
		edits = append(edits, Edit{o.end, o.end, "\n" + p.lines[o.line].indent + unit + "pass"})
	}
	p.report("braces", o.start, safe(edits...))
}

// notes turns comments of other languages into ours.
func (p *page) notes() {
	for i, t := range p.toks {
		if t.kind != note || p.full {
			continue
		}
		if strings.HasPrefix(t.raw, "//") {
			p.report("comment", t.start, safe(Edit{t.start, t.start + 2, "#"}))
			continue
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(t.raw, "/*"), "*/")
		l := p.lines[t.line]
		alone := l.first == i && l.last == i+1
		if !alone {
			p.report("comment", t.start, safe(Edit{t.start, t.end, ""}))
			continue
		}
		var lines []string
		for s := range strings.SplitSeq(inner, "\n") {
			if s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), "*")); s != "" {
				lines = append(lines, "# "+s)
			}
		}
		p.report("comment", t.start, safe(Edit{t.start, t.end, strings.Join(lines, "\n"+l.indent)}))
	}
}

// fences looks at what pasting leaves behind: fences of Markdown, marks of a merge.
func (p *page) fences() {
	at := 0
	for l := range strings.Lines(p.src) {
		trimmed := strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(trimmed, "```") && !strings.ContainsAny(trimmed[3:], " `(\""):
			p.report("markdown-fence", at+strings.Index(l, "`"), safe(Edit{at, at + len(l), ""}))
		case strings.HasPrefix(l, "<<<<<<< "), strings.HasPrefix(l, ">>>>>>> "), strings.TrimRight(l, "\r\n") == "=======":
			p.report("merge-conflict", at, nil)
		}
		if p.full {
			return
		}
		at += len(l)
	}
}

// lookalikes are characters that look like something a script may say, with what they look like.
var lookalikes = strings.NewReplacer(
	"\u201c", `"`, "\u201d", `"`, "\u201e", `"`, "\u2018", "'", "\u2019", "'", "\u00a0", " ", "\u3000", " ", "\u200b", "", "\u200c", "", "\u200d", "", "\ufeff", "",
	"\u2013", "-", "\u2014", "-", "\u2212", "-", "\uff08", "(", "\uff09", ")", "\uff0c", ",", "\uff1a", ":", "\u2264", "<=", "\u2265", ">=", "\u2260", "!=",
	"\u00d7", "*", "\u2026", "...",
)

// characters looks at what is no character of a program. Several on a line are one finding.
func (p *page) characters() {
	var edits []Edit
	flush := func() {
		if len(edits) > 0 {
			p.report("character", edits[0].Start, safe(edits...))
		}
		edits = nil
	}
	for i, t := range p.toks {
		if i > 0 && t.line != p.toks[i-1].line {
			flush()
		}
		if t.kind != mark || t.end-t.start < 2 || t.raw[0] < 0x80 {
			continue
		}
		if ascii := lookalikes.Replace(t.raw); ascii != t.raw {
			edits = append(edits, t.replace(ascii))
		}
	}
	flush()
}
