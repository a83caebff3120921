package screen

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// narrator tells events as lines of text.
type narrator struct {
	style
	w       io.Writer
	started time.Time
	calls   map[string]time.Time
	lasting bool             // only what stays of interest when a tree shows the rest: phases, logs, emits, gates and warnings
	wide    map[string]*wide // forks too wide to be told branch by branch, by run and the start of their branches' paths
}

// wide is a fork of which only failures and each tenth are told.
type wide struct{ n, ended, told int }

// maxTold is the width of a fork up to which everything in its branches is told.
const maxTold = 32

func (n *narrator) tell(e *runtime.Event) {
	if n.started.IsZero() {
		n.started = e.At
	}
	text := n.lastingText(e)
	if text == "" && !n.lasting {
		text = n.course(e)
	}
	if text == "" {
		return
	}
	stamp := fmt.Sprintf("%7.2fs ", e.At.Sub(n.started).Seconds())
	_, _ = io.WriteString(n.w, n.faint(stamp)+text+"\n")
}

// lastingText tells what a person may want to read again later.
func (n *narrator) lastingText(e *runtime.Event) string {
	switch e.Kind {
	case runtime.PhaseStarted:
		return n.strong("phase " + clean(e.Name))
	case runtime.Logged:
		return "log " + clean(e.Name+e.Text) + fields(e.Value)
	case runtime.Emitted:
		return "emit " + clean(e.Name) + fields(e.Value)
	case runtime.GateChecked:
		return "gate " + clean(e.Name) + fields(e.Value)
	case runtime.BudgetWarned:
		return n.warn("budget: 80% of the " + clean(e.Name) + " is used")
	case runtime.RunSuspended:
		return n.warn("stopped: " + clean(e.Text))
	default:
		return ""
	}
}

// course tells the course of a run, wide forks in short.
func (n *narrator) course(e *runtime.Event) string {
	w := n.within(e)
	switch {
	case e.Kind == runtime.ForkStarted && e.N > maxTold && w == nil:
		if n.wide == nil {
			n.wide = make(map[string]*wide)
		}
		n.wide[branchKey(e.Run, forkPath(e))] = &wide{n: e.N}
	case e.Kind == runtime.ForkEnded:
		delete(n.wide, branchKey(e.Run, forkPath(e)))
	case w == nil || e.Kind == runtime.AgentFailed || e.Kind == runtime.AgentRetrying || e.Kind == runtime.ApprovalAsked:
	case e.Kind == runtime.BranchDone || e.Kind == runtime.BranchFailed || e.Kind == runtime.BranchCancelled:
		return n.tenth(w, e)
	default:
		return ""
	}
	return n.passing(e)
}

// passing tells one event.
func (n *narrator) passing(e *runtime.Event) string {
	if e.Past {
		return n.past(e)
	}
	at := n.faint(" (" + e.Addr.String() + ")")
	switch e.Kind {
	case runtime.RunStarted:
		return "run " + clean(e.Name) + n.faint(" "+clean(e.Run))
	case runtime.ForkStarted:
		return fmt.Sprintf("%s of %s", forkLabel(e), plural(e.N, "branch")) + at
	case runtime.BranchFailed:
		return n.bad("branch "+string(e.Branch)+" failed") + " " + says(e.Error)
	case runtime.BranchCancelled:
		return n.faint("branch " + string(e.Branch) + " cancelled")
	case runtime.AgentCalled:
		n.calls[callKey(e)+" "+strconv.Itoa(e.N)] = e.At
		return "ask " + clean(e.Agent) + quoted(e.Text) + attempt(e.N) + at
	case runtime.AgentAnswered:
		if e.Cached {
			return n.good("ok  ") + clean(e.Agent) + quoted(e.Text) + n.faint(" cached") + n.took(e) + at
		}
		return n.good("ok  ") + clean(e.Agent) + n.took(e) + at
	case runtime.AgentRetrying:
		delete(n.calls, callKey(e)+" "+strconv.Itoa(e.N))
		return n.warn("retry ") + clean(e.Agent) + " in " + elapsed(e.For) + ": " + says(e.Error) + at
	case runtime.AgentFailed:
		return n.bad("fail ") + clean(e.Agent) + n.took(e) + ": " + says(e.Error) + at
	case runtime.AgentCancelled:
		delete(n.calls, callKey(e)+" "+strconv.Itoa(e.N))
		return n.faint("cancelled " + clean(e.Agent) + at)
	case runtime.Slept:
		return "sleep " + elapsed(e.For) + at
	case runtime.SignalAwaited:
		return "wait for " + clean(e.Name) + at
	case runtime.SignalTaken:
		return "signal " + clean(e.Name) + fields(e.Value) + at
	case runtime.ApprovalAsked:
		return "approve?" + quoted(e.Name) + at
	case runtime.ApprovalDecided:
		return "decided" + quoted(e.Name) + fields(e.Value) + at
	case runtime.ChildStarted:
		return "run " + clean(e.Name) + at
	case runtime.ChildEnded:
		if e.Error != nil {
			return n.bad("run "+clean(e.Name)+" failed") + " " + says(e.Error) + at
		}
		return n.good("run ") + clean(e.Name) + " done" + at
	default:
		return ""
	}
}

// past tells in short what had happened before the run was resumed.
func (n *narrator) past(e *runtime.Event) string {
	if e.Kind == runtime.AgentCalled || e.Kind == runtime.BranchStarted {
		return ""
	}
	now := *e
	now.Past = false
	text := n.passing(&now)
	if text == "" {
		return ""
	}
	return n.faint("before: ") + text
}

func (n *narrator) took(e *runtime.Event) string {
	key := callKey(e) + " " + strconv.Itoa(e.N)
	var parts []string
	if at, ok := n.calls[key]; ok {
		parts = append(parts, elapsed(e.At.Sub(at)))
		delete(n.calls, key)
	}
	parts = append(parts, metrics(e.Usage, e.Confidence)...)
	if len(parts) == 0 {
		return ""
	}
	return " " + n.faint(strings.Join(parts, " "))
}

func attempt(n int) string {
	if n <= 1 {
		return ""
	}
	return " attempt " + number(n)
}

func quoted(s string) string {
	if s = clean(s); s == "" {
		return ""
	}
	return ` "` + fit(s, 60) + `"`
}

// fields is the data of a log line or an event.
func fields(p runtime.Payload) string {
	if s := string(p); s != "" && s != "{}" && s != "null" {
		return " " + fit(clean(s), 200)
	}
	return ""
}

// forkPath is what the paths of a fork's branches start with.
func forkPath(e *runtime.Event) runtime.Path {
	n := strconv.Itoa(e.Addr.N)
	if e.Addr.Path == "" {
		return runtime.Path(n)
	}
	return e.Addr.Path + "." + runtime.Path(n)
}

// within gives the wide fork in one of whose branches an event happened, or nil. Forks are wide one inside the other only in
// the outermost.
func (n *narrator) within(e *runtime.Event) *wide {
	if len(n.wide) == 0 {
		return nil
	}
	for i := range len(e.Branch) {
		if e.Branch[i] == '.' {
			if w := n.wide[branchKey(e.Run, e.Branch[:i])]; w != nil {
				return w
			}
		}
	}
	return nil
}

// tenth tells a failed branch, and how far a wide fork is at each tenth of it.
func (n *narrator) tenth(w *wide, e *runtime.Event) string {
	if _, ok := n.wide[branchKey(e.Run, forkPath(e))]; !ok {
		return "" // the branch of a fork inside
	}
	w.ended++
	text := ""
	if e.Kind == runtime.BranchFailed {
		text = n.passing(e)
	}
	if now := w.ended * 10 / w.n; now > w.told {
		w.told = now
		if text != "" {
			text += n.faint("; ")
		}
		text += n.faint(number(w.ended) + " of " + plural(w.n, "branch") + " ended (" + e.Addr.String() + ")")
	}
	return text
}
