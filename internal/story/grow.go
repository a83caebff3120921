package story

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// growth is the making of one tree out of several runs.
type growth struct {
	runs  map[string]*trunk
	order []*trunk // parents first
}

// trunk is one run of the tree.
type trunk struct {
	head     Head
	facts    []runtime.Fact
	root     *Node
	branches map[runtime.Path]*Node
	nodes    map[runtime.Address]*Node
	counts   map[counting]*Node
}

// counting is a place at which votes were counted.
type counting struct {
	at  runtime.Address
	seq int
}

func (g *growth) plant(k Kept, root *Node) {
	t := &trunk{
		head: k.Head, facts: k.Facts, root: root,
		branches: map[runtime.Path]*Node{"": root}, nodes: make(map[runtime.Address]*Node, len(k.Facts)), counts: make(map[counting]*Node),
	}
	g.runs[k.ID] = t
	g.order = append(g.order, t)
}

// family plants child runs where they were asked for. Shorter ids come first: a parent's is part of its child's.
func (g *growth) family(children []Kept) {
	byID := slices.Clone(children)
	slices.SortStableFunc(byID, func(a, b Kept) int { return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(a.ID, b.ID)) })
	for _, k := range byID {
		if known := g.runs[k.ID]; known != nil {
			known.facts = append(slices.Clip(known.facts), k.Facts...)
			continue
		}
		g.plant(k, g.nodeOf(k.ID))
	}
}

// nodeOf is where a child run stands in its parent. One whose parent is not known stands at the end of the whole run.
func (g *growth) nodeOf(id string) *Node {
	for at := strings.LastIndexByte(id, '/'); at >= 0; at = strings.LastIndexByte(id[:at], '/') {
		parent := g.runs[id[:at]]
		addr, ok := runtime.ParseAddress(id[at+1:])
		if parent == nil || !ok || addr == (runtime.Address{}) {
			continue
		}
		n := parent.node(addr)
		if n.Kind != RunNode {
			n.Kind, n.Run = RunNode, id
			return n
		}
	}
	main := g.order[0].root
	n := &Node{Kind: RunNode, Run: id}
	main.Children = append(main.Children, n)
	return n
}

// branch gives the node of a branch, and makes it and those above it when they are new.
func (t *trunk) branch(path runtime.Path) *Node {
	if n := t.branches[path]; n != nil {
		return n
	}
	n := &Node{Kind: Branch, Run: t.root.Run, Path: path}
	t.branches[path] = n
	parent := t.root
	if fork, index, ok := parentOf(path); ok {
		parent = t.node(fork)
		if parent.Kind == Unknown {
			parent.Kind = Fork
		}
		n.Addr, n.Index = fork, index
	}
	parent.Children = append(parent.Children, n)
	return n
}

// parentOf gives the fork of a branch and its index in it.
func parentOf(path runtime.Path) (fork runtime.Address, index int, ok bool) {
	rest, last, ok := cutLast(string(path))
	if !ok {
		return fork, 0, false
	}
	up, at, _ := cutLast(rest)
	n, err := strconv.Atoi(at)
	index, errIndex := strconv.Atoi(last)
	return runtime.Address{Path: runtime.Path(up), N: n}, index, err == nil && errIndex == nil && n > 0
}

// cutLast parts a path at its last point; without one all of it is the last part.
func cutLast(path string) (before, last string, found bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// node gives the node of an effect or fork, and makes it when it is new.
func (t *trunk) node(at runtime.Address) *Node {
	if n := t.nodes[at]; n != nil {
		return n
	}
	n := &Node{Kind: Unknown, Run: t.root.Run, Addr: at}
	t.nodes[at] = n
	parent := t.branch(at.Path)
	parent.Children = append(parent.Children, n)
	return n
}

// grow hangs every fact on its node.
func (t *trunk) grow() {
	for i := range t.facts {
		f := &t.facts[i]
		if f.Kind == runtime.Counted {
			t.count(f)
			continue
		}
		if f.Addr == (runtime.Address{}) {
			t.root.began(f)
			t.root.Facts = append(t.root.Facts, f)
			continue
		}
		n := t.node(f.Addr)
		n.Facts = append(n.Facts, f)
		switch f.Kind {
		case runtime.Begun:
			n.began(f)
		case runtime.Done:
			n.ended(f)
		case runtime.Delivered:
			n.becomesFork()
			t.branch(f.Addr.Path.Child(f.Addr.N, f.Index)).delivered(f)
		case runtime.Stopped:
			n.becomesFork()
			n.Stopped, n.Late = f.At, f.Late
		case runtime.Counted: // it has a node of its own
		}
	}
	for _, n := range t.nodes {
		n.describe()
	}
}

// count hangs a count of votes on its branch.
func (t *trunk) count(f *runtime.Fact) {
	at := counting{f.Addr, f.Seq}
	if known := t.counts[at]; known != nil {
		known.Facts = append(known.Facts, f) // it stands there twice
		return
	}
	n := &Node{
		Kind: Count, Run: t.root.Run, Addr: f.Addr, Index: f.Seq, Status: Done, Begun: f.At, Ended: f.At,
		Asked: f.Request, Outcome: f.Outcome, Votes: votesIn(f.Outcome), Facts: []*runtime.Fact{f},
	}
	if r := askedOf(f.Request); r != nil {
		n.Name = r.Effect
	}
	t.counts[at] = n
	parent := t.branch(f.Addr.Path)
	parent.Children = append(parent.Children, n)
}

// becomesFork is told what only forks do.
func (n *Node) becomesFork() {
	if n.Kind == Unknown {
		n.Kind = Fork
	}
}

func (n *Node) began(f *runtime.Fact) {
	if n.Begun.IsZero() || f.At.Before(n.Begun) {
		n.Begun = f.At
	}
	n.Attempt = max(n.Attempt, f.Attempt)
	if len(f.Request) > 0 {
		n.Asked = f.Request
	}
	if !f.Until.IsZero() {
		n.Until = f.Until
	}
}

func (n *Node) ended(f *runtime.Fact) {
	n.Ended, n.Outcome, n.Err, n.Usage = f.At, f.Outcome, f.Err, f.Usage
	n.Attempt = max(n.Attempt, f.Attempt)
	if len(f.Request) > 0 {
		n.Asked = f.Request
	}
	if n.Begun.IsZero() && n.Kind != RunNode {
		n.Begun = f.At
	}
	n.Status = Done
	if f.Err != nil {
		n.Status = Failed
	}
}

func (n *Node) delivered(f *runtime.Fact) {
	n.Place, n.Ended, n.Err = f.Seq+1, f.At, f.Err
	n.Status = Done
	if f.Err != nil {
		n.Status = Failed
	}
}

// fill tells a run what its head knows. What the parent recorded of a child run comes first.
func (h *Head) fill(n *Node) {
	if h.Pattern != "" {
		n.Name = h.Pattern
	}
	if len(n.Input) == 0 {
		n.Input = h.Inputs
	}
	if len(n.Outcome) == 0 {
		n.Outcome = h.Result
	}
	if n.Err == nil {
		n.Err = h.Error
	}
	if n.Begun.IsZero() || !h.Started.IsZero() && h.Started.Before(n.Begun) {
		n.Begun = h.Started
	}
	if n.Ended.IsZero() && (h.Status.Over() || h.Status == Suspended) {
		n.Ended = h.Ended
	}
	if !n.Status.Over() && h.Status != "" {
		n.Status = h.Status
	}
	n.Votes = votesIn(n.Outcome)
}

// sortAll puts children in order: effects and forks as the script came to them, branches as they stood in the input, and last what has no place.
func (n *Node) sortAll() {
	slices.SortStableFunc(n.Children, func(a, b *Node) int {
		if n.Kind == Fork {
			return cmp.Or(cmp.Compare(a.Index, b.Index), strings.Compare(string(a.Path), string(b.Path)))
		}
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Addr.N, b.Addr.N), cmp.Compare(a.later(), b.later()), strings.Compare(string(a.Path), string(b.Path)), strings.Compare(a.Run, b.Run))
	})
	for _, c := range n.Children {
		c.sortAll()
	}
}

// later is how far behind the effect at its address a node stands.
func (n *Node) later() int {
	if n.Kind == Count {
		return 1 + n.Index
	}
	return 0
}

// rank parts what has an address in its parent from what has none there.
func (n *Node) rank() int {
	if n.Kind == Branch || n.Addr == (runtime.Address{}) && n.Kind != Count {
		return 1
	}
	return 0
}
