// Command parallax runs teams of AI agents from a script.
//
// This file is the wiring: which commands there are. It is also every bundled agent, as `parallax __agent NAME`, see package program,
// and the shim that becomes a sandboxed one, as `parallax __shim`.
package main

import (
	"os"

	_ "github.com/parallax-run/parallax/cmd/first"             // is the shim, before anything else is set up
	_ "github.com/parallax-run/parallax/cmd/first/interpreter" // interprets patterns from elsewhere, before the rest is set up
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/agents"
	"github.com/parallax-run/parallax/internal/cli/bench"
	"github.com/parallax-run/parallax/internal/cli/calibrate"
	"github.com/parallax-run/parallax/internal/cli/check"
	"github.com/parallax-run/parallax/internal/cli/doctor"
	"github.com/parallax-run/parallax/internal/cli/explain"
	"github.com/parallax-run/parallax/internal/cli/index"
	"github.com/parallax-run/parallax/internal/cli/initialise"
	"github.com/parallax-run/parallax/internal/cli/manual"
	"github.com/parallax-run/parallax/internal/cli/mcp"
	"github.com/parallax-run/parallax/internal/cli/packages"
	"github.com/parallax-run/parallax/internal/cli/plugin"
	"github.com/parallax-run/parallax/internal/cli/program"
	"github.com/parallax-run/parallax/internal/cli/publish"
	"github.com/parallax-run/parallax/internal/cli/resume"
	"github.com/parallax-run/parallax/internal/cli/run"
	"github.com/parallax-run/parallax/internal/cli/runs"
	"github.com/parallax-run/parallax/internal/cli/test"
	versioncmd "github.com/parallax-run/parallax/internal/cli/version"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/plugins/host"
)

// version is set when a release is built.
var version = "dev"

var _ local.Agents = (*host.Host)(nil)

func main() { os.Exit(parallax(os.Args[1:])) }

// parallax runs one command line and gives the exit code.
func parallax(args []string) int { return begin(cli.Program{}, args) }

func begin(p cli.Program, args []string) int {
	return program.Main(p, version, args,
		initialise.NewCmd, run.NewCmd, resume.NewCmd, resume.NewReplayCmd, resume.NewCancelCmd, resume.NewApproveCmd, resume.NewSignalCmd, test.NewCmd, check.NewCmd, explain.NewCmd, manual.NewCmd,
		agents.NewCmd, mcp.NewCmd, packages.NewInstallCmd, packages.NewAddCmd, packages.NewRemoveCmd, packages.NewUpgradeCmd, packages.NewOutdatedCmd, packages.NewListCmd,
		packages.NewVerifyCmd, packages.NewTidyCmd, publish.NewCmd, publish.NewYankCmd, packages.NewGrantsCmd, packages.NewSearchCmd, packages.NewInfoCmd,
		packages.NewAuditCmd, packages.NewMirrorCmd, packages.NewStarCmd, index.NewCmd, plugin.NewCmd, calibrate.NewCmd, bench.NewCmd, runs.NewCmd, runs.NewGCCmd,
		doctor.NewCmd, versioncmd.NewCmd,
	)
}
