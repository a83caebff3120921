package diagnose

import (
	"slices"
	"strings"
)

// maxFindings is where a text has told enough.
const maxFindings = 100

// report adds a finding with the sentence and the advice of its manual page.
func (p *page) report(code string, at int, fix *Fix) { p.say(code, at, "", fix) }

// say adds a finding with a sentence of its own.
func (p *page) say(code string, at int, message string, fix *Fix) {
	if len(p.found) >= maxFindings || p.work > maxWork {
		p.full = true
		return
	}
	entry := pageOf(code)
	f := Finding{Code: code, Offset: at, Message: message, Hint: entry.Hint, Warning: entry.Warning}
	if message == "" {
		f.Message = entry.Why
	}
	if fix != nil && tidy(p.src, fix.Edits) {
		fix.Rewrite = rewrite(p.src, fix.Edits)
		f.Fix = fix
	}
	p.found = append(p.found, f)
}

// safe is a fix that means what was written.
func safe(edits ...Edit) *Fix { return &Fix{Safe: true, Edits: edits} }

// risky is a fix to be judged by the author.
func risky(edits ...Edit) *Fix { return &Fix{Edits: edits} }

// replace makes an edit of a token.
func (t token) replace(with string) Edit { return Edit{t.start, t.end, with} }

// drop cuts token i and the blanks behind it.
func (p *page) drop(i int) Edit {
	end := p.toks[i].end
	for end < len(p.src) && (p.src[end] == ' ' || p.src[end] == '\t') {
		end++
	}
	return Edit{p.toks[i].start, end, ""}
}

// dropLine cuts a logical line, its newline included.
func (p *page) dropLine(n int) Edit {
	return Edit{p.lines[n].start, min(p.lines[n].end+1, len(p.src)), ""}
}

// between is the text of tokens i up to j.
func (p *page) between(i, j int) string {
	if i >= j {
		return ""
	}
	return p.src[p.toks[i].start:p.toks[j-1].end]
}

// maxWork bounds what the rules look at, in tokens, so that no text takes long.
const maxWork = 4_000_000

// spent counts a step, and says that there were enough: no rule finds anything any more.
func (p *page) spent() bool {
	p.work++
	p.full = p.full || p.work > maxWork
	return p.work > maxWork
}

// partner is the index of the bracket that belongs to token i, or limit.
func (p *page) partner(i, limit int) int {
	if m := p.toks[i].match; m >= 0 && m < limit {
		return m
	}
	return limit
}

// find gives the first token of those words from i up to j at the depth of token i, or -1.
func (p *page) find(i, j int, raws ...string) int {
	if i >= j {
		return -1
	}
	depth := p.toks[i].depth
	for k := i; k < j; k++ {
		if p.spent() {
			return -1
		}
		if p.toks[k].depth == depth && p.toks[k].is(raws...) {
			return k
		}
	}
	return -1
}

// statement is a run of tokens that could stand on a line of its own.
type statement struct {
	first, last int
	line        int
	lead        bool // the first on its line
	whole       bool // the only one on its line
}

// compounds begin lines whose colon may be followed by a statement.
var compounds = []string{"if", "elif", "else", "for", "while", "def", "try", "except", "finally", "with", "class", "case", "async"}

// statements takes lines apart at semicolons and at the colon of a compound.
func (p *page) statements() []statement {
	var all []statement
	for n, l := range p.lines {
		from, colon := l.first, p.suiteColon(n)
		for i := l.first; i < l.last; i++ {
			t := p.toks[i]
			ends := t.is(";") && t.depth == 0 || i == colon
			if ends && i+1 < l.last {
				all = append(all, statement{from, i, n, from == l.first, false})
				from = i + 1
			}
		}
		last := l.last
		if last-1 > from && p.toks[last-1].is(";") {
			last--
		}
		all = append(all, statement{from, last, n, from == l.first, from == l.first})
	}
	return all
}

// suiteColon is the colon that ends the head of a compound on line n, or -1.
func (p *page) suiteColon(n int) int {
	l := p.lines[n]
	if !p.toks[l.first].is(compounds...) {
		return -1
	}
	lambdas := 0
	for i := l.first; i < l.last; i++ {
		t := p.toks[i]
		switch {
		case t.depth > 0:
		case t.is("lambda"):
			lambdas++
		case t.is(":") && lambdas > 0:
			lambdas--
		case t.is(":"):
			return i
		}
	}
	return -1
}

// body is the lines of the block below line n: those further in, up to the next that is not.
func (p *page) body(n int) (from, to int) {
	to = n + 1
	for !p.spent() && to < len(p.lines) && p.lines[to].width > p.lines[n].width {
		to++
	}
	return n + 1, to
}

// bodyText gives the lines of a block with another indentation, as text that ends in a newline.
func (p *page) bodyText(from, to int, indent string) string {
	var b strings.Builder
	if from >= to {
		return indent + "pass\n"
	}
	old := p.lines[from].indent
	for l := range strings.Lines(p.src[p.lines[from].start:p.lines[to-1].end] + "\n") {
		if rest, ok := strings.CutPrefix(l, old); ok {
			l = indent + rest
		}
		b.WriteString(l)
	}
	return b.String()
}

// blockEnd is the byte behind the last line of a block that ends before line to, its newline included.
func (p *page) blockEnd(to int) int { return min(p.lines[to-1].end+1, len(p.src)) }

// inFunction says that line n stands in a def.
func (p *page) inFunction(n int) bool { return p.function(n) >= 0 }

// maxClimb bounds the search for what a line stands in.
const maxClimb = 2000

// function is the line of the def around line n, or -1.
func (p *page) function(n int) int {
	at := p.lines[n].width
	for i := n - 1; i >= 0 && i > n-maxClimb && at > 0; i-- {
		if l := p.lines[i]; l.width < at {
			at = l.width
			if p.toks[l.first].is("def") || p.toks[l.first].is("async") && p.toks[l.first+1].is("def") {
				return i
			}
		}
	}
	return -1
}

// exprStart is the first token of the expression that ends before token i, not further back than lo.
func (p *page) exprStart(i, lo int, stops []string) int {
	k := i
	for k > lo && !p.spent() {
		t := p.toks[k-1]
		switch {
		case t.is(")", "]", "}") && t.match >= lo:
			k = t.match
			continue
		case t.is("(", "[", "{", ")", "]", "}"), t.is(stops...):
			return k
		}
		k--
	}
	return k
}

// exprEnd is the token behind the expression that starts with token i, not further on than hi.
func (p *page) exprEnd(i, hi int, stops []string) int {
	k := i
	for k < hi && !p.spent() {
		t := p.toks[k]
		switch {
		case t.is("(", "[", "{") && t.match >= 0 && t.match < hi:
			k = t.match + 1
			continue
		case t.is("(", "[", "{", ")", "]", "}"), t.is(stops...):
			return k
		}
		k++
	}
	return k
}

// primaryStart is the first token of the primary, such as f(x).y[0], that ends before token i.
func (p *page) primaryStart(i, lo int) int {
	k := i
	for k > lo {
		t := p.toks[k-1]
		switch {
		case t.is(")", "]", "}") && t.match >= lo:
			k = t.match
			if k > lo && (p.toks[k-1].kind == word && !isKeyword(p.toks[k-1].raw) || p.toks[k-1].is(")", "]")) && p.adjacent(k-1) {
				continue
			}
			return k
		case t.kind == word && !isKeyword(t.raw) || t.kind == number || t.kind == text:
			k--
			if k > lo+1 && p.toks[k-1].is(".") {
				k--
				continue
			}
			return k
		default:
			return k
		}
	}
	return k
}

// adjacent says that nothing stands between tokens i and i+1.
func (p *page) adjacent(i int) bool { return p.toks[i].end == p.toks[i+1].start }

// primaryEnd is the token behind the primary that starts with token i; signs before it belong to it.
func (p *page) primaryEnd(i, hi int) int {
	k := i
	for k < hi && p.toks[k].is("-", "+", "~") {
		k++
	}
	if k >= hi {
		return k
	}
	t := p.toks[k]
	switch {
	case t.is("(", "[", "{"):
		k = p.partner(k, hi-1) + 1
	case t.kind != mark && t.kind != note:
		k++
	default:
		return k
	}
	for k < hi {
		switch t := p.toks[k]; {
		case t.is("(", "[") && t.match > k && t.match < hi:
			k = t.match + 1
		case t.is(".") && k+1 < hi && p.toks[k+1].kind == word:
			k += 2
		default:
			return k
		}
	}
	return k
}

// keywords cannot be names.
var keywords = []string{
	"and", "break", "continue", "def", "elif", "else", "for", "if", "in", "lambda", "load", "not", "or", "pass", "return", "while",
	"as", "async", "await", "class", "del", "except", "finally", "from", "global", "import", "is", "nonlocal", "raise", "try", "with", "yield",
}

func isKeyword(w string) bool { return slices.Contains(keywords, w) }

// isName says that a token is a plain name.
func (t token) isName() bool { return t.kind == word && !isKeyword(t.raw) }
