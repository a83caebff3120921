//go:build amd64 || arm64

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

// Ceiling is the highest level that this machine may give, as far as one sees without trying, and what it lacks for more.
func Ceiling() (Level, []string) {
	version, err := shim.LandlockVersion()
	switch {
	case err != nil:
		return Basic, []string{fmt.Sprintf("landlock: %v", err)}
	case version < shim.LeastLandlock:
		return Basic, []string{fmt.Sprintf("landlock: the kernel has version %d, %d is needed", version, shim.LeastLandlock)}
	}
	if err := shim.FiltersCalls(); err != nil {
		return Basic, []string{fmt.Sprintf("filters of system calls: %v", err)}
	}
	return Strict, nil
}

// Probe tries what this machine gives: it starts the shim, which closes all doors and ends.
func Probe(ctx context.Context, command []string) Machine {
	m := Machine{}
	if v, err := shim.LandlockVersion(); err == nil {
		m.Details = append(m.Details, fmt.Sprintf("landlock %d", v))
	}
	m.Level, m.Lacks = Ceiling()
	for m.Level > None {
		err := try(ctx, command, m.Level)
		if err == nil {
			return m
		}
		m.Lacks = append(m.Lacks, err.Error())
		m.Level--
	}
	return m
}

const probeTimeout = 10 * time.Second

func try(ctx context.Context, command []string, l Level) error {
	dir, err := os.MkdirTemp("", "px-probe-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := Spec{
		Policy: &Policy{Net: List{Items: []string{"example.com"}}}, Level: l, Argv: []string{"/bin/sh"},
		Scratch: filepath.Join(dir, "s"), Root: filepath.Join(dir, "r"), Shim: command,
	}
	s.Shared = []string{s.Scratch}
	if err := errors.Join(os.Chmod(dir, 0o711), os.Mkdir(s.Scratch, 0o700), os.Mkdir(s.Root, 0o700)); err != nil { //nolint:gosec // nobody has to get through
		return err
	}
	b, err := New(s) //nolint:contextcheck // a box has no end but Close
	if err != nil {
		return err
	}
	defer b.Close()
	b.plan.Probe = true
	cmd := exec.CommandContext(ctx, command[0])
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.Prepare(cmd); err != nil {
		return err
	}
	if err := b.Started(cmd.Start()); err != nil {
		return err
	}
	err = b.Admit(probeTimeout)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return err
}
