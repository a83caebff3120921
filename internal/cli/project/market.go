package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/origin"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/plugins/host"
)

// Market makes what installs packages, with a way to try agents and none to ask about them.
func Market(app *cli.App) (*market.Market, error) {
	cache, err := Cache(app)
	if err != nil {
		return nil, err
	}
	settings, err := Settings(app)
	if err != nil {
		return nil, err
	}
	bases, err := market.ReadBases(cmp.Or(app.Getenv("PARALLAX_HOSTS"), strings.Join(settings.Market.Hosts, ",")))
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
	say := func(line string) { fmt.Fprintln(app.Err, line) }
	client := &market.Client{
		HTTP: market.NewHTTP(), Bases: bases, Agent: "parallax/" + app.Version,
		Attempts: attempts,
		Token:    func(host string) string { return token(app, host) },
	}
	indexes, err := indexes(app, cache, settings)
	if err != nil {
		return nil, err
	}
	indexes.Client, indexes.Say = client, say
	return &market.Market{
		Cache:    cache,
		Client:   client,
		Index:    indexes,
		Platform: Platform(),
		Version:  version,
		Say:      say,

		Verifier:        verifier(app),
		TrustedRoot:     trustedRoot(app),
		RequireVerified: requireVerified(app, settings),
		Start:           func(ctx context.Context, dir string, m *manifest.Manifest) error { return try(ctx, app, dir, m) },
	}, nil
}

// Settings are those of the user, for all projects.
func Settings(app *cli.App) (*manifest.Settings, error) {
	for _, at := range [][2]string{{"XDG_CONFIG_HOME", ""}, {"HOME", ".config"}, {"APPDATA", ""}, {"USERPROFILE", ".config"}} {
		if dir := app.Getenv(at[0]); filepath.IsAbs(dir) {
			return manifest.LoadSettings(filepath.Join(dir, at[1], "parallax", "config.toml"))
		}
	}
	return &manifest.Settings{}, nil
}

// indexes are those that the user named, else the one that is known; and those of the project in the working directory beside them, which
// can add packages, and not hide what the others say.
func indexes(app *cli.App, cache *market.Cache, settings *manifest.Settings) (*market.Indexes, error) {
	x := &market.Indexes{Dir: filepath.Join(cache.Dir, "indexes")}
	named := settings.Market.Index
	if env := app.Getenv("PARALLAX_INDEX"); env != "" {
		named = strings.Split(env, ",")
	}
	if len(named) == 0 {
		named = []string{market.DefaultIndex}
	}
	if len(named) == 1 && named[0] == market.NoIndex {
		return x, nil
	}
	if m, err := manifest.Near(app.Dir); err == nil { // what is wrong with it is told by those who need it
		named = append(slices.Clip(named), m.Market.Index...)
	}
	for _, text := range named {
		at, err := market.ReadIndex(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(x.At, func(a market.IndexAt) bool { return a.URL == at.URL && a.Key.Equal(at.Key) }) {
			x.At = append(x.At, at)
		}
	}
	return x, nil
}

// notes gives what became of a version, by the indexes that are kept. They are looked for when that is first asked.
func notes(app *cli.App, cache *market.Cache) func(market.Ref) []market.Note {
	find := sync.OnceValue(func() *market.Indexes {
		settings, err := Settings(app)
		if err == nil {
			var x *market.Indexes
			if x, err = indexes(app, cache, settings); err == nil {
				return x
			}
		}
		fmt.Fprintf(app.Err, "what became of packages since they were published is not known: %v\n", err)
		return nil
	})
	return func(r market.Ref) []market.Note { return find().Notes(r) }
}

// found finds packages, without a network and without malware.
func found(app *cli.App, cache *market.Cache, m *manifest.Manifest, lock *manifest.Lock) *market.Packages {
	return &market.Packages{
		Cache: cache, Manifest: m, Lock: lock, Platform: Platform(), Agents: all(m), Notes: notes(app, cache), Say: func(line string) { fmt.Fprintln(app.Err, line) },
	}
}

// verifier is the program that says who built packages. It is given what it needs to reach sigstore's public service, and no secrets.
func verifier(app *cli.App) origin.Program {
	p := origin.Program{Named: app.Getenv("PARALLAX_VERIFY"), Self: app.Self, Version: app.Version}
	for _, name := range []string{"HOME", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMPDIR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v, ok := app.LookupEnv(name); ok {
			p.Env = append(p.Env, name+"="+v)
		}
	}
	return p
}

// trustedRoot is the file that says whose word on builds is trusted, "" for sigstore's public service.
func trustedRoot(app *cli.App) string {
	if file := app.Getenv("PARALLAX_TRUSTED_ROOT"); file != "" {
		return absolute(app, file)
	}
	return ""
}

// requireVerified says whether the user or the project in the working directory wants packages to be verified.
func requireVerified(app *cli.App, settings *manifest.Settings) bool {
	m, err := manifest.Near(app.Dir)
	return settings.Market.RequireVerified || err == nil && m.Market.RequireVerified // what is wrong with it is told by those who need it
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

// OpenPackage loads the main pattern of a package, by its source or its name in an index, fetching it if it is not installed. Its agents are those of the project in the working directory.
func OpenPackage(ctx context.Context, app *cli.App, name, agentsFile string) (*Project, error) {
	m, err := Manifest(app, "", agentsFile)
	if err != nil {
		return nil, err
	}
	mk, err := Market(app)
	if err != nil {
		return nil, err
	}
	ref, err := mk.Named(ctx, name)
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
	opts.Package = ref.String()
	opts.Packages = func(string) (pattern.Packages, error) {
		packages := found(app, mk.Cache, own, lock)
		packages.Agents, packages.Self = all(m), opts.Package
		return packages, nil
	}
	loaded, err := pattern.Load(tree.Dir, app.Environment(), opts)
	if _, ok := errors.AsType[*pattern.PathError](err); ok {
		return nil, cli.Usagef("parallax add "+ref.Source+" in a project, and load it from a pattern", "%s has nothing to run: no main.star, and no other file named as main under [project] in its parallax.toml", ref)
	}
	if err != nil {
		return nil, err
	}
	return &Project{Manifest: m, Loaded: loaded}, nil
}
