package runs

import (
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli/events"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// listed is a run as the list has it in JSON.
type listed struct {
	Run     string         `json:"run"`
	Pattern string         `json:"pattern"`
	Status  badger.Status  `json:"status"`
	Started string         `json:"started,omitempty"` // RFC 3339, UTC
	Ended   string         `json:"ended,omitempty"`
	Seconds float64        `json:"seconds,omitempty"`
	Calls   int            `json:"calls"`
	Usage   *runtime.Usage `json:"usage,omitempty"`
	Holder  int            `json:"pid,omitempty"`     // of the process that goes on with it
	Why     string         `json:"why,omitempty"`     // it was suspended
	Damaged string         `json:"damaged,omitempty"` // why some of what was kept of it is lost, or may be
	Next    string         `json:"next,omitempty"`
}

func (o *Options) headOf(r *badger.Record) listed {
	return listed{
		Run: r.ID, Pattern: r.Pattern, Status: r.Status, Started: stamp(r.Started), Ended: stamp(r.Ended), Seconds: took(r).Seconds(),
		Calls: r.Calls, Usage: usage(r.Usage), Holder: r.Holder, Why: r.Why, Damaged: r.Damaged, Next: o.next(r),
	}
}

// shown is a run as show has it in JSON.
type shown struct {
	listed
	Program string          `json:"version,omitempty"` // of the program that kept it
	Digest  string          `json:"digest,omitempty"`  // of the pattern and what it loads
	Root    string          `json:"root,omitempty"`    // where the pattern was
	Origin  string          `json:"origin,omitempty"`  // the run of which it has what came before the address From
	From    string          `json:"from,omitempty"`
	Seed    uint64          `json:"seed"`
	Inputs  runtime.Payload `json:"inputs,omitempty"`
	Result  runtime.Payload `json:"result,omitempty"`
	Error   *events.Error   `json:"error,omitempty"`
	Tree    *node           `json:"tree"`
}

func (o *Options) shownOf(r *badger.Record, t *story.Run) shown {
	s := shown{
		listed: o.headOf(r), Program: r.Version, Digest: r.Digest, Root: r.Root, Origin: r.Origin, From: r.From, Seed: r.Seed,
		Inputs: r.Inputs, Result: r.Result, Error: events.ErrorOf(r.Error), Tree: nodeOf(t.Root),
	}
	s.Calls, s.Usage = t.Root.Calls, usage(t.Root.Usage)
	return s
}

// node is one node of the tree.
type node struct {
	Kind       string          `json:"kind"`
	Run        string          `json:"run,omitempty"` // of a run and child run
	Address    string          `json:"address,omitempty"`
	Branch     string          `json:"branch,omitempty"`
	Name       string          `json:"name,omitempty"`
	Task       string          `json:"task,omitempty"`
	Status     story.Status    `json:"status"`
	Begun      string          `json:"begun,omitempty"`
	Ended      string          `json:"ended,omitempty"`
	Seconds    float64         `json:"seconds,omitempty"`
	Input      runtime.Payload `json:"input,omitempty"`
	Value      runtime.Payload `json:"value,omitempty"`
	Confidence *float64        `json:"confidence,omitempty"`
	Error      *events.Error   `json:"error,omitempty"`
	Cached     bool            `json:"cached,omitempty"`
	Attempts   int             `json:"attempts,omitempty"`
	Branches   int             `json:"branches,omitempty"`
	Calls      int             `json:"calls,omitempty"`
	Usage      *runtime.Usage  `json:"usage,omitempty"`
	Children   []*node         `json:"children,omitempty"`
}

func nodeOf(n *story.Node) *node {
	out := &node{
		Kind: string(n.Kind), Name: n.Name, Task: n.Task, Status: n.Status, Begun: stamp(n.Begun), Ended: stamp(n.Ended), Seconds: n.Took().Seconds(),
		Input: n.Input, Value: n.Outcome, Error: events.ErrorOf(n.Err), Attempts: n.Attempt, Branches: n.Branches, Calls: n.Calls, Usage: usage(n.Usage),
	}
	if n.Kind == story.RunNode {
		out.Run = n.Run
	}
	if n.Kind == story.Branch {
		out.Branch = string(n.Path)
	} else {
		out.Address = n.Where()
	}
	if n.Answer != nil {
		out.Value, out.Confidence, out.Cached = n.Answer.Value, n.Answer.Confidence, n.Cached()
	}
	for _, c := range n.Children {
		out.Children = append(out.Children, nodeOf(c))
	}
	return out
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func usage(u runtime.Usage) *runtime.Usage {
	if u == (runtime.Usage{}) {
		return nil
	}
	return &u
}
