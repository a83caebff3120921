package packages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/origin"
)

// listed is one package of the project.
type listed struct {
	Alias    string         `json:"alias,omitempty"` // "" for what only other packages need
	Source   string         `json:"source"`
	Version  string         `json:"version"`
	Kind     manifest.Kind  `json:"kind"`
	Commit   string         `json:"commit,omitempty"`
	State    string         `json:"state"`              // installed, missing, changed, unused
	Origin   origin.Verdict `json:"origin"`             // what was found out on this machine
	Identity string         `json:"identity,omitempty"` // who built it, by the lock
}

type listOptions struct {
	app  *cli.App
	json bool
	full bool // read all files
}

// NewListCmd makes `parallax list`.
func NewListCmd(app *cli.App) *cobra.Command {
	o := &listOptions{app: app}
	cmd := &cobra.Command{
		Use: "list", Short: "List the packages of this project", Example: "  parallax list\n  parallax list --json",
		Args: cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return o.list() },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one line of JSON for each package")
	return cmd
}

// packages lists what the lock has.
func (o *listOptions) packages() ([]listed, error) {
	m, lock, cache, err := locked(o.app)
	if err != nil {
		return nil, err
	}
	var all []listed
	for _, p := range lock.Packages {
		l := listed{Source: p.Source, Version: p.Version, Kind: p.Kind, Commit: p.Commit, State: "installed", Origin: cache.Origin(p, project.Platform()), Identity: p.Identity}
		for _, d := range m.Dependencies {
			if d.Source == p.Source {
				l.Alias = d.Alias
			}
		}
		if err := cache.Look(p, project.Platform(), o.full); err != nil {
			l.State = stateOf(err)
		}
		all = append(all, l)
	}
	return all, nil
}

func stateOf(err error) string {
	e, ok := errors.AsType[*market.Error](err)
	switch {
	case ok && e.Code == market.Unlocked:
		return "missing"
	case ok && e.Code == market.NoBuild:
		return "no build for this machine"
	case ok && e.Code == market.Changed:
		return "changed"
	}
	return err.Error()
}

// locked reads what the project has.
func locked(app *cli.App) (*manifest.Manifest, *manifest.Lock, *market.Cache, error) {
	m, err := (&options{app: app}).here()
	if err != nil {
		return nil, nil, nil, err
	}
	cache, err := project.Cache(app)
	if err != nil {
		return nil, nil, nil, err
	}
	lock, err := project.Lock(m.Dir)
	if lock == nil {
		lock = &manifest.Lock{}
	}
	return m, lock, cache, err
}

func (o *listOptions) list() error {
	all, err := o.packages()
	if err != nil {
		return err
	}
	return o.print(all)
}

func (o *listOptions) print(all []listed) error {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, l := range all {
		if o.json {
			if err := cli.JSON(o.app, l); err != nil {
				return err
			}
			continue
		}
		alias := "-"
		if l.Alias != "" {
			alias = "@" + l.Alias
		}
		state := l.State
		if l.Origin == origin.Verified {
			state += ", verified"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", alias, l.Source, l.Version, l.Kind, state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(all) == 0 && !o.json {
		fmt.Fprintln(o.app.Err, noPackages)
	}
	_, err := table.WriteTo(o.app.Out)
	return err
}

// NewVerifyCmd makes `parallax verify`.
func NewVerifyCmd(app *cli.App) *cobra.Command {
	o := &listOptions{app: app, full: true}
	cmd := &cobra.Command{
		Use: "verify", Short: "Check every file of the packages of this project",
		Long: `Read every file of every installed package and compare it with what parallax.lock says. A package that is missing or was changed ends
with exit code 1; parallax install takes it again.`,
		Example: "  parallax verify",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.verify(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one line of JSON for each package")
	return cmd
}

func (o *listOptions) verify(context.Context) error {
	all, err := o.packages()
	if err != nil {
		return err
	}
	if err := o.print(all); err != nil {
		return err
	}
	for _, l := range all {
		if l.State != "installed" {
			return &market.Error{Code: market.Changed, Message: fmt.Sprintf("%s %s: %s", l.Source, l.Version, l.State), Hint: "parallax install takes it again"}
		}
	}
	return nil
}
