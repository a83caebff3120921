package project

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/plugins/host"
)

// Market makes what installs packages, with a way to try agents and none to ask about them.
func Market(app *cli.App) (*market.Market, error) {
	cache, err := Cache(app)
	if err != nil {
		return nil, err
	}
	bases, err := market.ReadBases(app.Getenv("PARALLAX_HOSTS"))
	if err != nil {
		return nil, err
	}
	attempts, err := strconv.Atoi(cmp.Or(app.Getenv("PARALLAX_ATTEMPTS"), "0"))
	if err != nil || attempts < 0 || attempts > 20 {
		return nil, cli.Usagef("write a number from 1 to 20", "PARALLAX_ATTEMPTS is %q", app.Getenv("PARALLAX_ATTEMPTS"))
	}
	version := "v" + strings.TrimPrefix(app.Version, "v")
	if !semver.IsValid(version) {
		version = "" // built from a checkout
	}
	return &market.Market{
		Cache: cache,
		Client: &market.Client{
			HTTP: market.NewHTTP(), Bases: bases, Agent: "parallax/" + app.Version,
			Attempts: attempts,
			Token:    func(host string) string { return token(app, host) },
		},
		Platform: Platform(),
		Version:  version,
		Say:      func(line string) { fmt.Fprintln(app.Err, line) },
		Start:    func(ctx context.Context, dir string, m *manifest.Manifest) error { return try(ctx, app, dir, m) },
	}, nil
}

// token is what private repositories of a host are read with. That of GitHub goes nowhere else.
func token(app *cli.App, host string) string {
	if host == "github.com" {
		return app.Getenv("GITHUB_TOKEN")
	}
	if app.Getenv("GH_HOST") == host {
		return app.Getenv("GH_ENTERPRISE_TOKEN")
	}
	return ""
}

// try starts the agent of a package that was unpacked to dir, held to what it asks for, and says whether it answers.
func try(ctx context.Context, app *cli.App, dir string, m *manifest.Manifest) error {
	scratch, err := os.MkdirTemp("", "parallax-try-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	wants := &manifest.Permissions{}
	if m.Permissions != nil {
		wants.Memory, wants.Sandbox = m.Permissions.Memory, m.Permissions.Sandbox
		for _, program := range m.Permissions.Exec {
			if !strings.HasPrefix(program, "$") { // the project's own, and there may be none
				wants.Exec = append(wants.Exec, program)
			}
		}
	}
	const name = "package"
	h := host.New(host.Options{
		LookupEnv: app.LookupEnv, Shim: []string{app.Self, "__shim"}, Version: app.Version,
		Agents: []host.AgentConfig{{Name: name, Command: market.Command(dir, m), Dir: scratch, Policy: Policy(reading(wants, dir))}},
	})
	defer h.Close()
	_, err = h.Dial(ctx, name)
	return err
}

// fetchedBytes is how much a pattern from elsewhere may make in all, unless the project or the command line says otherwise.
const fetchedBytes = 128 << 20

// OpenPackage loads the main pattern of a package, fetching it if it is not installed. Its agents are those of the project in the working directory.
func OpenPackage(ctx context.Context, app *cli.App, ref market.Ref, agentsFile string) (*Project, error) {
	m, err := Manifest(app, "", agentsFile)
	if err != nil {
		return nil, err
	}
	mk, err := Market(app)
	if err != nil {
		return nil, err
	}
	mk.Consent = func(context.Context, market.Ask) error {
		return cli.Usagef("parallax add "+ref.Source+" in a project, and ask it from a pattern", "%s is an agent, not a pattern", ref)
	}
	if ref, err = mk.Latest(ctx, ref); err != nil {
		return nil, err
	}
	tree, lock, err := mk.Add(ctx, ref)
	if err != nil {
		return nil, err
	}
	own, err := manifest.Load(tree.Dir)
	if err != nil {
		return nil, err
	}
	m.Run.Inputs = own.Run.Inputs
	if m.Limits.Bytes == 0 {
		m.Limits.Bytes = fetchedBytes
	}
	opts := PatternOptions(app)
	opts.Packages = func(string) (pattern.Packages, error) {
		return &market.Packages{Cache: mk.Cache, Manifest: own, Lock: lock, Platform: mk.Platform}, nil
	}
	loaded, err := pattern.Load(tree.Dir, app.Environment(), opts)
	if err != nil {
		return nil, err
	}
	return &Project{Manifest: m, Loaded: loaded}, nil
}
