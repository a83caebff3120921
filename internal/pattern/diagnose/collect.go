package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// opens gives the bracket around token i on its line, or -1.
func (p *page) opens(i int, l line) int {
	depth := p.toks[i].depth
	for k := i - 1; k >= l.first && !p.spent(); k-- {
		if p.toks[k].depth < depth {
			if p.toks[k].is("(", "[", "{") {
				return k
			}
			return -1
		}
	}
	return -1
}

// isCall says that a parenthesis holds arguments.
func (p *page) isCall(open int, l line) bool {
	return open > l.first && (p.toks[open-1].kind == word && !isKeyword(p.toks[open-1].raw) || p.toks[open-1].is(")", "]"))
}

// generator puts brackets around a comprehension that has none of its own.
func (p *page) generator(i int, l line) {
	open := p.opens(i, l)
	if open < 0 || !p.toks[open].is("(") || p.toks[open].match < 0 || i == open+1 {
		return
	}
	for k := i - 1; k > open && !p.spent(); k-- {
		if p.toks[k].depth == p.toks[i].depth && p.toks[k].is("for") {
			return // told at the first
		}
	}
	closing := p.toks[open].match
	start := open + 1
	for k := i - 1; k > open && !p.spent(); k-- {
		if p.toks[k].depth == p.toks[i].depth && p.toks[k].is(",") {
			start = k + 1
			break
		}
	}
	if p.isCall(open, l) {
		p.report("generator", p.toks[i].start, safe(
			Edit{p.toks[start].start, p.toks[start].start, "["}, Edit{p.toks[closing-1].end, p.toks[closing-1].end, "]"}))
		return
	}
	p.report("generator", p.toks[i].start, safe(p.toks[open].replace("["), p.toks[closing].replace("]")))
}

// brace looks at sets, and at dicts with other dicts in them.
func (p *page) brace(i int, l line) {
	t := p.toks[i]
	if t.block || t.match < 0 || t.match >= l.last || t.match == i+1 {
		return
	}
	closing := t.match
	if k := p.find(i+1, closing, "**", "..."); k > 0 && (k == i+1 || p.toks[k-1].is(",")) && p.toks[k+1].kind != mark {
		p.unpackDict(i, closing)
		return
	}
	if i > l.first && p.toks[i-1].is("=>", ")") || p.find(i+1, closing, ":", "**", ";", "=") > 0 {
		return
	}
	p.report("set-literal", t.start, safe(t.replace("set(["), p.toks[closing].replace("])")))
}

// unpackDict writes {**a, "k": v} as a | {"k": v}.
func (p *page) unpackDict(open, closing int) {
	var parts, plain []string
	flush := func() {
		if len(plain) > 0 {
			parts = append(parts, "{"+strings.Join(plain, ", ")+"}")
		}
		plain = nil
	}
	for k := open + 1; k < closing; {
		end := p.exprEnd(k, closing, []string{","})
		switch {
		case p.toks[k].is("**", "..."):
			flush()
			x := p.between(k+1, end)
			if p.primaryEnd(k+1, end) != end {
				x = "(" + x + ")"
			}
			parts = append(parts, x)
		case end > k:
			plain = append(plain, p.between(k, end))
		}
		k = end + 1
	}
	flush()
	s := strings.Join(parts, " | ")
	if len(parts) == 1 {
		s = "dict(" + s + ")"
	} else if open > 0 && p.toks[open-1].is(".", "*", "-", "+", "%") || p.toks[closing+1].is(".", "[", "*", "-", "+", "%", "==", "in") {
		s = "(" + s + ")"
	}
	p.report("dict-unpack", p.toks[open].start, safe(Edit{p.toks[open].start, p.toks[closing].end, s}))
}

// star looks at what a star stands before: an element of a list, or a target.
func (p *page) star(i int, l line) {
	if i+1 >= l.last || i > l.first && !p.toks[i-1].is(",", "[", "(", "{", "=", "return", "for") || p.toks[i+1].is(",", ")") {
		return
	}
	if eq := p.find(l.first, l.last, "="); p.toks[i].depth == 0 && eq > i {
		p.starTarget(i, eq, l)
		return
	}
	open := p.opens(i, l)
	if open >= 0 && p.toks[open].match > i && (p.toks[open].is("[") || p.toks[open].is("(") && !p.isCall(open, l) && !p.toks[l.first].is("def")) {
		p.starElements(open, i)
	}
}

// spread is the star of JavaScript.
func (p *page) spread(i int, l line) {
	open := p.opens(i, l)
	if open < 0 || i+1 >= l.last || p.toks[open].match < 0 || p.toks[i+1].is(")", "]", ",", "}") {
		return
	}
	switch {
	case p.toks[open].is("["):
		p.starElements(open, i)
	case p.toks[open].is("("):
		p.report("star-element", p.toks[i].start, safe(p.toks[i].replace("*")))
	}
}

// starElements writes [*a, b] as list(a) + [b].
func (p *page) starElements(open, at int) {
	closing := p.toks[open].match
	var parts, plain []string
	flush := func() {
		if len(plain) > 0 {
			parts = append(parts, "["+strings.Join(plain, ", ")+"]")
		}
		plain = nil
	}
	for k := open + 1; k < closing; {
		end := p.exprEnd(k, closing, []string{","})
		switch {
		case p.toks[k].is("*", "..."):
			if k < at {
				return // told at the first
			}
			flush()
			parts = append(parts, "list("+p.between(k+1, end)+")")
		case end > k:
			plain = append(plain, p.between(k, end))
		}
		k = end + 1
	}
	flush()
	s := strings.Join(parts, " + ")
	if len(parts) > 1 {
		s = "(" + s + ")"
	}
	if p.toks[open].is("(") {
		s = "tuple(" + strings.TrimSuffix(strings.TrimPrefix(s, "("), ")") + ")"
		if len(parts) == 1 {
			s = "tuple(" + parts[0] + ")"
		}
	}
	p.report("star-element", p.toks[at].start, safe(Edit{p.toks[open].start, p.toks[closing].end, s}))
}

// starTarget writes a, *b = x with indices.
func (p *page) starTarget(at, eq int, l line) {
	var names []string
	star := -1
	for k := l.first; k < eq; {
		end := p.exprEnd(k, eq, []string{","})
		if k == at {
			star = len(names)
			k++
		}
		if end > k {
			names = append(names, p.between(k, end))
		}
		k = end + 1
	}
	if star < 0 || p.find(eq+1, l.last, "=") > 0 {
		p.report("star-target", p.toks[at].start, nil)
		return
	}
	value, setup := p.between(eq+1, l.last), ""
	if l.last != eq+2 || !p.toks[eq+1].isName() {
		setup, value = "items = list("+value+")\n"+l.indent, "items"
	}
	after := len(names) - star - 1
	var values []string
	for k := range names {
		switch {
		case k < star:
			values = append(values, fmt.Sprintf("%s[%d]", value, k))
		case k > star:
			values = append(values, fmt.Sprintf("%s[%d]", value, k-len(names)))
		case after == 0:
			values = append(values, fmt.Sprintf("%s[%d:]", value, star))
		default:
			values = append(values, fmt.Sprintf("%s[%d:%d]", value, star, -after))
		}
	}
	s := setup + strings.Join(names, ", ") + " = " + strings.Join(values, ", ")
	p.report("star-target", p.toks[at].start, safe(Edit{p.toks[l.first].start, p.toks[l.last-1].end, s}))
}

// assignment looks at a = b = c.
func (p *page) assignment(i int, l line) {
	if p.toks[i].depth > 0 || p.toks[l.first].is("if", "elif", "while", "def", "for", "var", "let", "const") || p.find(l.first, l.last, ":") >= 0 {
		return
	}
	if p.find(l.first, i, "=") >= 0 || p.find(l.first, l.last, ";", "lambda") >= 0 {
		return // told at the first
	}
	second := p.find(i+1, l.last, "=")
	if i+1 >= l.last || p.toks[i+1].depth > 0 || second < 0 {
		return
	}
	targets := []string{p.between(l.first, i)}
	value := i + 1
	for k := second; k >= 0; k = p.find(value, l.last, "=") {
		targets = append(targets, p.between(value, k))
		if value = k + 1; value >= l.last {
			return
		}
	}
	if slices.Contains(targets, "") {
		return
	}
	last := targets[len(targets)-1]
	lines := []string{last + " = " + p.between(value, l.last)}
	for _, t := range targets[:len(targets)-1] {
		lines = append(lines, t+" = "+last)
	}
	p.report("chained-assignment", p.toks[second].start, safe(Edit{p.toks[l.first].start, p.toks[l.last-1].end, strings.Join(lines, "\n"+l.indent)}))
}

// annotated looks at the type of a variable.
func (p *page) annotated(i int, l line) {
	if i != l.first+1 && !(i > l.first+1 && p.primaryStart(i, l.first) == l.first && p.toks[l.first+1].is(".")) {
		return
	}
	if !p.toks[l.first].isName() || p.toks[l.first].is("try", "else") || i+1 >= l.last || p.toks[l.first].is("default", "match") {
		return
	}
	if slices.ContainsFunc(p.types, func(e Edit) bool { return e.Start <= l.start && l.start < e.End }) {
		return // of a class, which is told as a whole
	}
	eq := p.find(i, l.last, "=")
	if eq < 0 {
		p.report("annotation", p.toks[i].start, safe(p.dropOnly(l)))
		return
	}
	p.report("annotation", p.toks[i].start, safe(Edit{p.toks[i].start, p.toks[eq].start, " "}))
}

// dropOnly cuts a line, and leaves pass where it was the only one of its block.
func (p *page) dropOnly(l line) Edit {
	return Edit{p.toks[l.first].start, p.toks[l.last-1].end, "pass"}
}

var (
	underscored = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-fA-FxXoObB.]+(_[0-9a-fA-F.eE]+)+$`) })
	suffixed    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9]+|[0-9]*\.[0-9]+)(n|L|l|u|U|f|F|LL|ul|UL)$`) })
	oldOctal    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^0[0-7]+$`) })
)

// number looks at how other languages write one.
func (p *page) number(t token) {
	switch {
	case underscored().MatchString(t.raw):
		p.report("number", t.start, safe(t.replace(strings.ReplaceAll(t.raw, "_", ""))))
	case suffixed().MatchString(t.raw):
		p.report("number", t.start, safe(t.replace(suffixed().FindStringSubmatch(t.raw)[1])))
	case oldOctal().MatchString(t.raw) && t.raw != "00" && t.raw != "0":
		p.report("number", t.start, risky(t.replace("0o"+strings.TrimLeft(t.raw, "0"))))
	}
}
