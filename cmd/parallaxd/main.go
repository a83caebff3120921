// Command parallaxd runs teams of AI agents on a cluster.
//
// This file is the wiring: which commands there are. It is also every bundled agent, as `parallaxd __agent NAME`, see package program,
// and the shim that becomes a sandboxed one, as `parallaxd __shim`.
package main

import (
	"os"

	_ "github.com/parallax-run/parallax/cmd/first" // is the shim, before anything else is set up
	"github.com/parallax-run/parallax/internal/cli/program"
	versioncmd "github.com/parallax-run/parallax/internal/cli/version"
	"github.com/parallax-run/parallax/internal/enterprise/command"
)

// version is set when a release is built.
var version = "dev"

func main() { os.Exit(parallaxd(os.Args[1:])) }

// parallaxd runs one command line and gives the exit code.
func parallaxd(args []string) int {
	return program.Main(command.Program(), version, args,
		command.NewWorkerCmd, command.NewRunCmd, command.NewWaitCmd, command.NewApproveCmd, command.NewSignalCmd, command.NewCancelCmd,
		command.NewShowCmd, versioncmd.NewCmd,
	)
}
