package diagnose

import (
	"slices"
	"strings"
)

// layout looks at brackets, indentation and blocks, given the place where reading ended and what the interpreter said there.
func (p *page) layout(at int, message string) {
	if !slices.ContainsFunc(p.found, func(f Finding) bool { return f.Code == "unclosed-string" }) {
		for _, i := range p.open {
			p.unclosedBracket(i)
		}
	}
	if strings.HasPrefix(message, "unindent") || strings.Contains(message, "got indent") || p.mixed() {
		p.indentation(at, message)
	}
	if strings.Contains(message, "want indent") {
		p.emptyBlock(at, strings.HasPrefix(message, "got end"))
	}
}

func (p *page) unclosedBracket(i int) {
	if p.full {
		return
	}
	t := p.toks[i]
	closing := map[string]string{"(": ")", "[": "]", "{": "}"}[t.raw]
	l := p.bounds(i)
	end := p.toks[max(l.last-1, i)]
	at := end.end
	if end.is(":") && end.start > t.start {
		at = end.start
	}
	p.report("unclosed-bracket", t.start, risky(Edit{at, at, closing}))
}

// mixed says that the lines are indented by tabs here and by blanks there.
func (p *page) mixed() bool {
	tabs, blanks := false, false
	for _, l := range p.lines {
		tabs = tabs || strings.Contains(l.indent, "\t")
		blanks = blanks || strings.Contains(l.indent, " ")
	}
	return tabs && blanks
}

// indentation writes tabs as blanks, or moves a line to the nearest block around it.
func (p *page) indentation(at int, message string) {
	if p.mixed() {
		var edits []Edit
		first := -1
		for _, l := range p.lines {
			if strings.Contains(l.indent, "\t") {
				edits = append(edits, Edit{l.start, l.start + len(l.indent), strings.ReplaceAll(l.indent, "\t", unit)})
				if first < 0 {
					first = l.start
				}
			}
		}
		p.report("tabs", first, safe(edits...))
		return
	}
	n := p.lineAt(at)
	if n <= 0 {
		if n == 0 && p.lines[0].width > 0 {
			p.report("indentation", p.toks[p.lines[0].first].start, risky(Edit{p.lines[0].start, p.lines[0].start + len(p.lines[0].indent), ""}))
		}
		return
	}
	l := p.lines[n]
	indent := p.lines[n-1].indent
	if strings.HasPrefix(message, "unindent") {
		for k := n - 1; k >= 0 && k > n-maxClimb; k-- {
			if abs(p.lines[k].width-l.width) < abs(width(indent)-l.width) {
				indent = p.lines[k].indent
			}
		}
	}
	_, to := p.body(n)
	edits := []Edit{{l.start, l.start + len(l.indent), indent}}
	for k := n + 1; k < to; k++ {
		if rest, ok := strings.CutPrefix(p.lines[k].indent, l.indent); ok {
			edits = append(edits, Edit{p.lines[k].start, p.lines[k].start + len(p.lines[k].indent), indent + rest})
		}
	}
	if len(edits) == 1 && !strings.HasPrefix(message, "unindent") {
		for k := n + 1; k < len(p.lines) && p.lines[k].width == l.width; k++ { // its neighbours come along
			edits = append(edits, Edit{p.lines[k].start, p.lines[k].start + len(p.lines[k].indent), indent})
		}
	}
	p.report("indentation", p.toks[l.first].start, risky(edits...))
}

func abs(n int) int { return max(n, -n) }

// lineAt is the logical line that holds a byte, or -1.
func (p *page) lineAt(at int) int {
	found := -1
	for n, l := range p.lines {
		if l.start <= at {
			found = n
		}
	}
	return found
}

// emptyBlock gives a block that holds nothing, or comments only, something to say.
func (p *page) emptyBlock(at int, atEnd bool) {
	last := p.lineAt(at)
	if !atEnd {
		last--
	}
	for n := last; n >= 0 && n > last-maxClimb; n-- {
		l := p.lines[n]
		if !p.toks[l.last-1].is(":") {
			continue
		}
		if n+1 < len(p.lines) && p.lines[n+1].width > l.width {
			return
		}
		if next := p.lines[min(n+1, len(p.lines)-1)]; n+1 < len(p.lines) && !p.toks[next.first].is("else", "elif", "except", "finally", "def", "@", "load") && next.width == l.width && l.width == 0 {
			p.report("indentation", p.toks[next.first].start, risky(Edit{next.start, next.start, unit}))
			return
		}
		end := p.toks[l.last-1].end
		p.report("empty-block", end-1, safe(Edit{end, end, "\n" + l.indent + unit + "pass"}))
		return
	}
}
