package packages

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

// NewUpgradeCmd makes `parallax upgrade`.
func NewUpgradeCmd(app *cli.App) *cobra.Command {
	o := &options{app: app}
	cmd := &cobra.Command{
		Use:   "upgrade [ALIAS...]",
		Short: "Take newer versions of packages",
		Long: `Take the newest versions, of all packages of this project or of those named, that work in place of the present ones: with the same first
number. An agent that asks for more than it was granted says so and asks again.`,
		Example: "  parallax upgrade\n  parallax upgrade debate",
		RunE:    func(cmd *cobra.Command, args []string) error { return o.upgrade(cmd.Context(), args) },
	}
	o.flags(cmd)
	return cmd
}

func (o *options) upgrade(ctx context.Context, names []string) error {
	m, err := o.here()
	if err != nil {
		return err
	}
	var only []string
	for _, name := range names {
		alias, err := dependency(m, name)
		if err != nil {
			return err
		}
		only = append(only, alias)
	}
	newer, err := o.newer(ctx, m, only)
	if err != nil {
		return err
	}
	var edits []market.Edit
	for _, n := range newer {
		if n.Latest != "" {
			edits = append(edits, market.Edit{Alias: n.Alias, Value: n.Source + "@" + n.Latest})
		}
	}
	if len(edits) == 0 {
		fmt.Fprintln(o.app.Err, "nothing newer")
	}
	_, err = o.sync(ctx, m.Dir, edits, false)
	return err
}

// newer asks what is newer, of all dependencies or only of some.
func (o *options) newer(ctx context.Context, m *manifest.Manifest, only []string) ([]market.Newer, error) {
	mk, err := o.market()
	if err != nil {
		return nil, err
	}
	_, lock, _, err := locked(o.app)
	if err != nil {
		return nil, err
	}
	asked := *m
	if len(only) > 0 {
		asked.Dependencies = slices.DeleteFunc(slices.Clone(m.Dependencies), func(d manifest.Dependency) bool { return !slices.Contains(only, d.Alias) })
	}
	return mk.Outdated(ctx, &asked, lock)
}

type outdatedOptions struct {
	options
	json bool
}

// NewOutdatedCmd makes `parallax outdated`.
func NewOutdatedCmd(app *cli.App) *cobra.Command {
	o := &outdatedOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use: "outdated", Short: "List packages of which there is a newer version", Example: "  parallax outdated\n  parallax outdated --json",
		Args: cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one line of JSON for each package")
	return cmd
}

func (o *outdatedOptions) run(ctx context.Context) error {
	m, err := o.here()
	if err != nil {
		return err
	}
	newer, err := o.newer(ctx, m, nil)
	if err != nil {
		return err
	}
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, n := range newer {
		if o.json {
			if err := cli.JSON(o.app, n); err != nil {
				return err
			}
			continue
		}
		what := n.Latest
		if n.Major != "" {
			if what != "" {
				what += ", and "
			}
			what += n.Major + ", which may work differently"
		}
		fmt.Fprintf(w, "@%s\t%s\t%s\tthere is %s\n", n.Alias, n.Source, n.Version, what)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(newer) == 0 && !o.json {
		fmt.Fprintln(o.app.Err, "nothing newer")
	}
	_, err = table.WriteTo(o.app.Out)
	return err
}
