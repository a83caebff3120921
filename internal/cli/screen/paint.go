package screen

import (
	"fmt"
	"strings"
	"time"
)

// painter turns a tree into lines that fit a window.
type painter struct {
	style
	now    time.Time
	width  int // cells; no line takes more than width-1, so that none wraps
	height int // lines
	frame  int // of the spinner
	lines  []line
}

// line is one line before it is cut to the window.
type line struct {
	depth  int
	label  string
	detail string
	right  string
	state  state
	wait   bool // for a person or a signal
	title  bool
	mark   string // instead of the state's own
}

func (p *painter) paint(t *tree) []string {
	if t.root == nil {
		return nil
	}
	p.lines = p.lines[:0]
	p.node(t.root, 0)
	p.squeeze()
	out := make([]string, len(p.lines))
	for i := range p.lines {
		out[i] = p.text(&p.lines[i])
	}
	return out
}

// maxNarrow is the width of a fork up to which all its branches are shown while it runs.
const maxNarrow = 8

// node adds a node and what is below it.
func (p *painter) node(n *node, depth int) {
	switch {
	case n.fork != nil:
		p.forkNode(n, depth)
	case n.branch && len(n.kids) == 1 && n.kids[0].fork == nil && len(n.kids[0].kids) == 0:
		p.add(p.merged(n), depth)
	default:
		p.add(p.plain(n), depth)
		p.kids(n.kids, depth+1)
	}
}

func (p *painter) plain(n *node) line {
	return line{label: n.label, detail: n.detail, right: p.right(n), state: n.state, wait: n.waiting, title: len(n.kids) > 0}
}

// merged is a branch and the only thing it does, in one line.
func (p *painter) merged(n *node) line {
	kid := n.kids[0]
	l := p.plain(kid)
	l.label = n.label + " · " + kid.label
	if n.label == kid.label {
		l.label = n.label
	}
	if n.state != running {
		l.state = n.state
	}
	if n.detail != "" {
		l.detail = n.detail
	}
	return l
}

// kids adds nodes; of a long row of finished ones only the count and the last.
func (p *painter) kids(kids []*node, depth int) {
	const tail = 6
	quiet := 0
	for i, k := range kids {
		if k.state != running && k.state != failed && i < len(kids)-tail {
			quiet++
			continue
		}
		p.more(&quiet, depth)
		p.node(k, depth)
	}
	p.more(&quiet, depth)
}

func (p *painter) more(n *int, depth int) {
	if *n > 0 {
		p.add(line{label: fmt.Sprintf("%s done", number(*n)), mark: "…", state: done}, depth)
	}
	*n = 0
}

// forkNode adds a fork: its counts, then the branches that run or failed.
func (p *painter) forkNode(n *node, depth int) {
	l := p.plain(n)
	l.label, l.detail = n.label+" "+p.counts(n), ""
	p.add(l, depth)
	shown, hidden := 0, 0
	for _, k := range n.kids {
		switch {
		case n.state != running && k.state != failed:
		case n.fork.n > maxNarrow && k.state != running && k.state != failed:
		case k.state == failed && shown >= maxNarrow:
			hidden++
		default:
			shown++
			p.node(k, depth+1)
		}
	}
	if hidden > 0 {
		p.add(line{label: plural(hidden, "more failure"), mark: "…", state: failed}, depth+1)
	}
}

func (p *painter) counts(n *node) string {
	f := n.fork
	s := number(f.done+f.failed+f.cancelled) + "/" + number(f.n)
	if n.state != running {
		s = number(f.n)
	}
	if f.failed > 0 {
		s += ", " + number(f.failed) + " failed"
	}
	if f.cancelled > 0 {
		s += ", " + number(f.cancelled) + " cancelled"
	}
	if active := f.started - f.done - f.failed - f.cancelled; n.state == running && f.n > maxNarrow && active > 0 {
		s += ", " + number(active) + " running"
	}
	return s
}

func (p *painter) right(n *node) string {
	end := n.ended
	if n.state == running {
		end = p.now
	}
	parts := append([]string{elapsed(end.Sub(n.started))}, n.extra...)
	return strings.Join(parts, "  ")
}

func (p *painter) add(l line, depth int) {
	l.depth = depth
	p.lines = append(p.lines, l)
}

// squeeze makes the lines fit the height: first finished lines go, the oldest first, then running ones from the end.
func (p *painter) squeeze() {
	room := max(p.height, 3)
	over := len(p.lines) - room
	if over <= 0 {
		return
	}
	over++ // the line that says so
	kept, dropped := p.lines[:1:1], 0
	for _, l := range p.lines[1:] {
		if over > 0 && l.state != running && !l.wait {
			over--
			dropped++
			continue
		}
		kept = append(kept, l)
	}
	running := 0
	if over > 0 {
		running = min(over, len(kept)-1)
		kept = kept[:len(kept)-running]
	}
	label := number(running+dropped) + " not shown"
	if running > 0 {
		label += ", " + number(running) + " running"
	}
	p.lines = append(kept, line{label: label, mark: "…", state: done, depth: 1})
}

// text is one line, cut to the window and painted.
func (p *painter) text(l *line) string {
	room := p.width - 1
	indent := strings.Repeat("  ", min(l.depth, 12))
	left := room - len(indent) - 2
	right := l.right
	if columns(right) > left/2 {
		right, _, _ = strings.Cut(right, "  ")
	}
	free := left
	if right != "" {
		free -= columns(right) + 2
	}
	label := fit(l.label, free)
	free -= columns(label)
	detail := ""
	if l.detail != "" && free > 8 {
		detail = "  " + fit(l.detail, free-2)
		free -= columns(detail)
	}
	if l.title {
		label = p.strong(label)
	}
	s := indent + p.glyph(l) + " " + label + p.faint(detail)
	if right != "" {
		s += strings.Repeat(" ", max(min(free, 60-columns(l.label)-columns(detail)-len(indent)), 0)) + "  " + p.faint(right)
	}
	return s
}

func (p *painter) glyph(l *line) string {
	if l.mark != "" {
		return p.faint(l.mark)
	}
	if l.wait {
		return p.warn("?")
	}
	switch l.state {
	case running:
		return p.busy(string([]rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[p.frame%10]))
	case done:
		return p.good("✓")
	case failed:
		return p.bad("✗")
	case cancelled:
		return p.faint("-")
	}
	return " "
}
