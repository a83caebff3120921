// Package program is what the programs of this repository have in common, by hand and on one page: their streams and surroundings, what scripts
// can say, and the agents that are part of them. A program is also each of those agents, as `NAME __agent AGENT`.
package program

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/plugins/a2a"
	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/anthropic"
	cliagent "github.com/parallax-run/parallax/plugins/cli"
	execagent "github.com/parallax-run/parallax/plugins/exec"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
	httpagent "github.com/parallax-run/parallax/plugins/http"
	"github.com/parallax-run/parallax/plugins/human"
	"github.com/parallax-run/parallax/plugins/mcp"
	"github.com/parallax-run/parallax/plugins/mock"
	"github.com/parallax-run/parallax/plugins/openai"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

// Main runs one command line of a program, or is one of its agents, and gives the exit code.
func Main(p cli.Program, version string, args []string, commands ...cli.Command) int {
	app := &cli.App{
		Program: p, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: version, LookupEnv: os.LookupEnv,
		Environment: func() runtime.Environment {
			return runtime.Environment{Builtins: builtins.All(), Tests: patterntest.Names()}
		},
		Std:     stdlib.FS(),
		Bundled: bundled(),
		InProcess: map[string]cli.MakeAgent{
			"mock": func(c host.AgentConfig) (host.InProcessAgent, error) { return mock.New(c.Config) },
		},
	}
	if len(args) == 2 && args[0] == "__agent" {
		return serve(app, args[1])
	}
	if err := locate(app); err != nil {
		fmt.Fprintf(app.Err, "%s: %v\n", app.Name(), err)
		return int(cli.PatternFailed)
	}
	if p.Name == "" { // on a cluster workers are held apart instead
		var apart children
		app.Apart = apart.interpreter(app)
		defer apart.close()
	}
	ctx, stop := interruptible()
	defer stop()
	return cli.Main(ctx, app, args, commands...)
}

// locate says where the program is, and where it was started.
func locate(app *cli.App) (err error) {
	if app.Dir, err = os.Getwd(); err != nil {
		return fmt.Errorf("the working directory: %w", err)
	}
	if app.Self, err = os.Executable(); err != nil {
		return fmt.Errorf("the path of this program: %w", err)
	}
	return nil
}

// bundled lists the agents that are processes of this executable.
func bundled() map[string]cli.Bundled {
	of := func(define func() agent.Definition) func() { return func() { agent.ServeDefinition(define()) } }
	return map[string]cli.Bundled{
		"a2a":       {Serve: of(a2a.Agent), Secrets: a2a.Secrets, Gateway: way(a2a.Server)},
		"anthropic": {Serve: of(anthropic.Agent), Secrets: anthropic.Secrets, Gateway: gateway(anthropic.Secrets, anthropic.Server, "X-Api-Key", "")},
		"cli":       {Serve: of(cliagent.Agent), Command: cliagent.Command},
		"exec":      {Serve: of(execagent.Agent), Command: execagent.Command},
		"http":      {Serve: of(httpagent.Agent), Secrets: httpagent.Secrets},
		"human":     {Serve: of(human.Agent)},
		"mcp":       {Serve: of(mcp.Agent), Command: mcp.Command, Secrets: mcp.Secrets, Gateway: way(mcp.Server)},
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

// way is the way of an agent to the server that its settings name. A secret in its first header stays with the gateway.
func way(server func(json.RawMessage) (url, secret, header string)) func(json.RawMessage) host.Gateway {
	return func(config json.RawMessage) host.Gateway {
		url, secret, header := server(config)
		return host.Gateway{Gateway: egress.Gateway{Secret: secret, Target: url, Header: header}}
	}
}

func serve(app *cli.App, name string) int {
	a, ok := app.Bundled[name]
	if !ok {
		fmt.Fprintf(app.Err, "%s: there is no bundled agent %q\n", app.Name(), name)
		return int(cli.Usage)
	}
	a.Serve()
	return 0
}
