//go:build !linux || (!amd64 && !arm64)

package sandbox

import (
	"context"
	"os/exec"
	"time"
)

// LeastLevel is the level that a policy needs when it does not say. Here the system gives no more.
const LeastLevel = Basic

// Gateways says whether secrets can be kept from agents.
const Gateways = false

// Box is the sandbox of one process: here a minimal environment and a scratch directory, nothing that holds it.
type Box struct{ spec Spec }

// New makes the sandbox of a process that is about to be started.
func New(s Spec) (*Box, error) {
	if err := s.Policy.Check(); err != nil {
		return nil, err
	}
	if s.Level > Basic {
		return nil, &LevelError{Wants: s.Level, Has: Basic}
	}
	return &Box{spec: s}, nil
}

// UID says that the process stays who the host is.
func (b *Box) UID() (uid int, ok bool) { return 0, false }

// Gateway is none: here an agent holds its secrets.
func (b *Box) Gateway(string) string { return "" }

// Prepare sets the command's program, environment and directory.
func (b *Box) Prepare(cmd *exec.Cmd) error {
	cmd.Path, cmd.Args, cmd.Dir, cmd.Env = b.spec.Argv[0], b.spec.Argv, b.spec.Scratch, append(b.spec.environment(), cmd.Env...)
	return nil
}

// Started passes the error of the start on.
func (b *Box) Started(err error) error { return err }

// Admit has nothing to wait for.
func (b *Box) Admit(time.Duration) error { return nil }

// Close has nothing to end.
func (b *Box) Close() {}

// Probe says what this machine gives.
func Probe(context.Context, []string) Machine { return Machine{Level: Basic, Lacks: []string{lacks}} }

// Ceiling is the highest level that may be had.
func Ceiling() (Level, []string) { return Basic, []string{lacks} }

const lacks = "more than basic is made for Linux on amd64 and arm64"
