// Package first makes this executable the shim of a sandbox, when its host says so, before the other packages are set up, most of which the
// shim has no use for. Go sets packages up in the order of their import paths, each after what it imports, so that this one comes
// early: it halves what a sandbox adds to the start of an agent. See docs/decisions/0018-the-sandbox.md.
package first

import (
	"syscall"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

func init() { //nolint:gochecknoinits // the one thing that cannot be done in main
	if _, ok := syscall.Getenv(shim.Asked); ok {
		syscall.Exit(shim.Run())
	}
}
