package cli

import (
	"fmt"
	"strings"
)

// Exit is the exit code of the process.
type Exit int

// What the exit codes mean; `parallax --help` says the same.
const (
	Done          Exit = 0
	PatternFailed Exit = 1
	Usage         Exit = 2
	Source        Exit = 3
	AgentStart    Exit = 4
	OverLimit     Exit = 5
	Stopped       Exit = 6
	NeedsPerson   Exit = 7
	Suspended     Exit = 8
)

func (e Exit) meaning() string {
	switch e {
	case Done:
		return "done"
	case PatternFailed:
		return "the pattern failed"
	case Usage:
		return "the command line, an input or parallax.toml is wrong"
	case Source:
		return "the script has errors"
	case AgentStart:
		return "an agent could not be started"
	case OverLimit:
		return "a limit or the budget was reached"
	case Stopped:
		return "cancelled"
	case NeedsPerson:
		return "needs a person or a server"
	case Suspended:
		return "suspended, can be resumed"
	}
	return "unknown"
}

// Code is a word for the kind of trouble, for programs that read --json.
func (e Exit) Code() string {
	switch e {
	case Done:
		return "done"
	case PatternFailed:
		return "host"
	case Usage:
		return "usage"
	case Source:
		return "source"
	case AgentStart:
		return "agent_start"
	case OverLimit:
		return "limit"
	case Stopped:
		return "cancelled"
	case NeedsPerson:
		return "needs_person"
	case Suspended:
		return "suspended"
	}
	return "unknown"
}

func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:")
	for e := Done; e <= Suspended; e++ {
		fmt.Fprintf(&b, "\n  %d  %s", int(e), e.meaning())
	}
	return b.String()
}

// UsageError says that the command line is wrong.
type UsageError struct {
	Message string
	Hint    string // the next step, or ""
}

func (e *UsageError) Error() string { return e.Message }

// Usagef makes a UsageError.
func Usagef(hint, format string, args ...any) *UsageError {
	return &UsageError{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Advised is an error of a room that this one does not know, with its exit code and the next step.
type Advised struct {
	Err  error
	Exit Exit
	Hint string
}

func (e *Advised) Error() string { return e.Err.Error() }

func (e *Advised) Unwrap() error { return e.Err }

// Told ends a command with an exit code after it has told everything itself.
type Told struct{ Code Exit }

func (e *Told) Error() string { return e.Code.meaning() }
