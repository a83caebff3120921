// Package shim is the program that closes a sandbox around itself and becomes the agent. It knows nothing of the rest of the house and
// needs next to nothing of the standard library: it runs before anything else of its executable is set up.
package shim

import (
	"errors"
	"strconv"
)

// Level says how firmly a policy is held. Levels are ordered: what a level stops, the next one stops too.
type Level int

// Levels.
const (
	None     Level = iota // not sandboxed
	Basic                 // a minimal environment, a scratch directory, limits
	Standard              // and files, programs, signals and system calls are held by the kernel
	Strict                // and the agent sees a file tree, a network and processes of its own
)

func levelNames() []string { return []string{"none", "basic", "standard", "strict"} }

func (l Level) String() string {
	if names := levelNames(); l >= 0 && int(l) < len(names) {
		return names[l]
	}
	return "level " + strconv.Itoa(int(l))
}

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLevel(string(text))
	return err
}

// ParseLevel reads a level's name.
func ParseLevel(name string) (Level, error) {
	for i, n := range levelNames() {
		if n == name {
			return Level(i), nil
		}
	}
	return None, errors.New("there is no sandbox level " + strconv.Quote(name) + "; there are none, basic, standard, strict")
}

// StepError says at which step a sandbox could not be closed.
type StepError struct {
	Step   string
	Err    string
	Absent bool // the machine does not give what the step needs; a lower level may do
}

func (e *StepError) Error() string {
	return "the sandbox could not be closed, " + e.Step + ": " + e.Err
}

// Asked is the variable in the environment of a process that is to be the shim.
const Asked = "PARALLAX_SHIM"
