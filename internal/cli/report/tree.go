package report

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// node is a part of the run in the tree of the page.
type node struct {
	ID     string // of its element
	Where  string
	Kind   string
	Name   string
	Task   string
	Status story.Status
	Said   string
	Notes  string // how long it took, what it cost ...
	Values []*value
	Error  *failure
	Items  []*node
	Folded string // what was left out of Items
	Open   bool
}

// Bounds on what stands in the tree of each node, in bytes; values are bounded all together.
const (
	maxName      = 100
	maxTask      = 160
	maxSaid      = 120
	maxMessage   = 200
	maxArtifacts = 20
	maxFailure   = 2000 // where failures are told of
)

// failure is what something failed of.
type failure struct {
	Where   string
	Link    string // id of its node, "" when it is not on the page
	What    string
	Code    string
	Message string
	Hint    string
	Trace   string
}

// cutting says how much of the tree is shown.
type cutting struct {
	each  int // children of one node
	depth int
}

// kept are the children that are shown.
func (c cutting) kept(n *story.Node, depth int) []*story.Node {
	if depth >= c.depth {
		return nil
	}
	shown, _ := story.Chosen(n.Children, c.each)
	return shown
}

func (c cutting) count(n *story.Node, depth int) int {
	sum := 1
	for _, x := range c.kept(n, depth) {
		sum += c.count(x, depth+1)
	}
	return sum
}

// cuttingOf shows as many children of each node as fit.
func cuttingOf(r *story.Run, l Limits) cutting {
	c := cutting{depth: l.Depth}
	c.each = max(1, sort.Search(l.Nodes, func(each int) bool { return cutting{each + 1, l.Depth}.count(r.Root, 0) > l.Nodes }))
	for c.depth > 1 && c.count(r.Root, 0) > l.Nodes {
		c.depth--
	}
	return c
}

// planting makes the nodes of the page.
type planting struct {
	cutting
	desk  *desk
	ids   map[*story.Node]string
	shown int
}

func (p *planting) node(n *story.Node, depth int) *node {
	p.shown++
	id := "part-" + strconv.Itoa(p.shown)
	p.ids[n] = id
	v := &node{
		ID: id, Where: n.Where(), Kind: string(n.Kind), Name: line(n.Name, maxName), Task: line(n.Task, maxTask), Status: n.Status,
		Notes: strings.Join(notes(n), ", "), Open: depth < 2 && len(n.Children) > 0 && len(n.Children) <= 20,
	}
	if n.Kind == story.RunNode && depth == 0 {
		v.Where = n.Run
	} else {
		v.Said = line(n.Says(), maxSaid)
		v.Values = p.values(n)
	}
	if n.Err != nil && (depth == 0 || !blamed(n)) {
		v.Error = failureOf(n, id)
		if depth > 0 {
			v.Error.Message, v.Error.Hint = clipped(v.Error.Message, maxMessage), clipped(v.Error.Hint, maxMessage)
		}
	}
	shown := p.kept(n, depth)
	for _, c := range shown {
		v.Items = append(v.Items, p.node(c, depth+1))
	}
	v.Folded = folded(n, shown)
	return v
}

// notes is what there is to say of a node in a few words.
func notes(n *story.Node) []string {
	var list []string
	if took := n.Took(); took >= time.Millisecond {
		list = append(list, story.Elapsed(took))
	}
	if n.Kind == story.Fork {
		list = append(list, counts(n)...)
	}
	if n.Place > 0 && n.Status == story.Done {
		list = append(list, "delivered as number "+number(n.Place))
	}
	if n.Cached() {
		list = append(list, "cached")
	}
	if n.Attempt > 1 {
		list = append(list, plural(n.Attempt, "attempt"))
	}
	if n.Calls > 0 && n.Kind != story.Agent {
		list = append(list, plural(n.Calls, "call"))
	}
	list = append(list, cost(&n.Usage)...)
	if len(n.Options) > 0 && n.Status == story.Waiting {
		list = append(list, "one of: "+line(strings.Join(n.Options, ", "), 200))
	}
	if n.Late {
		list = append(list, "its time was up")
	}
	if n.Status == story.Waiting && !n.Until.IsZero() {
		list = append(list, "until "+momentOf(n.Until).People)
	}
	return list
}

func counts(n *story.Node) []string {
	list := []string{plural(max(n.Branches, len(n.Children)), "branch")}
	for _, s := range []story.Status{story.Failed, story.Cancelled, story.Waiting, story.Running} {
		if k := n.Count(s); k > 0 {
			list = append(list, number(k)+" "+string(s))
		}
	}
	return list
}

// values are what went in and came out.
func (p *planting) values(n *story.Node) []*value {
	var list []*value
	add := func(v *value) {
		if v != nil {
			list = append(list, v)
		}
	}
	if n.Err != nil && len(n.Err.Message) > maxMessage && !blamed(n) {
		add(p.desk.text("message", n.Err.Message, len(n.Err.Message)))
	}
	if len(n.Task) > maxTask {
		add(p.desk.text("task", n.Task, len(n.Task)))
	}
	add(p.desk.add(inputLabel(n.Kind), n.Input))
	if a := n.Answer; a != nil {
		add(p.desk.add("answer", a.Value))
		if a.Confidence != nil {
			add(p.desk.text("confidence", strings.TrimSpace(score(*a.Confidence)+" "+basis(a.Basis)), 0))
		}
		add(p.desk.text("reasoning", a.Reasoning, len(a.Reasoning)))
		add(p.desk.text("model", a.Usage.Model, len(a.Usage.Model)))
		for _, f := range a.Artifacts[:min(len(a.Artifacts), maxArtifacts)] {
			add(p.desk.text("artifact", fmt.Sprintf("%s, %s, sha256 %s", f.Name, size(int(f.Size)), f.SHA256), 0))
		}
		return list
	}
	if string(n.Outcome) != string(runtime.Null) {
		add(p.desk.add("outcome", n.Outcome))
	}
	return list
}

func basis(b string) string {
	if b == "" {
		return ""
	}
	return "(" + strings.ReplaceAll(b, "_", " ") + ")"
}

func inputLabel(k story.Kind) string {
	switch k {
	case story.Log, story.Emit, story.Gate, story.Phase:
		return "data"
	case story.Approval:
		return "context"
	case story.RunNode, story.Fork, story.Branch, story.Agent, story.Agents, story.Sleep, story.Signal, story.Budget, story.Count, story.Unknown:
	}
	return "input"
}

// folded says what of a node's children is not on the page.
func folded(n *story.Node, shown []*story.Node) string {
	on := make(map[*story.Node]bool, len(shown))
	for _, c := range shown {
		on[c] = true
	}
	rest := story.Node{}
	parts := 0
	for _, c := range n.Children {
		if on[c] {
			continue
		}
		parts++
		rest.Calls += c.Calls
		rest.Usage.Add(c.Usage)
		rest.Children = append(rest.Children, c)
	}
	var said []string
	if parts > 0 {
		noun := "part"
		if n.Kind == story.Fork {
			noun = "branch"
		}
		said = append(said, plural(parts, "more "+noun)+" left out here:")
		var what []string
		for _, s := range []story.Status{story.Done, story.Failed, story.Cancelled, story.Waiting, story.Running} {
			if k := rest.Count(s); k > 0 {
				what = append(what, number(k)+" "+string(s))
			}
		}
		if rest.Calls > 0 {
			what = append(what, plural(rest.Calls, "call"))
		}
		said = append(said, strings.Join(append(what, cost(&rest.Usage)...), ", ")+".")
	}
	if k := n.Silent(); k > 0 {
		said = append(said, plural(k, "branch")+" without a recorded effect.")
	}
	return strings.Join(said, " ")
}

func failureOf(n *story.Node, id string) *failure {
	return &failure{
		Where: n.Where(), Link: id, What: line(n.Title(), 200), Code: string(n.Err.Code),
		Message: visible(clipped(n.Err.Message, maxFailure)), Hint: visible(clipped(n.Err.Hint, maxFailure)), Trace: visible(n.Err.Backtrace()),
	}
}
