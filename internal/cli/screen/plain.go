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
	lasting bool // only what stays of interest when a tree shows the rest: phases, logs, emits, gates and warnings
}

func (n *narrator) tell(e *runtime.Event) {
	if n.started.IsZero() {
		n.started = e.At
	}
	text := n.lastingText(e)
	if text == "" && !n.lasting {
		text = n.passing(e)
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
		return n.warn("suspended: " + clean(e.Text))
	default:
		return ""
	}
}

// passing tells the course of a run.
func (n *narrator) passing(e *runtime.Event) string {
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
		return n.good("ok  ") + clean(e.Agent) + n.took(e) + at
	case runtime.AgentRetrying:
		return n.warn("retry ") + clean(e.Agent) + " in " + elapsed(e.For) + ": " + says(e.Error) + at
	case runtime.AgentFailed:
		return n.bad("fail ") + clean(e.Agent) + n.took(e) + ": " + says(e.Error) + at
	case runtime.AgentCancelled:
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
