// Package packages is the commands that install what others published: install, add, remove, list, verify, tidy, outdated and upgrade; and grants, which is
// about what their agents may do.
package packages

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

// options are what all commands that install have.
type options struct {
	app      *cli.App
	yes      bool
	verified bool // wanted of all packages

	made *market.Market // the one of this command, which asks the index once
}

func (o *options) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "grant what agents ask for without asking; it is shown all the same")
	cmd.Flags().BoolVar(&o.verified, "require-verified", false, "refuse packages unless it is verified that their own repository built them")
}

// noPackages is told where a project has none.
const noPackages = "no packages: parallax add github.com/owner/repo"

// market is what installs.
func (o *options) market() (*market.Market, error) {
	if o.made != nil {
		return o.made, nil
	}
	m, err := project.Market(o.app)
	if err != nil {
		return nil, err
	}
	m.Consent = consenter{o.app, o.yes}.ask
	m.RequireVerified = m.RequireVerified || o.verified
	o.made = m
	return m, nil
}

// here is the project that the command is about.
func (o *options) here() (*manifest.Manifest, error) {
	m, err := manifest.Near(o.app.Dir)
	if err == nil && m.Path == "" {
		err = cli.Usagef("run parallax init, or write one", "there is no %s in this directory or above", manifest.FileName)
	}
	return m, err
}

// found finds the packages of the project, without a network.
func (o *options) found() (*market.Packages, error) {
	m, lock, cache, err := locked(o.app)
	if err != nil {
		return nil, err
	}
	return &market.Packages{Cache: cache, Manifest: m, Lock: lock, Platform: project.Platform()}, nil // without notes: malware is listed too
}

// sync brings lock and cache in line with the manifest, after edits of it, and tells what changed.
func (o *options) sync(ctx context.Context, dir string, edits []market.Edit, frozen bool) (*market.Outcome, error) {
	m, err := o.market()
	if err != nil {
		return nil, err
	}
	out, err := m.Sync(ctx, dir, edits, frozen)
	if err != nil {
		return nil, err
	}
	o.tell(out)
	return out, nil
}

// tell says what is different in the lock.
func (o *options) tell(out *market.Outcome) {
	for _, p := range out.Lock.Packages {
		old, had := out.Before.Package(p.Source)
		switch {
		case !had:
			fmt.Fprintf(o.app.Err, "+ %s %s\n", p.Source, p.Version)
		case old.Version != p.Version:
			fmt.Fprintf(o.app.Err, "~ %s %s, was %s\n", p.Source, p.Version, old.Version)
		}
	}
	for _, p := range out.Before.Packages {
		if _, ok := out.Lock.Package(p.Source); !ok {
			fmt.Fprintf(o.app.Err, "- %s %s\n", p.Source, p.Version)
		}
	}
	o.roles(out)
}

// roles names the agents that patterns need and the project does not have.
func (o *options) roles(out *market.Outcome) {
	for _, p := range out.Lock.Packages {
		t := out.Trees[p.Source]
		if _, had := out.Before.Package(p.Source); had || t == nil {
			continue
		}
		roles, err := t.Roles()
		if err != nil {
			continue // it was read a moment ago
		}
		filled := manifest.Filled(out.Manifest.Agents, aliasesOf(out.Manifest, p.Source))
		for _, r := range roles {
			if filled[r.Name] != "" || slices.Contains(out.Manifest.AgentNames(), r.Name) {
				continue
			}
			fmt.Fprintf(o.app.Err, "%s needs an agent %s%s: add [agents.%s], or its role to another agent\n", p.Source, r.Name, r.About(), r.Name)
		}
	}
}

func aliasesOf(m *manifest.Manifest, source string) []string {
	var aliases []string
	for _, d := range m.Dependencies {
		if d.Source == source {
			aliases = append(aliases, d.Alias)
		}
	}
	return aliases
}

// count says how many of a thing.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
