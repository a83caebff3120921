package report

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/parallax-run/parallax/internal/story"
)

// timeline draws who worked when: one lane for the run and each branch, one bar for each effect in it.
type timeline struct {
	Lanes  []lane
	Ticks  []string // the time at equal distances from the beginning to the end
	Idle   string   // stretches that were cut out
	Folded string
}

// lane is one line of work.
type lane struct {
	Label  string
	Status story.Status
	Text   string // when it began and how long it took, in words
	Level  int    // forks around it, at most maxLevel
	Bars   []bar
}

// bar is a stretch of time in thousandths of the timeline.
type bar struct {
	X, Width string
	Class    string
	Title    string

	from, to float64
}

// Bounds of the drawing.
const (
	wide     = 1000.0
	thinnest = 3.0
	maxLevel = 3
	maxBars  = 200
)

// timelineOf draws a run of which something has a time.
func timelineOf(r *story.Run, c cutting, most int) *timeline {
	lanes := lanesOf(r.Root, c)
	scale, ok := scaleOf(lanes)
	if !ok {
		return nil
	}
	t := &timeline{Ticks: scale.ticks(), Idle: scale.idle()}
	for _, n := range lanes[:min(len(lanes), most)] {
		t.Lanes = append(t.Lanes, scale.lane(n))
	}
	all := 0
	r.Root.Walk(func(n *story.Node, _ int) bool {
		if isLane(n) {
			all++
		}
		return true
	})
	if left := all - len(t.Lanes); left > 0 {
		t.Folded = plural(left, "more line") + " of work left out here."
	}
	return t
}

func isLane(n *story.Node) bool { return n.Kind == story.Branch || n.Kind == story.RunNode }

// leveled is a lane with the forks around it.
type leveled struct {
	*story.Node
	level int
}

func lanesOf(root *story.Node, c cutting) []leveled {
	var found []leveled
	var visit func(n *story.Node, depth, level int)
	visit = func(n *story.Node, depth, level int) {
		if isLane(n) {
			found = append(found, leveled{n, level})
			level++
		}
		for _, x := range c.kept(n, depth) {
			visit(x, depth+1, level)
		}
	}
	visit(root, 0, 0)
	return found
}

// scale places moments on the timeline. Stretches in which nothing was under way are cut short when they are long.
type scale struct {
	busy  []stretch // apart, in order
	start time.Time
	end   time.Time
	gap   float64 // what a cut stretch takes, as part of what is drawn
	drawn time.Duration
	cut   []stretch
}

type stretch struct{ from, to time.Time }

func (s stretch) took() time.Duration { return s.to.Sub(s.from) }

// scaleOf covers all that the lanes did; it cuts idle stretches that are longer than all work together, as those between a crash and the resume.
func scaleOf(lanes []leveled) (*scale, bool) {
	var all []stretch
	for _, l := range lanes {
		for _, n := range l.Children {
			if !n.Begun.IsZero() && n.Kind != story.Fork {
				all = append(all, stretch{n.Begun, latest(n)})
			}
		}
	}
	if len(all) == 0 {
		return nil, false
	}
	slices.SortFunc(all, func(a, b stretch) int { return a.from.Compare(b.from) })
	s := &scale{start: all[0].from, gap: 0.02}
	work := time.Duration(0)
	for _, x := range all {
		if k := len(s.busy); k > 0 && !x.from.After(s.busy[k-1].to) {
			if x.to.After(s.busy[k-1].to) {
				s.busy[k-1].to = x.to
			}
			continue
		}
		s.busy = append(s.busy, x)
	}
	for _, x := range s.busy {
		work += x.took()
	}
	s.end = s.busy[len(s.busy)-1].to
	s.drawn = s.end.Sub(s.start)
	for i := 1; i < len(s.busy); i++ {
		idle := stretch{s.busy[i-1].to, s.busy[i].from}
		if idle.took() > max(work, time.Second) {
			s.cut = append(s.cut, idle)
			s.drawn -= idle.took()
		}
	}
	if s.drawn <= 0 {
		s.drawn = time.Millisecond
	}
	return s, true
}

// latest is when something ended, as far as that is known.
func latest(n *story.Node) time.Time {
	if n.Ended.After(n.Begun) {
		return n.Ended
	}
	return n.Begun
}

// at gives the place of a moment, 0 to wide.
func (s *scale) at(t time.Time) float64 {
	d, jumps := t.Sub(s.start), 0.0
	for _, c := range s.cut {
		if !t.After(c.from) {
			break
		}
		into := min(t.Sub(c.from), c.took())
		d -= into
		jumps += float64(into) / float64(c.took())
	}
	room := 1 - s.gap*float64(len(s.cut))
	if room < 0.5 {
		room = 1
		jumps = 0
	}
	return wide * min(max(float64(d)/float64(s.drawn)*room+jumps*s.gap, 0), 1)
}

// ticks are the times at the beginning, the middle and the end of what is drawn.
func (s *scale) ticks() []string {
	if len(s.cut) > 0 {
		return []string{"0", story.Elapsed(s.end.Sub(s.start))}
	}
	return []string{"0", story.Elapsed(s.drawn / 2), story.Elapsed(s.drawn)}
}

func (s *scale) idle() string {
	if len(s.cut) == 0 {
		return ""
	}
	sum := time.Duration(0)
	for _, c := range s.cut {
		sum += c.took()
	}
	return plural(len(s.cut), "stretch") + " in which nothing was under way, " + story.Elapsed(sum) + " in all, cut short."
}

func (s *scale) lane(n leveled) lane {
	l := lane{Label: laneLabel(n.Node), Status: n.Status, Level: min(n.level, maxLevel), Text: s.text(n.Node)}
	steps := slices.Clone(n.Children)
	slices.SortStableFunc(steps, func(a, b *story.Node) int { return a.Begun.Compare(b.Begun) })
	for _, c := range steps {
		if c.Begun.IsZero() {
			continue
		}
		l.add(s.bar(c))
	}
	for i := range l.Bars {
		b := &l.Bars[i]
		if b.to-b.from < thinnest {
			b.from = min(b.from, wide-thinnest)
			b.to = b.from + thinnest
		}
		b.X, b.Width = coordinate(b.from), coordinate(b.to-b.from)
	}
	return l
}

func coordinate(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

func (s *scale) bar(n *story.Node) bar {
	class := "bar-" + string(n.Status)
	switch n.Kind {
	case story.Fork:
		class = "bar-fork"
	case story.Sleep, story.Signal, story.Approval:
		if n.Status == story.Done {
			class = "bar-waiting"
		}
	case story.RunNode, story.Branch, story.Agent, story.Agents, story.Budget, story.Phase, story.Log, story.Emit, story.Gate, story.Count, story.Unknown:
	}
	to := s.at(latest(n))
	if !n.Status.Over() {
		to = wide
	}
	return bar{Class: class, from: s.at(n.Begun), to: max(to, s.at(n.Begun))}
}

// add draws a bar. One that cannot be told from the last becomes part of it.
func (l *lane) add(b bar) {
	if k := len(l.Bars); k > 0 {
		last := &l.Bars[k-1]
		if b.Class == last.Class && b.from-last.to < 1 && b.to-b.from < thinnest || k >= maxBars {
			last.to = max(last.to, b.to)
			return
		}
	}
	l.Bars = append(l.Bars, b)
}

func laneLabel(n *story.Node) string {
	switch {
	case n.Kind == story.RunNode && n.Where() == "":
		return "main"
	case n.Kind == story.RunNode:
		return line("run "+n.Name+" "+n.Where(), 60)
	}
	return line(cmp.Or(n.Name, "branch")+" "+n.Where(), 60)
}

func (s *scale) text(n *story.Node) string {
	if n.Begun.IsZero() {
		return string(n.Status)
	}
	begin := max(n.Begun.Sub(s.start), 0)
	text := "from " + story.Elapsed(begin)
	if took := n.Took(); took > 0 {
		text += " for " + story.Elapsed(took)
	}
	if n.Status != story.Done {
		text += ", " + string(n.Status)
	}
	return text
}
