package diagnose

import (
	"slices"
	"strconv"
	"strings"
)

// unit is one step of indentation in what is proposed.
const unit = "    "

// words looks at the statements of a text that cannot be read.
func (p *page) words() {
	for _, st := range p.statements() {
		if p.full {
			return
		}
		if rule, ok := statementRules[p.toks[st.first].raw]; ok && p.toks[st.first].kind != text {
			rule(p, st)
		}
	}
}

// statementRules go by the first word.
var statementRules = map[string]func(*page, statement){
	"try": (*page).try, "raise": (*page).raise, "throw": (*page).raise, "assert": (*page).assert, "import": (*page).imports, "from": (*page).imports,
	"class": (*page).class, "@": (*page).decorator, "async": (*page).async, "with": (*page).with, "match": (*page).matching, "switch": (*page).switching,
	"del": (*page).del, "global": (*page).global, "nonlocal": (*page).global, "def": (*page).def, "print": (*page).printing, "else": (*page).otherwise,
	"elsif": (*page).elsif, "elseif": (*page).elsif, "var": (*page).declare, "let": (*page).declare, "const": (*page).declare, "int": (*page).declare,
	"float": (*page).declare, "string": (*page).declare, "bool": (*page).declare, "auto": (*page).declare, "function": (*page).function_, "func": (*page).function_,
	"fn": (*page).function_, "if": (*page).condition, "elif": (*page).condition, "while": (*page).condition, "for": (*page).cFor, "export": (*page).export,
	"...": (*page).ellipsis, "do": (*page).doing,
}

// span is all bytes of a statement, its indentation and newline included where it has the line for itself.
func (p *page) span(st statement) Edit {
	if st.whole {
		return p.dropLine(st.line)
	}
	return Edit{p.toks[st.first].start, p.toks[st.last-1].end, "pass"}
}

// instead replaces a statement by lines, each indented as it is. It gives ok=false where the statement shares its line with others
// and more than one line is needed.
func (p *page) instead(st statement, lines ...string) (Edit, bool) {
	start, end := p.toks[st.first].start, p.toks[st.last-1].end
	if len(lines) > 1 && !st.whole {
		return Edit{}, false
	}
	return Edit{start, end, strings.Join(lines, "\n"+p.lines[st.line].indent)}, true
}

// try turns the block into a function and asks how it ended.
func (p *page) try(st statement) {
	at, n := p.toks[st.first].start, st.line
	indent := p.lines[n].indent
	from, to := p.body(n)
	if !st.lead || p.toks[st.first+1].is("{") || from == to {
		p.report("try", at, nil)
		return
	}
	c := p.clauses(to, p.lines[n].width)
	if len(c.handlers) == 0 && c.finally < 0 {
		p.report("try", at, nil)
		return
	}
	p.report("try", at, risky(Edit{p.lines[n].start, p.blockEnd(c.end), p.tryText(indent, from, to, c)}))
}

// clauses are the parts of a try statement, by line.
type clauses struct {
	handlers        []int
	orelse, finally int // -1 when there is none
	end             int // the line behind them
}

func (p *page) clauses(n, wide int) clauses {
	c := clauses{orelse: -1, finally: -1, end: n}
	for n < len(p.lines) && p.lines[n].width == wide {
		switch first := p.toks[p.lines[n].first]; {
		case first.is("except"):
			c.handlers = append(c.handlers, n)
		case first.is("else") && len(c.handlers) > 0:
			c.orelse = n
		case first.is("finally"):
			c.finally = n
		default:
			return c
		}
		_, n = p.body(n)
		c.end = n
	}
	return c
}

func (p *page) tryText(indent string, from, to int, c clauses) string {
	names, result, returns := p.assigned(from, to), "tried.value", p.returns(from, to)
	body := p.bodyText(from, to, indent+unit)
	var b strings.Builder
	b.WriteString(indent + "def trial():\n" + body)
	if len(names) > 0 && !returns {
		b.WriteString(indent + unit + "return " + strings.Join(names, ", ") + "\n")
	}
	b.WriteString(indent + "tried = attempt(trial)\n")
	p.handlersText(&b, indent, c)
	good := ""
	switch {
	case returns:
		good = indent + unit + "return " + result + "\n"
	case len(names) > 0:
		good = indent + unit + strings.Join(names, ", ") + " = " + result + "\n"
	}
	if c.orelse >= 0 {
		f, t := p.body(c.orelse)
		good += p.bodyText(f, t, indent+unit)
	}
	switch {
	case good != "" && len(c.handlers) > 0:
		b.WriteString(indent + "else:\n" + good)
	case good != "":
		b.WriteString(indent + "if tried.ok:\n" + good)
	}
	if c.finally >= 0 {
		f, t := p.body(c.finally)
		b.WriteString(p.bodyText(f, t, indent))
	}
	return b.String()
}

// handlersText writes what to do after a failure: one handler catches all, for failures have codes, not classes.
func (p *page) handlersText(b *strings.Builder, indent string, c clauses) {
	if len(c.handlers) == 0 {
		return
	}
	n := c.handlers[0]
	b.WriteString(indent + "if not tried.ok:\n")
	l := p.lines[n]
	if i := p.find(l.first, l.last, "as"); i > 0 && i+1 < l.last && p.toks[i+1].isName() {
		b.WriteString(indent + unit + p.toks[i+1].raw + " = tried.error\n")
	}
	f, t := p.body(n)
	if colon := p.suiteColon(n); f == t && colon > 0 && colon+1 < l.last {
		b.WriteString(indent + unit + p.between(colon+1, l.last) + "\n")
		return
	}
	b.WriteString(p.bodyText(f, t, indent+unit))
}

// assigned lists the names that lines assign to, in order.
func (p *page) assigned(from, to int) []string {
	var names []string
	for n := from; n < to; n++ {
		l := p.lines[n]
		for i := l.first; i+1 < l.last && p.toks[i].isName(); i += 2 {
			next := p.toks[i+1]
			if !next.is(",", "=", "+=", "-=") {
				break
			}
			if eq := p.find(i, l.last, "=", "+=", "-="); eq > 0 && !slices.Contains(names, p.toks[i].raw) {
				names = append(names, p.toks[i].raw)
			}
			if !next.is(",") {
				break
			}
		}
	}
	return names
}

func (p *page) returns(from, to int) bool {
	for n := from; n < to; n++ {
		if p.toks[p.lines[n].first].is("return") {
			return true
		}
	}
	return false
}

// raise becomes fail with what the exception was given.
func (p *page) raise(st statement) {
	at := p.toks[st.first].start
	i := st.first + 1
	if i < st.last && p.toks[i].is("new") {
		i++
	}
	end := p.exprEnd(i, st.last, []string{"from"})
	var args string
	switch paren := p.find(i, end, "("); {
	case i >= end:
		args = `"failed"`
	case paren > i && p.partner(paren, end) == end-1:
		if args = strings.TrimSpace(p.src[p.toks[paren].end:p.toks[end-1].start]); args == "" {
			args = strconv.Quote(p.between(i, paren))
		}
	case p.toks[i].kind == text && end == i+1:
		args = p.between(i, end)
	case end == i+1 && p.toks[i].isName() && p.toks[i].raw != strings.ToLower(p.toks[i].raw):
		args = strconv.Quote(p.toks[i].raw)
	default:
		args = "str(" + p.between(i, end) + ")"
	}
	p.report("raise", at, safe(Edit{at, p.toks[st.last-1].end, "fail(" + args + ")"}))
}

func (p *page) assert(st statement) {
	at := p.toks[st.first].start
	if st.last-st.first < 2 || p.toks[st.first+1].is("(", "=", ".") && p.toks[st.last-1].match == st.first+1 && p.find(st.first+2, st.last-1, ",") > 0 {
		p.report("assert", at, nil)
		return
	}
	comma := p.find(st.first+1, st.last, ",")
	cond, message := p.between(st.first+1, st.last), `"assertion failed"`
	if comma > 0 && comma+1 < st.last {
		cond, message = p.between(st.first+1, comma), p.between(comma+1, st.last)
	}
	if p.toks[st.first+1].kind == mark && !p.toks[st.first+1].is("(", "[", "{", "-", "!") {
		return
	}
	if p.inFunction(st.line) {
		if e, ok := p.instead(st, "if not ("+cond+"):", unit+"fail("+message+")"); ok {
			p.report("assert", at, safe(e))
			return
		}
	}
	p.report("assert", at, safe(Edit{at, p.toks[st.last-1].end, "(" + cond + ") or fail(" + message + ")"}))
}

// known are the modules that every pattern has without loading them.
var known = []string{"json", "math", "re", "time"}

// imports deletes what needs no import and loads what stands beside the file.
func (p *page) imports(st statement) {
	at := p.toks[st.first].start
	names, mods := p.imported(st)
	gone := !slices.ContainsFunc(mods, func(m string) bool { return !slices.Contains(known, m) && !slices.Contains(harmless, m) })
	switch {
	case len(names) > 0 && len(mods) == 1 && slices.Contains(known, mods[0]):
		lines := make([]string, len(names))
		for i, n := range names {
			lines[i] = n + " = " + mods[0] + "." + n
		}
		if e, ok := p.instead(st, lines...); ok {
			p.report("import", at, safe(e))
			return
		}
	case len(mods) > 0 && gone:
		p.report("import", at, safe(p.span(st)))
		return
	case len(names) > 0 && len(mods) > 0 && strings.HasPrefix(mods[0], "."):
		file := strings.TrimSuffix(strings.ReplaceAll(strings.TrimLeft(mods[0], "./"), ".", "/"), "/js")
		quoted := `"` + strings.Join(names, `", "`) + `"`
		if e, ok := p.instead(st, `load(":`+file+`.star", `+quoted+")"); ok && file != "" {
			p.report("import", at, risky(e))
			return
		}
	}
	p.report("import", at, risky(p.span(st)))
}

// harmless modules do nothing that a pattern lacks when they are gone.
var harmless = []string{"typing", "__future__", "dataclasses", "asyncio", "parallax", "enum", "pydantic", "functools", "collections"}

// imported lists what an import names: from MODS import NAMES, or import MODS.
func (p *page) imported(st statement) (names, mods []string) {
	mod := ""
	in := 2 // 1 module of from, 2 modules of import, 3 names
	if p.toks[st.first].is("from") {
		in = 1
	}
	for i := st.first + 1; i < st.last; i++ {
		t := p.toks[i]
		switch {
		case t.is("import"):
			in = 3
		case t.is("from"):
			names, mods, mod, in = mods, nil, "", 2
		case t.is("as"):
			i++
		case t.is(",", "(", ")", "{", "}", ";", "*"):
			if in == 2 && mod != "" {
				mods, mod = append(mods, mod), ""
			}
		case t.kind == text:
			mod = strings.TrimSuffix(t.body(), ".js")
		case in == 3 && t.kind == word:
			names = append(names, t.raw)
		case t.kind == word || t.is(".", "..."):
			mod += t.raw
		}
	}
	if mod != "" {
		mods = append(mods, mod)
	}
	return names, mods
}

// quiet decorators may go without a loss.
var quiet = []string{"dataclass", "staticmethod", "classmethod", "property", "cache", "lru_cache", "tool", "agent", "task", "flow", "workflow", "override"}

func (p *page) decorator(st statement) {
	at := p.toks[st.first].start
	name := p.between(st.first+1, st.last)
	last := p.primaryEnd(st.first+1, st.last)
	if !st.whole || last < st.last || name == "" || p.toks[st.first+1].kind != word {
		p.report("decorator", at, nil)
		return
	}
	base, _, _ := strings.Cut(name, "(")
	base = base[strings.LastIndexByte(base, '.')+1:]
	def := st.line + 1
	for def < len(p.lines) && p.toks[p.lines[def].first].is("@") {
		def++
	}
	if slices.Contains(quiet, base) || def >= len(p.lines) {
		p.report("decorator", at, risky(p.dropLine(st.line)))
		return
	}
	d := p.lines[def]
	if !p.toks[d.first].is("def") || !p.toks[d.first+1].isName() || def != st.line+1 {
		p.report("decorator", at, risky(p.dropLine(st.line)))
		return
	}
	_, to := p.body(def)
	fn := p.toks[d.first+1]
	end := p.blockEnd(to)
	tail := d.indent + fn.raw + " = " + name + "(" + fn.raw + "_plain)\n"
	if end == len(p.src) && !strings.HasSuffix(p.src, "\n") {
		tail = "\n" + tail
	}
	p.report("decorator", at, risky(p.dropLine(st.line), fn.replace(fn.raw+"_plain"), Edit{end, end, tail}))
}

func (p *page) async(st statement) {
	p.report("async", p.toks[st.first].start, safe(p.drop(st.first)))
}

// with binds the value and runs the block; nothing needs to be closed.
func (p *page) with(st statement) {
	at := p.toks[st.first].start
	colon := p.suiteColon(st.line)
	from, to := p.body(st.line)
	if !st.lead || colon < 0 || from == to {
		p.report("with", at, nil)
		return
	}
	var b strings.Builder
	indent := p.lines[st.line].indent
	for i := st.first + 1; i < colon; {
		end := p.exprEnd(i, colon, []string{","})
		if as := p.find(i, end, "as"); as > 0 && as+1 < end {
			b.WriteString(indent + p.between(as+1, end) + " = " + p.between(i, as) + "\n")
		} else {
			b.WriteString(indent + p.between(i, end) + "\n")
		}
		i = end + 1
	}
	b.WriteString(p.bodyText(from, to, indent))
	p.report("with", at, risky(Edit{p.lines[st.line].start, p.blockEnd(to), b.String()}))
}

// matching turns match and its cases into if and elif.
func (p *page) matching(st statement) {
	n := st.line
	from, to := p.body(n)
	colon := p.lines[n].last - 1
	if !st.whole || from == to || !p.toks[colon].is(":") || !p.toks[p.lines[from].first].is("case") {
		return
	}
	subject := p.between(st.first+1, colon)
	indent := p.lines[n].indent
	b := strings.Builder{}
	if !p.toks[st.first+1].isName() || colon > st.first+2 {
		b.WriteString(indent + "subject = " + subject + "\n")
		subject = "subject"
	}
	at := p.toks[st.first].start
	for c, keyword := from, "if"; c < to; keyword = "elif" {
		l, end := p.lines[c], p.suiteColon(c)
		bf, bt := p.body(c)
		if !p.toks[l.first].is("case") || end < 0 || bt > to {
			p.report("match", at, nil)
			return
		}
		b.WriteString(indent + caseHead(p, l.first+1, end, subject, keyword))
		if end+1 < l.last {
			b.WriteString(indent + unit + p.between(end+1, l.last) + "\n")
		} else {
			b.WriteString(p.bodyText(bf, bt, indent+unit))
		}
		c = bt
	}
	p.report("match", at, risky(Edit{p.lines[n].start, p.blockEnd(to), b.String()}))
}

// caseHead is the condition of one case, with its guard.
func caseHead(p *page, i, end int, subject, keyword string) string {
	guard := p.find(i, end, "if")
	pattern := end
	if guard > 0 {
		pattern = guard
	}
	name := p.toks[i]
	var cond string
	switch plain := pattern == i+1; {
	case plain && name.raw == "_":
	case p.find(i, pattern, "|") > 0:
		cond = subject + " in (" + strings.ReplaceAll(p.between(i, pattern), "|", ",") + ")"
	default:
		cond = subject + " == " + p.between(i, pattern)
	}
	if guard > 0 {
		cond = strings.TrimPrefix(cond+" and "+p.between(guard+1, end), " and ")
	}
	switch {
	case cond == "" && keyword == "if":
		return "if True:\n"
	case cond == "":
		return "else:\n"
	}
	return keyword + " " + cond + ":\n"
}

func (p *page) switching(st statement) {
	if p.toks[st.first+1].is("(") && p.toks[st.last-1].is("{") {
		p.report("switch", p.toks[st.first].start, nil)
	}
}

// del of an element pops it; a name needs no deleting.
func (p *page) del(st statement) {
	at := p.toks[st.first].start
	last := st.last - 1
	if p.toks[last].is("]") && p.toks[last].match > st.first+1 && p.find(st.first+1, st.last, ",") < 0 {
		open := p.toks[last].match
		key := p.between(open+1, last)
		if p.find(open+1, last, ":") < 0 {
			p.report("del", at, safe(Edit{at, p.toks[last].end, p.between(st.first+1, open) + ".pop(" + key + ")"}))
			return
		}
	}
	p.report("del", at, risky(p.span(st)))
}

// global names cannot change; what a run remembers is kept by state.
func (p *page) global(st statement) {
	at := p.toks[st.first].start
	def := p.function(st.line)
	if def < 0 || st.last != st.first+2 || !st.whole {
		p.report("global", at, risky(p.span(st)))
		return
	}
	name := p.toks[st.first+1].raw
	_, to := p.body(def)
	quoted := strconv.Quote(name)
	e, _ := p.instead(st, name+" = state.get("+quoted+", 0)")
	edits := []Edit{e}
	for n := st.line + 1; n < to; n++ {
		l := p.lines[n]
		if p.toks[l.first].raw == name && l.first+1 < l.last && p.toks[l.first+1].is("=", "+=", "-=", "*=") {
			edits = append(edits, Edit{l.end, l.end, "\n" + l.indent + "state.set(" + quoted + ", " + name + ")"})
		}
	}
	p.report("global", at, risky(edits...))
}

// printing is a call.
func (p *page) printing(st statement) {
	next := p.toks[st.first+1]
	if st.last < st.first+2 || next.kind == mark && !next.is("-", "[", "{") {
		return
	}
	p.report("print-statement", p.toks[st.first].start, safe(
		Edit{p.toks[st.first].end, next.start, "("}, Edit{p.toks[st.last-1].end, p.toks[st.last-1].end, ")"}))
}

// otherwise looks at else: "else if", and an else that belongs to a loop.
func (p *page) otherwise(st statement) {
	if st.first+1 < st.last && p.toks[st.first+1].is("if") {
		p.report("else-if", p.toks[st.first].start, safe(Edit{p.toks[st.first].start, p.toks[st.first+1].end, "elif"}))
		return
	}
	if st.last == st.first+1 {
		p.colon(st)
	}
	if st.lead {
		p.loopElse(st)
	}
}

func (p *page) elsif(st statement) {
	if st.lead && st.first+1 < st.last {
		p.report("else-if", p.toks[st.first].start, safe(p.toks[st.first].replace("elif")))
	}
}

// loopElse gives a loop a variable that says whether it was left by break.
func (p *page) loopElse(st statement) {
	n := st.line - 1
	for n >= 0 && p.lines[n].width > p.lines[st.line].width {
		n--
	}
	if n < 0 || p.lines[n].width != p.lines[st.line].width || !p.toks[p.lines[n].first].is("for", "while") || p.toks[st.first+1].is("{") {
		return
	}
	loop := p.lines[n]
	edits := []Edit{{loop.start, loop.start, loop.indent + "left = False\n"}}
	from, to := p.body(n)
	for i := from; i < to; i++ {
		for _, t := range p.toks[p.lines[i].first:p.lines[i].last] {
			if t.is("break") {
				edits = append(edits, Edit{t.start, t.start, "left = True; "})
			}
		}
	}
	p.report("loop-else", p.toks[st.first].start, safe(append(edits, p.toks[st.first].replace("if not left"))...))
}

func (p *page) ellipsis(st statement) {
	if st.last == st.first+1 {
		p.report("ellipsis", p.toks[st.first].start, safe(p.toks[st.first].replace("pass")))
	}
}

func (p *page) doing(st statement) {
	if st.last == st.first+2 && p.toks[st.first+1].is("{", ":") {
		p.report("while", p.toks[st.first].start, nil)
	}
}
