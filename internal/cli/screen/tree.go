package screen

import (
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// state of a node.
type state uint8

const (
	running state = iota
	done
	failed
	cancelled
)

// node is one line of the tree: main, a phase, a fork, a branch, a call or another thing that takes time.
type node struct {
	label   string // what it is, cleaned
	detail  string // what it is doing or why it failed, cleaned
	state   state
	started time.Time
	ended   time.Time
	kids    []*node
	fork    *fork // of a fork, else nil
	extra   []string
	waiting bool // for a person or a signal
	branch  bool // of a fork
}

// fork counts the branches of one fork.
type fork struct {
	n, started, done, failed, cancelled int

	kept int // branches among the node's kids that ended otherwise than in failure
}

// tree is what is shown of a run while it goes on. Forks that ended keep only the branches that failed.
type tree struct {
	root  *node
	byKey map[string]*node // forks, branches, calls and waits that are not over, and the roots of runs
	phase map[string]*node // the current phase of main of each run
	usage runtime.Usage    // of all calls so far
}

func newTree() *tree {
	return &tree{byKey: make(map[string]*node), phase: make(map[string]*node)}
}

// add folds one event into the tree.
func (t *tree) add(e *runtime.Event) {
	switch e.Kind {
	case runtime.RunStarted:
		t.runStarted(e)
	case runtime.PhaseStarted:
		t.phaseStarted(e)
	case runtime.ForkStarted:
		n := t.open(e, forkLabel(e))
		n.fork = &fork{n: e.N}
	case runtime.ForkEnded:
		t.forkEnded(e)
	case runtime.BranchStarted:
		t.branchStarted(e)
	case runtime.BranchDone, runtime.BranchFailed, runtime.BranchCancelled:
		t.branchEnded(e)
	case runtime.AgentCalled:
		t.called(e)
	case runtime.AgentProgress:
		t.progress(e)
	case runtime.AgentRetrying:
		if n := t.byKey[callKey(e)]; n != nil {
			n.detail = "again in " + elapsed(e.For) + ", " + says(e.Error)
		}
	case runtime.AgentAnswered:
		if e.Cached {
			t.called(e)
		}
		if n := t.close(e, done); n != nil {
			n.detail = before(e)
			n.extra = metrics(e.Usage, e.Confidence)
			if e.Cached {
				n.extra = append([]string{"cached"}, n.extra...)
			}
		}
		t.spent(e.Usage)
	case runtime.AgentFailed:
		if n := t.close(e, failed); n != nil {
			n.detail = says(e.Error)
		}
	case runtime.AgentCancelled:
		t.close(e, cancelled)
	case runtime.SignalAwaited:
		t.open(e, "wait for "+clean(e.Name)).waiting = true
	case runtime.ApprovalAsked:
		t.open(e, "approve: "+clean(e.Name)).waiting = true
	case runtime.SignalTaken, runtime.ApprovalDecided:
		if n := t.close(e, done); n != nil {
			n.detail = before(e)
		}
	case runtime.ChildStarted:
		t.byKey[e.Text+" "] = t.open(e, "run "+clean(e.Name))
	case runtime.ChildEnded:
		t.childEnded(e)
	case runtime.RunDone, runtime.RunFailed, runtime.RunSuspended, runtime.Logged, runtime.Emitted, runtime.GateChecked,
		runtime.Slept, runtime.BudgetWarned:
	}
}

// before marks what had happened when the run was resumed.
func before(e *runtime.Event) string {
	if e.Past {
		return "before"
	}
	return ""
}

// spent adds up what the run took, which stands beside its name.
func (t *tree) spent(u *runtime.Usage) {
	if u != nil && t.root != nil {
		t.usage.Add(*u)
		t.root.extra = metrics(&t.usage, nil)
	}
}

func forkLabel(e *runtime.Event) string {
	if e.Name == "" {
		return "fork"
	}
	return clean(e.Name)
}

func branchKey(run string, path runtime.Path) string { return run + " " + string(path) }

func (t *tree) runStarted(e *runtime.Event) {
	key := branchKey(e.Run, "")
	if t.byKey[key] != nil {
		return
	}
	n := &node{label: clean(e.Name), started: e.At}
	t.byKey[key] = n
	if t.root == nil {
		t.root = n
	}
}

// phaseStarted ends the phase before and starts one; phases are told apart in main only.
func (t *tree) phaseStarted(e *runtime.Event) {
	main := t.byKey[branchKey(e.Run, "")]
	if e.Branch != "" || main == nil {
		return
	}
	if p := t.phase[e.Run]; p != nil {
		p.state, p.ended = done, e.At
	}
	n := &node{label: clean(e.Name), started: e.At}
	main.kids = append(main.kids, n)
	t.phase[e.Run] = n
}

// home is the node under which something that happens in a branch is shown.
func (t *tree) home(run string, path runtime.Path) *node {
	if path == "" && t.phase[run] != nil {
		return t.phase[run]
	}
	if n := t.byKey[branchKey(run, path)]; n != nil {
		return n
	}
	return &node{}
}

// open adds what started at an address.
func (t *tree) open(e *runtime.Event, label string) *node {
	n := &node{label: label, started: e.At}
	home := t.home(e.Run, e.Branch)
	home.kids = append(home.kids, n)
	t.byKey[callKey(e)] = n
	return n
}

// close ends what is open at an address; nil when nothing is.
func (t *tree) close(e *runtime.Event, s state) *node {
	key := callKey(e)
	n := t.byKey[key]
	if n == nil {
		return nil
	}
	delete(t.byKey, key)
	n.state, n.ended, n.waiting = s, e.At, false
	return n
}

func (t *tree) called(e *runtime.Event) {
	if n := t.byKey[callKey(e)]; n != nil {
		n.detail = "attempt " + number(e.N)
		return
	}
	t.open(e, clean(e.Agent)).detail = clean(e.Text)
}

func (t *tree) progress(e *runtime.Event) {
	n, p := t.byKey[callKey(e)], e.Progress
	if n == nil || p == nil {
		return
	}
	switch {
	case p.Note != "":
		n.detail = clean(p.Note)
	case p.Tool != "":
		n.detail = "uses " + clean(p.Tool)
	case p.Text != "" && p.Channel != "":
		n.detail = clean(p.Channel)
	case p.Text != "":
		n.detail = lastOf(n.detail, p.Text)
	}
	if p.Usage != nil {
		n.extra = metrics(p.Usage, nil)
	}
}

// lastOf is the end of what an agent has written so far.
func lastOf(before, more string) string {
	s := clean(before + more)
	if r := []rune(s); len(r) > 60 {
		return string(r[len(r)-60:])
	}
	return s
}

func (t *tree) branchStarted(e *runtime.Event) {
	f := t.byKey[callKey(e)]
	if f == nil {
		return
	}
	label := clean(e.Text)
	if label == "" {
		label = "#" + number(e.N)
	}
	n := &node{label: label, started: e.At, branch: true}
	f.kids = append(f.kids, n)
	if f.fork != nil {
		f.fork.started++
	}
	t.byKey[branchKey(e.Run, e.Branch)] = n
}

func (t *tree) branchEnded(e *runtime.Event) {
	key := branchKey(e.Run, e.Branch)
	n := t.byKey[key]
	if n == nil || n.state != running {
		return
	}
	delete(t.byKey, key)
	n.ended = e.At
	f := t.byKey[callKey(e)]
	if f == nil || f.fork == nil {
		f = &node{fork: new(fork)}
	}
	switch e.Kind {
	case runtime.BranchFailed:
		n.state, n.detail = failed, says(e.Error)
		f.fork.failed++
	case runtime.BranchCancelled:
		n.state = cancelled
		f.fork.cancelled++
	default:
		n.state = done
		f.fork.done++
	}
	if n.state != failed {
		f.finished(n)
	}
}

// maxFinished is how many finished branches of a wide fork are kept for the screen at least.
const maxFinished = 24

// finished forgets branches that ended, so that a wide fork costs what is running; it looks through them only when
// that is worth it.
func (n *node) finished(last *node) {
	n.fork.kept++
	if n.fork.kept <= maxFinished || n.fork.kept*2 < len(n.kids) {
		return
	}
	n.fork.kept = 1
	kept := n.kids[:0]
	for _, k := range n.kids {
		if k.state == running || k.state == failed || k == last {
			kept = append(kept, k)
		}
	}
	clear(n.kids[len(kept):])
	n.kids = kept
}

func (t *tree) forkEnded(e *runtime.Event) {
	n := t.close(e, done)
	if n == nil {
		return
	}
	if n.fork != nil && n.fork.failed > 0 && n.fork.failed == n.fork.n {
		n.state = failed
	}
}

func (t *tree) childEnded(e *runtime.Event) {
	delete(t.byKey, e.Text+" ")
	delete(t.phase, e.Text)
	if e.Error != nil {
		if n := t.close(e, failed); n != nil {
			n.detail = says(e.Error)
		}
		return
	}
	t.close(e, done)
}
