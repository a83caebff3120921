package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// page is what the template shows.
type page struct {
	Title    string
	ID       string
	Status   story.Status
	Why      string
	Facts    []fact
	Error    *failure
	Inputs   *value
	Result   *value
	Ballots  []ballot
	NoBallot string
	Failures []*failure
	NoFail   string // failures that were left out
	Agents   []worker
	Timeline *timeline
	Tree     *node
	Shown    string // how much of the run the tree shows, "" when all
}

// fact is one line of the head.
type fact struct {
	Name string
	Text string
	Time *moment
}

// worker is an agent's part in the run.
type worker struct {
	Name   string
	Calls  int
	Failed int
	Took   string
	Tokens string
	Cost   string

	took  time.Duration
	usage runtime.Usage
}

func pageOf(r *story.Run, l Limits) *page {
	p := &planting{cutting: cuttingOf(r, l), desk: &desk{}, ids: make(map[*story.Node]string)}
	inputs := r.Inputs
	if string(inputs) == "{}" {
		inputs = nil
	}
	v := &page{
		Title: line(cmp.Or(r.Root.Name, "A run"), 200), ID: line(r.ID, 200), Status: r.Root.Status, Why: visible(r.Why),
		Inputs: p.desk.add("inputs", inputs), Result: p.desk.add("result", r.Result), Facts: facts(r),
	}
	if v.Result != nil {
		v.Result.first = true
	}
	v.Tree = p.node(r.Root, 0)
	v.Error, v.Tree.Error = v.Tree.Error, nil
	v.Ballots, v.NoBallot = p.ballotsOf(r, l.Votes)
	v.Failures, v.NoFail = p.failures(r, l.Failed)
	v.Agents = workers(r)
	v.Timeline = timelineOf(r, cutting{each: p.each, depth: p.depth}, l.Lanes)
	all := 0
	r.Root.Walk(func(*story.Node, int) bool { all++; return true })
	if all > p.shown {
		v.Shown = "The run has " + plural(all, "part") + "; " + number(p.shown) + " of them are on this page, and the others are counted where they were left out."
	}
	p.desk.fit(l.Bytes)
	return v
}

func (p *planting) ballotsOf(r *story.Run, most int) ([]ballot, string) {
	list, more := p.ballots(r, most)
	if more == 0 {
		return list, ""
	}
	return list, plural(more, "more vote") + " left out here."
}

func facts(r *story.Run) []fact {
	list := []fact{{Name: "Run", Text: line(r.ID, 200)}}
	add := func(name, text string) {
		if text != "" {
			list = append(list, fact{Name: name, Text: text})
		}
	}
	if m := momentOf(r.Root.Begun); m != nil {
		list = append(list, fact{Name: "Started", Time: m})
	}
	if m := momentOf(r.Root.Ended); m != nil {
		list = append(list, fact{Name: "Ended", Time: m})
	}
	if took := r.Root.Took(); took > 0 {
		add("Took", story.Elapsed(took))
	}
	if r.Root.Calls > 0 {
		add("Agents", plural(r.Root.Calls, "call"))
	}
	u := r.Root.Usage
	if u == (runtime.Usage{}) {
		u = r.Usage
	}
	if u.InputTokens+u.OutputTokens > 0 {
		add("Tokens", number(u.InputTokens)+" in, "+number(u.OutputTokens)+" out")
	}
	if u.CostMicroUSD > 0 {
		add("Cost", story.Dollars(u.CostMicroUSD))
	}
	add("Kept by", line(r.Version, 100))
	return list
}

// failures lists what failed, in the order of the script. A branch that failed of an effect in it is not told again.
func (p *planting) failures(r *story.Run, most int) (list []*failure, left string) {
	more := 0
	r.Root.Walk(func(n *story.Node, depth int) bool {
		if depth == 0 || n.Err == nil || blamed(n) {
			return true
		}
		if len(list) == most {
			more++
			return true
		}
		list = append(list, failureOf(n, p.ids[n]))
		return true
	})
	if more > 0 {
		left = plural(more, "more failure") + " left out here."
	}
	return list, left
}

// blamed says that something inside failed of the same, and so is told of.
func blamed(n *story.Node) bool {
	return slices.ContainsFunc(n.Children, func(c *story.Node) bool {
		if c.Err != nil {
			return c.Err.Code == n.Err.Code && c.Err.Message == n.Err.Message
		}
		return slices.ContainsFunc(c.Children, func(b *story.Node) bool {
			return b.Err != nil && b.Err.Code == n.Err.Code && b.Err.Message == n.Err.Message
		})
	})
}

// maxWorkers bounds the table of agents.
const maxWorkers = 50

// workers adds up what each agent did, those that took longest first.
func workers(r *story.Run) []worker {
	byName := make(map[string]*worker)
	r.Root.Walk(func(n *story.Node, _ int) bool {
		if n.Kind != story.Agent {
			return true
		}
		w := byName[n.Name]
		if w == nil {
			w = &worker{Name: line(cmp.Or(n.Name, "?"), 80)}
			byName[n.Name] = w
		}
		w.Calls += n.Calls
		if n.Status == story.Failed {
			w.Failed++
		}
		w.took += n.Took()
		w.usage.Add(n.Usage)
		return true
	})
	list := slices.SortedFunc(maps.Values(byName), func(a, b *worker) int {
		return cmp.Or(cmp.Compare(b.took, a.took), cmp.Compare(a.Name, b.Name))
	})
	var out []worker
	for _, w := range list[:min(len(list), maxWorkers)] {
		w.Took = story.Elapsed(w.took)
		w.Tokens = number(w.usage.InputTokens + w.usage.OutputTokens)
		w.Cost = "–"
		if w.usage.CostMicroUSD > 0 {
			w.Cost = story.Dollars(w.usage.CostMicroUSD)
		}
		out = append(out, *w)
	}
	return out
}
