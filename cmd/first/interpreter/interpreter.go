// Package interpreter makes this executable the interpreter of patterns from elsewhere, when its parent says so, before the other packages
// are set up, most of which it has no use for. See package first, and docs/decisions/0022-patterns-in-a-child.md.
package interpreter

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/child"
	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
	"github.com/parallax-run/parallax/runtime"
)

// What the parent says: they are those of package plugins/host/interpreter, which comes later.
const (
	asked = "PARALLAX_PATTERN"
	word  = "__pattern"
)

func init() { //nolint:gochecknoinits // the one thing that cannot be done in main
	if level, ok := syscall.Getenv(asked); ok && len(os.Args) == 2 && os.Args[1] == word {
		os.Exit(Run(level, runtime.Environment{Builtins: builtins.All()}))
	}
}

// Run interprets what the parent sends until the parent is gone, and gives the exit code. Level is that of the sandbox.
func Run(level string, env runtime.Environment) int {
	out := os.Stdout
	os.Stdout = os.Stderr // what prints does not garble what is said
	if err := shim.Narrow(); err != nil && held(level) {
		return failed(err)
	}
	if err := child.Serve(orphan{os.Stdin}, out, env); err != nil {
		return failed(err)
	}
	return 0
}

// held says whether the kernel can narrow a process at a level.
func held(level string) bool {
	l, err := shim.ParseLevel(level)
	return err != nil || l >= shim.Standard
}

func failed(err error) int {
	_, _ = io.WriteString(os.Stderr, "parallax: "+strings.TrimSpace(err.Error())+"\n")
	return 1
}

// orphan ends this process when its parent has ended, whatever it computes.
type orphan struct{ *os.File }

func (o orphan) Read(b []byte) (int, error) {
	n, err := o.File.Read(b)
	if errors.Is(err, io.EOF) {
		os.Exit(0)
	}
	return n, err
}
