package runs

import (
	"fmt"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/story"
)

// barWidth is how many characters a timeline has.
const barWidth = 32

// timeline shows when each agent call was made and how long it took, as a bar in the time of the whole run.
func (p *page) timeline(t *story.Run, list []*story.Node) {
	from, to := ends(t, list)
	if len(list) == 0 || !to.After(from) {
		return
	}
	fmt.Fprintf(p, "\ntimeline (%s)\n", story.Elapsed(to.Sub(from)))
	for _, n := range p.first(list) {
		if n.Begun.IsZero() {
			continue
		}
		end := n.Ended
		if end.IsZero() {
			end = to
		}
		fmt.Fprintf(p, "  %10s %s %s\n", story.Elapsed(n.Begun.Sub(from)), bar(from, to, n.Begun, end), clean(strings.TrimSpace(childOf(t.Root.Run, n)+n.Where()+" "+n.Name)))
	}
	p.rest(list)
}

// ends is the time from the first to the last that is known of the run.
func ends(t *story.Run, list []*story.Node) (from, to time.Time) {
	from, to = t.Root.Begun, t.Root.Ended
	for _, n := range list {
		if !n.Begun.IsZero() && (from.IsZero() || n.Begun.Before(from)) {
			from = n.Begun
		}
		for _, at := range []time.Time{n.Begun, n.Ended} {
			if at.After(to) {
				to = at
			}
		}
	}
	return from, to
}

func bar(from, to, begun, ended time.Time) string {
	at := func(t time.Time) int { return int(int64(t.Sub(from)) * barWidth / int64(to.Sub(from))) }
	a := min(max(at(begun), 0), barWidth-1)
	b := min(max(at(ended), a+1), barWidth)
	return strings.Repeat("·", a) + strings.Repeat("█", b-a) + strings.Repeat("·", barWidth-b)
}
