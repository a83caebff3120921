// Package first makes this executable the shim of a sandbox, when it is started as `parallax __shim`, before the other packages
// are set up, most of which the shim has no use for. Go sets packages up in the order of their import paths, each after what it
// imports, so that this one comes early: it halves what a sandbox adds to the start of an agent. See docs/decisions/0014-the-sandbox.md.
package first

import (
	"os"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

func init() { //nolint:gochecknoinits // the one thing that cannot be done in main
	if len(os.Args) == 2 && os.Args[1] == "__shim" {
		os.Exit(shim.Run())
	}
}
