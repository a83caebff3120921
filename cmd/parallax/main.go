// Command parallax runs teams of AI agents from a script.
//
// This file is the wiring: it alone knows every room. It is also every bundled agent, as `parallax __agent NAME`,
// and the shim that becomes a sandboxed one, as `parallax __shim`.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/parallax-run/parallax/builtins"
	_ "github.com/parallax-run/parallax/cmd/parallax/first" // is the shim, before anything else is set up
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/agents"
	"github.com/parallax-run/parallax/internal/cli/bench"
	"github.com/parallax-run/parallax/internal/cli/calibrate"
	"github.com/parallax-run/parallax/internal/cli/check"
	"github.com/parallax-run/parallax/internal/cli/doctor"
	"github.com/parallax-run/parallax/internal/cli/explain"
	"github.com/parallax-run/parallax/internal/cli/initialise"
	"github.com/parallax-run/parallax/internal/cli/manual"
	"github.com/parallax-run/parallax/internal/cli/packages"
	"github.com/parallax-run/parallax/internal/cli/plugin"
	"github.com/parallax-run/parallax/internal/cli/resume"
	"github.com/parallax-run/parallax/internal/cli/run"
	"github.com/parallax-run/parallax/internal/cli/runs"
	"github.com/parallax-run/parallax/internal/cli/test"
	versioncmd "github.com/parallax-run/parallax/internal/cli/version"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/anthropic"
	execagent "github.com/parallax-run/parallax/plugins/exec"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
	httpagent "github.com/parallax-run/parallax/plugins/http"
	"github.com/parallax-run/parallax/plugins/human"
	"github.com/parallax-run/parallax/plugins/mock"
	"github.com/parallax-run/parallax/plugins/openai"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

// version is set when a release is built.
var version = "dev"

var _ local.Agents = (*host.Host)(nil)

func main() { os.Exit(parallax(os.Args[1:])) }

// parallax runs one command line and gives the exit code.
func parallax(args []string) int {
	parts := bundled()
	if len(args) == 2 && args[0] == "__agent" {
		return serve(parts, args[1])
	}
	ctx, stop := interruptible()
	defer stop()
	app, err := newApp(parts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "parallax:", err)
		return int(cli.PatternFailed)
	}
	return cli.Main(ctx, app, args,
		initialise.NewCmd, run.NewCmd, resume.NewCmd, resume.NewReplayCmd, resume.NewCancelCmd, resume.NewApproveCmd, resume.NewSignalCmd, test.NewCmd, check.NewCmd, explain.NewCmd, manual.NewCmd,
		agents.NewCmd, packages.NewInstallCmd, packages.NewAddCmd, packages.NewRemoveCmd, packages.NewUpgradeCmd, packages.NewOutdatedCmd, packages.NewListCmd,
		packages.NewVerifyCmd, packages.NewTidyCmd, plugin.NewCmd, calibrate.NewCmd, bench.NewCmd, runs.NewCmd, runs.NewGCCmd, doctor.NewCmd, versioncmd.NewCmd,
	)
}

func newApp(agents map[string]cli.Bundled) (*cli.App, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("the working directory: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the path of this program: %w", err)
	}
	return &cli.App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Dir: dir, Self: self, Version: version, LookupEnv: os.LookupEnv,
		Environment: func() runtime.Environment {
			return runtime.Environment{Builtins: builtins.All(), Tests: patterntest.Names()}
		},
		Std:     stdlib.FS(),
		Bundled: agents,
		InProcess: map[string]cli.MakeAgent{
			"mock": func(c host.AgentConfig) (host.InProcessAgent, error) { return mock.New(c.Config) },
		},
	}, nil
}

// bundled lists the agents that are processes of this executable.
func bundled() map[string]cli.Bundled {
	of := func(define func() agent.Definition) func() { return func() { agent.ServeDefinition(define()) } }
	return map[string]cli.Bundled{
		"anthropic": {Serve: of(anthropic.Agent), Secrets: anthropic.Secrets, Gateway: gateway(anthropic.Secrets, anthropic.Server, "X-Api-Key", "")},
		"exec":      {Serve: of(execagent.Agent)},
		"http":      {Serve: of(httpagent.Agent), Secrets: httpagent.Secrets},
		"human":     {Serve: of(human.Agent)},
		"openai":    {Serve: of(openai.Agent), Secrets: openai.Secrets, Gateway: gateway(openai.Secrets, openai.Server, "Authorization", "Bearer ")},
	}
}

// gateway is the way of an agent of a model's provider to its server.
func gateway(secrets func(json.RawMessage) []string, server func(json.RawMessage) string, header, prefix string) func(json.RawMessage) host.Gateway {
	return func(config json.RawMessage) host.Gateway {
		g := egress.Gateway{Secret: secrets(config)[0], Target: server(config), Header: header, Prefix: prefix}
		return host.Gateway{Gateway: g, Setting: "base_url"}
	}
}

func serve(agents map[string]cli.Bundled, name string) int {
	a, ok := agents[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "parallax: there is no bundled agent %q\n", name)
		return int(cli.Usage)
	}
	a.Serve()
	return 0
}
