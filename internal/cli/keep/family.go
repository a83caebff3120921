package keep

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// Facts gives the facts of a run; a store does.
type Facts interface {
	Facts(run string) ([]runtime.Fact, error)
}

// Member is a run of a family: the run that was started, or one of its child runs.
type Member struct {
	Run   string
	Facts []runtime.Fact
}

// Family gives a run with all its child runs, each before its own children.
func Family(s Facts, run string) ([]Member, error) {
	facts, err := s.Facts(run)
	if err != nil {
		return nil, err
	}
	all := []Member{{run, facts}}
	for i := range facts {
		f := &facts[i]
		if f.Kind != runtime.Begun || f.Addr == (runtime.Address{}) || asked(f.Request).Effect != "run" {
			continue // at the address zero it is the run itself
		}
		below, err := Family(s, run+"/"+facts[i].Addr.String())
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// request is what is read of what an effect asked for.
type request struct {
	Effect  string
	Name    string
	By      string
	Options []string
	Context json.RawMessage
}

func asked(p runtime.Payload) request {
	var r request
	_ = json.Unmarshal(p, &r) // what is no object is no effect that is looked for
	return r
}

// Waiting is an approval that a run waits for.
type Waiting struct {
	Run     string          `json:"run"`     // the run or child run that asks
	At      string          `json:"-"`       // address in that run
	Address string          `json:"address"` // seen from the run that was started
	Title   string          `json:"title"`
	By      string          `json:"by,omitempty"`
	Options []string        `json:"options"`
	Context runtime.Payload `json:"context,omitempty"`
	Until   time.Time       `json:"until,omitzero"`    // nobody can decide later
	Decided *Decided        `json:"decided,omitempty"` // and the run has not taken it yet
}

// told is the story of a family that has not ended.
func told(family []Member) *story.Run {
	kept := make([]story.Kept, len(family))
	for i, m := range family {
		kept[i] = story.Kept{Head: story.Head{ID: m.Run, Status: story.Running}, Facts: m.Facts}
	}
	return story.Tell(kept[0], kept[1:]...)
}

// Approvals gives what a family that has not ended waits for people to decide, in the order of the script.
func Approvals(family []Member) []Waiting {
	root := family[0].Run
	list := []Waiting{}
	told(family).Root.Walk(func(n *story.Node, _ int) bool {
		if n.Kind == story.Approval && n.Status == story.Waiting {
			r, at := asked(n.Asked), n.Addr.String()
			list = append(list, Waiting{
				Run: n.Run, At: at, Address: strings.TrimPrefix(n.Run+"/"+at, root+"/"),
				Title: n.Name, By: r.By, Options: r.Options, Context: runtime.Payload(r.Context), Until: n.Until,
			})
		}
		return true
	})
	return list
}

// Awaited gives the names of the signals that a family which has not ended waits for, in the order of the script.
func Awaited(family []Member) []string {
	var names []string
	told(family).Root.Walk(func(n *story.Node, _ int) bool {
		if n.Kind == story.Signal && n.Status == story.Waiting && !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
		return true
	})
	return names
}

// Taken is a signal that a run has taken.
type Taken struct {
	Name  string
	Value string
}

// Signals counts the signals that a family has taken.
func Signals(family []Member) map[Taken]int {
	taken := make(map[Taken]int)
	for _, m := range family {
		done := m.done()
		for i := range m.Facts {
			f := &m.Facts[i]
			if end := done[f.Addr]; f.Kind == runtime.Begun && end != nil && end.Err == nil {
				if r := asked(f.Request); r.Effect == "wait_for" {
					taken[Taken{r.Name, string(end.Outcome)}]++
				}
			}
		}
	}
	return taken
}

// took is what a family took so far, as its story tells it.
func took(family []Member) story.Meter {
	root := told(family).Root
	return story.Meter{Calls: root.Calls, Usage: root.Usage}
}

func (m *Member) done() map[runtime.Address]*runtime.Fact {
	done := make(map[runtime.Address]*runtime.Fact)
	for i := range m.Facts {
		if m.Facts[i].Kind == runtime.Done {
			done[m.Facts[i].Addr] = &m.Facts[i]
		}
	}
	return done
}
