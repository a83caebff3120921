package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Code is the kind of an Error. Scripts see it as `.code`; exit codes and tests look at it, never at text.
type Code string

// Codes of errors. The first group can be caught by `attempt`; the second ends the run.
const (
	Timeout        Code = "timeout"         // no answer in time
	Unavailable    Code = "unavailable"     // the agent is not there: crashed, unreachable, overloaded
	Refused        Code = "refused"         // the agent was asked and said no, or failed at the task
	Schema         Code = "schema"          // the answer does not have the asked shape
	NotFound       Code = "not_found"       // no agent, pattern or option of that name
	Failed         Code = "fail"            // the script called fail()
	BudgetSpent    Code = "budget"          // tokens, money, calls or time are used up
	UnknownOutcome Code = "unknown_outcome" // an at-most-once call was in flight when the host died
	Conflict       Code = "conflict"        // two branches wrote one key of state

	Script    Code = "script"    // a bug in the script: wrong type, missing key, unknown attribute
	Limit     Code = "limit"     // steps, bytes, depth, branches, effects or output of the sandbox
	Cancelled Code = "cancelled" // somebody stopped the run or this branch
)

// Error is a failure that belongs to the script: data of one shape on every engine.
// Any other error is the host's and suspends the run.
type Error struct {
	Code      Code
	Message   string  // what happened, to whom, in one sentence without the code
	Hint      string  // the next step, or ""
	Agent     string  // the agent concerned, or ""
	Attempts  int     // at the call that failed; zero when there was no call
	Retryable bool    // trying the same again may help
	Details   Payload // further facts as JSON, or nil
	Trace     []Frame // outermost call first; empty until the error leaves the script
	Cause     error   // for the host's logs only: never shown to a script nor recorded
}

// Frame is one level of a backtrace, which runs through branches and loaded modules.
type Frame struct {
	Func   string
	Pos    string // file:line:col; "" for a builtin
	Branch Path   // the branch in which the call ran
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// Catchable says whether `attempt` may turn the error into data.
func (e *Error) Catchable() bool {
	switch e.Code {
	case Script, Limit, Cancelled:
		return false
	case Timeout, Unavailable, Refused, Schema, NotFound, Failed, BudgetSpent, UnknownOutcome, Conflict:
		return true
	}
	return true
}

// Backtrace renders Trace like Python does, innermost call last, and "" when there is none.
func (e *Error) Backtrace() string {
	if len(e.Trace) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("Traceback (most recent call last):\n")
	branch := Path("")
	for _, f := range e.Trace {
		if f.Branch != branch {
			branch = f.Branch
			fmt.Fprintf(&b, "  in branch %s:\n", branch)
		}
		if f.Pos == "" {
			fmt.Fprintf(&b, "  <builtin>: in %s\n", f.Func)
		} else {
			fmt.Fprintf(&b, "  %s: in %s\n", f.Pos, f.Func)
		}
	}
	return b.String()
}

// StandardModules is what the names of the modules that come with the product begin with.
const StandardModules = "@std//"

// Told is what to show of the error first, and where: the innermost place outside the standard modules, for it is the caller of those
// who can change something. Where every place is within them it is the innermost of all, and "" where there is none. A bug that comes up
// within a standard module is told with the function that was called.
func (e *Error) Told() (pos, message string) {
	inside := ""
	for _, f := range slices.Backward(e.Trace) {
		switch {
		case f.Pos == "":
		case !strings.HasPrefix(f.Pos, StandardModules):
			if inside != "" && e.Code == Script {
				return f.Pos, "in " + inside + ": " + e.Message
			}
			return f.Pos, e.Message
		default:
			inside = f.Func
			if pos == "" {
				pos = f.Pos
			}
		}
	}
	return pos, e.Message
}

// Errorf makes an Error. With %w the wrapped error becomes its Cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// ErrCancelled is the error of a branch that was stopped without a reason of its own.
func ErrCancelled() *Error { return &Error{Code: Cancelled, Message: "cancelled"} }
