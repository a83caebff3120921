package diagnose

import (
	"strings"
)

// operators looks at the marks and small words of a text that cannot be read.
func (p *page) operators() {
	for i, t := range p.toks {
		if p.full {
			return
		}
		if t.kind == text || t.kind == note {
			continue
		}
		l := p.bounds(i)
		if rule, ok := operatorRules[t.raw]; ok {
			rule(p, i, l)
		}
		if t.kind == number {
			p.number(t)
		}
	}
}

// operatorRules go by the token; they get its index and its line.
var operatorRules = map[string]func(*page, int, line){
	"is": (*page).identity, "**": (*page).power, "&&": (*page).logic, "||": (*page).logic, "!": (*page).negation, "++": (*page).increment,
	"--": (*page).increment, "===": (*page).equality, "!==": (*page).equality, "<>": (*page).equality, ":=": (*page).walrus, "?": (*page).ternary,
	"??": (*page).coalesce, "=>": (*page).arrow, "await": (*page).await, "yield": (*page).yield, "*": (*page).star, "...": (*page).spread,
	"<": (*page).chained, "<=": (*page).chained, ">": (*page).chained, ">=": (*page).chained, "==": (*page).chained, "!=": (*page).chained,
	"{": (*page).brace, "for": (*page).generator, "lambda": (*page).lambda, "=": (*page).assignment, ":": (*page).annotated, "if": (*page).noElse,
	"new": (*page).newly, "?.": (*page).optional, "typeof": (*page).typeOf,
}

// bounds is the logical line of token i.
func (p *page) bounds(i int) line {
	if p.toks[i].line < len(p.lines) {
		return p.lines[p.toks[i].line]
	}
	return line{first: i, last: i}
}

func (p *page) identity(i int, l line) {
	if i == l.first || i+1 >= l.last {
		return
	}
	t := p.toks[i]
	if p.toks[i+1].is("not") {
		p.report("is", t.start, safe(Edit{t.start, p.toks[i+1].end, "!="}))
		return
	}
	p.report("is", t.start, safe(t.replace("==")))
}

// power is a product when the exponent is small, and math.pow else.
func (p *page) power(i int, l line) {
	if i == l.first || p.toks[i-1].kind == mark && !p.toks[i-1].is(")", "]", "}") || isKeyword(p.toks[i-1].raw) {
		return // **kwargs, or the unpacking of a dict
	}
	lo, hi := p.primaryStart(i, l.first), p.primaryEnd(i+1, l.last)
	if lo >= i || hi <= i+1 {
		p.report("power", p.toks[i].start, nil)
		return
	}
	base, exp := p.between(lo, i), p.between(i+1, hi)
	span := func(s string) Edit { return Edit{p.toks[lo].start, p.toks[hi-1].end, s} }
	switch simple := lo+1 == i && p.toks[lo].kind != text; {
	case simple && exp == "2":
		p.report("power", p.toks[i].start, safe(span("("+base+" * "+base+")")))
	case simple && exp == "3":
		p.report("power", p.toks[i].start, safe(span("("+base+" * "+base+" * "+base+")")))
	default:
		p.report("power", p.toks[i].start, risky(span("math.pow("+base+", "+exp+")")))
	}
}

func (p *page) logic(i int, _ line) {
	w := map[string]string{"&&": "and", "||": "or"}[p.toks[i].raw]
	p.report("logical-operator", p.toks[i].start, safe(p.spaced(i, w)))
}

// spaced replaces an operator by a word with blanks around it.
func (p *page) spaced(i int, w string) Edit {
	if i > 0 && p.toks[i-1].end == p.toks[i].start {
		w = " " + w
	}
	if p.toks[i].end == p.toks[i+1].start {
		w += " "
	}
	return p.toks[i].replace(w)
}

func (p *page) negation(i int, l line) {
	if i+1 < l.last && !p.toks[i+1].is("=") {
		p.report("logical-operator", p.toks[i].start, safe(p.toks[i].replace("not ")))
	}
}

// increment is an assignment; only a statement can be one.
func (p *page) increment(i int, l line) {
	op := " " + p.toks[i].raw[:1] + "= 1"
	end := l.last
	if end-1 > l.first && p.toks[end-1].is(";") {
		end--
	}
	switch {
	case i == end-1 && i > l.first && p.primaryStart(i, l.first) == l.first:
		p.report("increment", p.toks[i].start, safe(p.toks[i].replace(op)))
	case i == l.first && p.primaryEnd(i+1, end) == end && end > i+1:
		p.report("increment", p.toks[i].start, safe(p.toks[i].replace(""), Edit{p.toks[end-1].end, p.toks[end-1].end, op}))
	case i == l.first || i+1 >= l.last || p.toks[i+1].is(")", ";", ",", "]"):
		p.report("increment", p.toks[i].start, nil)
	}
}

func (p *page) equality(i int, _ line) {
	w := "!="
	if p.toks[i].raw == "===" {
		w = "=="
	}
	p.report("strict-equality", p.toks[i].start, safe(p.toks[i].replace(w)))
}

// walrus assigns before the statement that uses the value.
func (p *page) walrus(i int, l line) {
	if i == l.first || !p.toks[i-1].isName() {
		return
	}
	name := p.toks[i-1]
	if i-1 == l.first {
		p.report("walrus", p.toks[i].start, safe(p.toks[i].replace("=")))
		return
	}
	end := p.exprEnd(i+1, l.last, []string{",", ":", "for", "if", ";"})
	first := p.toks[l.first]
	if colon := p.suiteColon(name.line); first.is("while") && colon > i {
		p.report("walrus", p.toks[i].start, risky(p.rounds(l.first, colon, l)))
		return
	}
	if first.is("elif", "while", "else", "def") || p.find(l.first, l.last, "lambda") >= 0 || p.inComprehension(i, l) {
		p.report("walrus", p.toks[i].start, nil)
		return
	}
	edits := []Edit{{l.start, l.start, l.indent + name.raw + " = " + p.between(i+1, end) + "\n"}, {name.start, p.toks[end-1].end, name.raw}}
	p.report("walrus", p.toks[i].start, risky(edits...))
}

// inComprehension says that a bracket around token i holds a for clause.
func (p *page) inComprehension(i int, l line) bool {
	for k := i; k >= l.first && !p.spent(); k-- {
		if t := p.toks[k]; t.match > i && p.find(k+1, t.match, "for") >= 0 {
			return true
		}
	}
	return false
}

// outside are what ends the operands of a conditional.
var outside = []string{"=", "+=", "-=", ",", ":", ";", "return", "if", "else", "elif", "while", "in", "lambda", "=>", "?"}

func (p *page) ternary(i int, l line) {
	colon, depth := -1, 0
	for k := i + 1; k < l.last && !p.spent(); k++ {
		t := p.toks[k]
		if t.depth != p.toks[i].depth {
			continue
		}
		if t.is("?") {
			depth++
		} else if t.is(":") {
			if depth == 0 {
				colon = k
				break
			}
			depth--
		}
	}
	lo := p.exprStart(i, l.first, outside)
	if colon < 0 || lo == i {
		p.report("ternary", p.toks[i].start, nil)
		return
	}
	hi := p.exprEnd(colon+1, l.last, []string{",", ";", "for"})
	if hi == colon+1 {
		p.report("ternary", p.toks[i].start, nil)
		return
	}
	s := p.between(i+1, colon) + " if " + p.between(lo, i) + " else " + p.between(colon+1, hi)
	p.report("ternary", p.toks[i].start, safe(Edit{p.toks[lo].start, p.toks[hi-1].end, s}))
}

func (p *page) coalesce(i int, l line) {
	lo, hi := p.primaryStart(i, l.first), p.primaryEnd(i+1, l.last)
	if lo == i || hi == i+1 {
		return
	}
	x := p.between(lo, i)
	p.report("coalesce", p.toks[i].start, safe(Edit{p.toks[lo].start, p.toks[hi-1].end, "(" + x + " if " + x + " != None else " + p.between(i+1, hi) + ")"}))
}

func (p *page) optional(i int, _ line) {
	p.report("coalesce", p.toks[i].start, risky(p.toks[i].replace(".")))
}

// arrow is a lambda when what follows is an expression.
func (p *page) arrow(i int, l line) {
	if i == l.first {
		return
	}
	lo := i - 1
	params := p.toks[lo].raw
	if p.toks[lo].is(")") && p.toks[lo].match >= l.first {
		lo = p.toks[lo].match
		params = strings.TrimSpace(p.src[p.toks[lo].end:p.toks[i-1].start])
	}
	if i+1 >= l.last || p.toks[i+1].is("{") {
		p.report("arrow-function", p.toks[i].start, nil)
		return
	}
	head := strings.TrimRight("lambda "+params, " ") + ":"
	if p.toks[i].end == p.toks[i+1].start {
		head += " "
	}
	p.report("arrow-function", p.toks[i].start, safe(Edit{p.toks[lo].start, p.toks[i].end, head}))
}

func (p *page) await(i int, l line) {
	if i+1 < l.last && (p.toks[i+1].kind != mark || p.toks[i+1].is("(", "[")) {
		p.report("async", p.toks[i].start, safe(p.drop(i)))
	}
}

// yield collects in a list what a generator would give.
func (p *page) yield(i int, l line) {
	n := p.toks[i].line
	def := p.function(n)
	if def < 0 || i != l.first {
		p.report("yield", p.toks[i].start, nil)
		return
	}
	from, to := p.body(def)
	head := p.lines[from]
	if p.toks[head.first].kind == text && head.last == head.first+1 && from+1 < to {
		from++
	}
	var edits []Edit
	for k := from; k < to; k++ {
		b := p.lines[k]
		if !p.toks[b.first].is("yield") {
			continue
		}
		if len(edits) == 0 {
			if b.first != i {
				return // told at the first
			}
			at := p.lines[from]
			edits = append(edits, Edit{at.start, at.start, at.indent + "items = []\n"})
		}
		method, first := "append", b.first+1
		if first < b.last && p.toks[first].is("from") {
			method, first = "extend", first+1
		}
		arg := p.between(first, b.last)
		if p.find(first, b.last, ",") > 0 {
			arg = "(" + arg + ")"
		}
		if arg == "" {
			arg = "None"
		}
		edits = append(edits, Edit{p.toks[b.first].start, p.toks[b.last-1].end, "items." + method + "(" + arg + ")"})
	}
	end := p.lines[to-1].end
	edits = append(edits, Edit{end, end, "\n" + p.lines[from].indent + "return items"})
	p.report("yield", p.toks[i].start, risky(edits...))
}

// chained splits a < b < c.
func (p *page) chained(i int, l line) {
	lo := p.exprStart(i, l.first, comparers)
	if lo == l.first || !p.toks[lo-1].is("<", "<=", ">", ">=", "==", "!=") || lo == i {
		return
	}
	middle := p.between(lo, i)
	fix := risky(Edit{p.toks[i-1].end, p.toks[i-1].end, " and " + middle})
	fix.Safe = !strings.Contains(middle, "(")
	p.report("chained-comparison", p.toks[i].start, fix)
}

var comparers = []string{
	"<", "<=", ">", ">=", "==", "!=", "in", "and", "or", "not", "if", "else", "elif", "while", "return", "=", "+=", "-=", ",", ":", ";", "lambda", "for", "assert", "print",
}

// lambda looks at what cannot be in one.
func (p *page) lambda(i int, l line) {
	colon := p.find(i, l.last, ":")
	if colon < 0 || colon+1 >= l.last {
		return
	}
	switch next := p.toks[colon+1]; {
	case next.is("return"):
		p.report("lambda-statement", next.start, safe(p.drop(colon+1)))
	case next.is("pass"):
		p.report("lambda-statement", next.start, safe(next.replace("None")))
	case next.is("raise", "assert", "for", "while", "del", "print"), p.toks[i].depth == 0 && p.find(colon+1, l.last, "=", "+=") > 0:
		p.report("lambda-statement", next.start, nil)
	}
}

// noElse completes a conditional expression.
func (p *page) noElse(i int, l line) {
	t := p.toks[i]
	if i == l.first || p.toks[i-1].is(":", ";", "else", "}") || p.inComprehension(i, l) {
		return
	}
	end := p.exprEnd(i+1, l.last, []string{",", ";", "for", "else", "if"})
	if end < l.last && p.toks[end].is("else", "for") || end == i+1 || p.toks[i-1].is("(", "[", "{", "=", ",") {
		return
	}
	p.report("no-else", t.start, risky(Edit{p.toks[end-1].end, p.toks[end-1].end, " else None"}))
}

func (p *page) newly(i int, l line) {
	if i+2 < l.last && p.toks[i+1].isName() && p.toks[i+2].is("(", ".") && (i == l.first || !p.toks[i-1].is(".", "throw", "raise")) {
		p.report("new", p.toks[i].start, safe(p.drop(i)))
	}
}

func (p *page) typeOf(i int, l line) {
	if end := p.primaryEnd(i+1, l.last); end > i+1 && !p.toks[i+1].is("(") {
		p.report("new", p.toks[i].start, safe(Edit{p.toks[i].start, p.toks[i+1].start, "type("}, Edit{p.toks[end-1].end, p.toks[end-1].end, ")"}))
	}
}
