package project

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
)

// sandboxed gives an agent's configuration the policy of its permissions. What is wrong with it is told when the agent starts.
func sandboxed(app *cli.App, a *manifest.Agent, c *host.AgentConfig) {
	if _, inProcess := app.InProcess[a.Use]; a.Permissions == nil || inProcess {
		return
	}
	p := Policy(a.Permissions)
	c.Policy = p
	for _, grant := range a.Permissions.Secrets {
		if name, server, ok := strings.Cut(grant, "@"); ok {
			c.Gateways = append(c.Gateways, host.Gateway{Gateway: egress.Gateway{Secret: name, Target: server, Header: "Authorization", Prefix: "Bearer "}})
		}
	}
	if b := app.Bundled[a.Use]; b.Gateway != nil {
		// What a bundled agent reads by itself need not be granted; then it does without.
		c.Secrets = slices.DeleteFunc(slices.Clone(c.Secrets), func(name string) bool {
			return !slices.Contains(a.Secrets, name) && !slices.Contains(p.Secrets, name)
		})
		g := b.Gateway(json.RawMessage(a.Config))
		rules, err := egress.Parse(p.Net.Items)
		switch {
		case slices.Contains(c.Secrets, g.Secret):
			c.Gateways = append(c.Gateways, g)
		case err == nil && rules.Allow(g.Target): // a server that needs no key, often on this machine, to which programs take no proxy
			g.Header = ""
			c.Gateways = append(c.Gateways, g)
		}
	}
	if b := app.Bundled[a.Use]; b.Command != nil {
		grantCommand(b.Command(json.RawMessage(a.Config)), a.Dir, p)
	}
}

// Policy makes what the host holds an agent to of what a manifest grants.
func Policy(m *manifest.Permissions) *sandbox.Policy {
	p := &sandbox.Policy{Net: sandbox.ListOf(m.Net), Read: m.Read, Write: m.Write, Memory: m.Memory}
	programs := make([]string, len(m.Exec))
	for i, name := range m.Exec {
		programs[i] = program(name)
	}
	p.Exec = sandbox.ListOf(programs)
	for _, grant := range m.Secrets {
		name, _, _ := strings.Cut(grant, "@")
		p.Secrets = append(p.Secrets, name)
	}
	p.Least, _ = sandbox.ParseLevel(m.Sandbox) // the manifest knows no others; "" is the system's least
	return p
}

// program finds a program by its name. One that is not there stays as it is, and its agent's start says so.
func program(name string) string {
	if name == "*" || filepath.IsAbs(name) {
		return name
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return name
}

// grantCommand lets an agent run its own command.
func grantCommand(argv []string, dir string, p *sandbox.Policy) {
	if len(argv) == 0 || p.Exec.All {
		return
	}
	name := argv[0]
	if strings.ContainsAny(name, `/\`) && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	p.Exec.Items = append(slices.Clip(p.Exec.Items), program(name))
}
