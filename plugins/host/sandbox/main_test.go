//go:build linux && amd64

package sandbox_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

// The test binary is also the shim, with the holes that follow, and the host of an attacker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "__shim":
			os.Exit(shim.RunWithout(os.Args[2:]...))
		case "__host":
			os.Exit(beHost(os.Args[2]))
		default:
			if os.Args[1][0] != '-' {
				fmt.Fprintln(os.Stderr, "nobody is called", os.Args[1])
				os.Exit(2)
			}
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if p, err := programs(); err == nil {
			_ = os.RemoveAll(p.dir)
		}
		os.Exit(code)
	}))
}
