// Package story turns what is kept of a run into a tree that people can read: the run, its effects and forks, the branches of those, and child
// runs where they were asked for. It reads facts and nothing else, so the story of a run that is under way, broken off or over is told alike.
package story

import (
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Status says how something stands.
type Status string

// Statuses. A run that is kept is running, suspended, done, failed or cancelled; a part of it is never suspended but waits.
const (
	Running   Status = "running"
	Suspended Status = "suspended" // it was broken off and can go on
	Waiting   Status = "waiting"   // for time, for a person, for a signal, or for its run to be resumed
	Done      Status = "done"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Over says that nothing more will come of it.
func (s Status) Over() bool { return s == Done || s == Failed || s == Cancelled }

// Head is what is known of a run beside its facts. Everything but the ID may be missing.
type Head struct {
	ID      string
	Pattern string // as it was asked for
	Version string // of the program that kept it
	Started time.Time
	Ended   time.Time
	Status  Status
	Inputs  runtime.Payload
	Result  runtime.Payload
	Error   *runtime.Error
	Why     string // of a suspension
	Usage   runtime.Usage
	Calls   int // agent calls, as Meter counts them
}

// Kept is one run as it is kept.
type Kept struct {
	Head
	Facts []runtime.Fact // in any order; a fact that stands twice is one
}

// Run is the story of a run.
type Run struct {
	Head
	Root *Node
}

// Kind says what a Node is.
type Kind string

// Kinds of nodes. Fork and Branch are what runs beside one another; the others are effects, named as scripts write them.
const (
	RunNode  Kind = "run" // the run itself, or a child run
	Fork     Kind = "fork"
	Branch   Kind = "branch"
	Agent    Kind = "agent"
	Agents   Kind = "agents"
	Sleep    Kind = "sleep"
	Signal   Kind = "wait_for"
	Approval Kind = "approve"
	Budget   Kind = "budget"
	Phase    Kind = "phase"
	Log      Kind = "log"
	Emit     Kind = "emit"
	Gate     Kind = "gate"
	Count    Kind = "count"  // votes were counted, by vote or consensus
	Unknown  Kind = "effect" // nothing says what was asked
)

// Node is one line of the story.
type Node struct {
	Kind  Kind
	Run   string          // id of the run in which it is; of a child run, its own
	Addr  runtime.Address // of an effect, fork or child run in its run; of a branch, that of its fork
	Path  runtime.Path    // of a branch
	Index int             // of a branch in its fork; of a count, behind the effect at its address
	Name  string          // the agent, the builtin of a fork, the label of a branch, the pattern of a run, else what it is about; may be ""
	Task  string          // of an agent call

	Status Status
	Begun  time.Time // zero when nothing says so
	Ended  time.Time // zero while it is not over, or when nothing says so
	Until  time.Time // when waiting ends; zero means never

	Asked   runtime.Payload // the request as it was recorded, nil when it was not
	Input   runtime.Payload // the inputs of an agent call or child run, the data of a log line or event, what a person is shown
	Options []string        // of an approval
	Outcome runtime.Payload // as it was recorded
	Answer  *runtime.Answer // of an agent call that was answered
	Err     *runtime.Error  // what it failed of
	Attempt int             // attempts made at an agent call, the one under way included

	Branches int       // of a fork: how many there are, begun or not
	Place    int       // of a branch: as which it was given to the script, from 1, where that was recorded
	Stopped  time.Time // of a fork: when the rest of its branches was cancelled
	Late     bool      // it was the fork's deadline that stopped it

	Calls int           // agent calls here and below
	Usage runtime.Usage // here and below, failed attempts included
	Votes []Vote        // in the outcome

	Facts    []*runtime.Fact // that tell of it
	Children []*Node         // in the order of the script, branches in that of the input
}

// Took is how long it took; zero when that is not known.
func (n *Node) Took() time.Duration {
	if n.Begun.IsZero() || n.Ended.Before(n.Begun) {
		return 0
	}
	return n.Ended.Sub(n.Begun)
}

// Cached says of an agent call that it took an earlier answer, so that nobody was asked.
func (n *Node) Cached() bool { return n.Answer != nil && n.Answer.Cached }

// Where is the address of an effect, fork or child run, the path of a branch, and "" for a run that is nobody's child and for what has no address of
// its own.
func (n *Node) Where() string {
	switch {
	case n.Kind == Branch:
		return string(n.Path)
	case n.Addr == runtime.Address{} || n.Kind == Count:
		return ""
	}
	return n.Addr.String()
}

// Count is how many of the direct children have a status.
func (n *Node) Count(s Status) int {
	count := 0
	for _, c := range n.Children {
		if c.Status == s {
			count++
		}
	}
	return count
}

// Silent is how many branches of a fork left no trace: they did nothing but compute, or never began.
func (n *Node) Silent() int {
	if n.Kind != Fork {
		return 0
	}
	return max(n.Branches-len(n.Children), 0)
}

// Walk visits the node and all below it, parents first. Below a node for which see gives false it does not go.
func (n *Node) Walk(see func(n *Node, depth int) bool) { n.walk(see, 0) }

func (n *Node) walk(see func(*Node, int) bool, depth int) {
	if !see(n, depth) {
		return
	}
	for _, c := range n.Children {
		c.walk(see, depth+1)
	}
}

// Tell makes the story of a run and of its child runs, whose ids are that of the run that asked, a slash, and the address at which it asked.
func Tell(run Kept, children ...Kept) *Run {
	root := &Node{Kind: RunNode, Run: run.ID, Name: run.Pattern}
	g := growth{runs: map[string]*trunk{}}
	g.plant(run, root)
	g.family(children)
	for _, t := range g.order {
		t.grow()
	}
	for _, t := range g.order {
		t.head.fill(t.root)
	}
	root.sortAll()
	root.settle(scope{main: true, run: run.Status, over: run.Status.Over(), cut: run.Status == Cancelled, failed: run.Status == Failed, at: run.Ended})
	root.total()
	return &Run{Head: run.Head, Root: root}
}
