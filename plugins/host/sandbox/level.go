package sandbox

import (
	"fmt"
	"strings"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

// Level says how firmly a policy is held.
type Level = shim.Level

// Levels.
const (
	None     = shim.None
	Basic    = shim.Basic
	Standard = shim.Standard
	Strict   = shim.Strict
)

// ParseLevel reads a level's name.
func ParseLevel(name string) (Level, error) { return shim.ParseLevel(name) }

// StepError says at which step a sandbox could not be closed.
type StepError = shim.StepError

// Machine is what this machine gives.
type Machine struct {
	Level   Level
	Lacks   []string // why it is not a higher one, each as "what: why"
	Details []string // what it is made of, such as "landlock 7"
}

// LeastHere is the lowest level at which the policy may run on this system.
func (p *Policy) LeastHere() Level {
	if p.Least == None {
		return LeastLevel
	}
	return p.Least
}

// LevelError says that the machine cannot hold what a policy asks for.
type LevelError struct {
	Wants, Has Level
	Lacks      []string
}

func (e *LevelError) Error() string {
	s := fmt.Sprintf("asks for a sandbox of level %s, this machine gives %s", e.Wants, e.Has)
	if len(e.Lacks) > 0 {
		s += " (" + strings.Join(e.Lacks, "; ") + ")"
	}
	return s
}
