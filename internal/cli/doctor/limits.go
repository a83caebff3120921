package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/limiter"
	"github.com/parallax-run/parallax/internal/manifest"
)

// limits says how far the limits of the project's agents are used up, by all processes, and who is held back. A limit that the manifest
// does not state is told when there is something to tell.
func (o *Options) limits(m *manifest.Manifest) []finding {
	of := project.LimitsOf(o.App, m)
	if len(of) == 0 {
		return nil
	}
	dir := project.LimitsDir(o.App)
	if dir == "" {
		return []finding{{"limits", note, "each process has its own: there is no HOME to share them in", "set HOME or XDG_STATE_HOME"}}
	}
	shared := limiter.New(limiter.Options{Dir: dir})
	var found []finding
	told := make(map[string]bool)
	for i := range m.Agents {
		a := &m.Agents[i]
		again := i > 0 && a.Pos == m.Agents[i-1].Pos && a.File == m.Agents[i-1].File // made by a count
		for _, lim := range of[a.Name] {
			st := shared.Status(lim)
			if told[st.Dir] || (again || lim.Concurrency == 0 && lim.Rate.Calls == 0) && idle(&st) {
				continue
			}
			told[st.Dir] = true
			found = append(found, o.limit(&lim, &st))
		}
	}
	return found
}

func idle(st *limiter.Status) bool {
	return st.InUse == 0 && st.Held.IsZero() && st.Down.IsZero() && !st.Trying && st.Err == nil
}

func (o *Options) limit(l *limiter.Limit, st *limiter.Status) finding {
	f := finding{What: "limits of " + l.Label(), State: fine}
	var parts []string
	if l.Concurrency > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d calls under way", st.InUse, l.Concurrency))
	}
	if l.Rate.Calls > 0 {
		parts = append(parts, "rate "+l.Rate.String())
	}
	switch {
	case st.Err != nil:
		f.State = note
		parts = append(parts, "each run has them for itself: "+st.Err.Error())
	case !st.Held.IsZero():
		f.State = note
		parts = append(parts, "held back until "+at(st.Held)+", as it asked for a pause: "+st.Last)
	case !st.Down.IsZero():
		f.State = note
		parts = append(parts, "counts as down until "+at(st.Down)+", the last failure: "+st.Last)
	case st.Trying:
		f.State = note
		parts = append(parts, "counts as down, the next call tries whether it is back; the last failure: "+st.Last)
	}
	f.Detail = strings.Join(parts, ", ")
	switch {
	case st.Err != nil:
		f.Hint = "to share them again, delete " + cli.Short(o.App.Dir, st.Dir)
	case f.State == note:
		f.Hint = "to call it at once, delete " + cli.Short(o.App.Dir, st.Dir)
	}
	return f
}

func at(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
