package packages

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

type addOptions struct {
	options
	ref   string
	alias string
}

// NewAddCmd makes `parallax add`.
func NewAddCmd(app *cli.App) *cobra.Command {
	o := &addOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "add NAME|SOURCE[@VERSION]",
		Short: "Add a package to this project",
		Long: `Install a package, by its source or by the name owner/repo that it has in the index, and write it into [dependencies] of parallax.toml and into parallax.lock. A pattern is then loaded by
load("@ALIAS//file.star", ...), an agent is asked by use = "@ALIAS" in its table. A package that is there gets the new version.`,
		Example: "  parallax add acme/debate\n  parallax add github.com/acme/critic@v1.4.0 --as critic",
		Args:    cli.Args(1, 1, "one name or source"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.alias, "as", "", "`ALIAS` by which the project calls it, instead of its name")
	o.flags(cmd)
	return cmd
}

func (o *addOptions) run(ctx context.Context) error {
	mf, err := o.here()
	if err != nil {
		return err
	}
	m, err := o.market()
	if err != nil {
		return err
	}
	ref, err := m.Named(ctx, o.ref)
	if err != nil {
		return err
	}
	if err := o.name(mf, ref); err != nil {
		return err
	}
	if ref, err = m.Latest(ctx, ref); err != nil {
		return err
	}
	out, err := o.sync(ctx, mf.Dir, []market.Edit{{Alias: o.alias, Value: ref.String()}}, false)
	if err != nil {
		return err
	}
	p, _ := out.Lock.Package(ref.Source)
	next := fmt.Sprintf("load(\"@%s//FILE.star\", ...) in a pattern", o.alias)
	if p.Kind == manifest.KindAgent {
		next = fmt.Sprintf("write [agents.%s] with use = \"@%s\"", o.alias, o.alias)
	}
	_, err = fmt.Fprintf(o.app.Err, "added %s %s as @%s\n\nnow: %s\n", p.Source, p.Version, o.alias, next)
	return err
}

// name settles the alias: the one that is asked for, else the one that the package has, else one made of its name.
func (o *addOptions) name(mf *manifest.Manifest, ref market.Ref) error {
	for _, d := range mf.Dependencies {
		if d.Source == ref.Source && o.alias == "" {
			o.alias = d.Alias
		}
	}
	if o.alias == "" {
		o.alias = strings.ToLower(strings.ReplaceAll(ref.Name(), ".", "-"))
	}
	if !manifest.ValidAlias(o.alias) {
		return cli.Usagef("choose another with --as, of lower-case letters, digits, '-' and '_'", "a package cannot be called %q here", o.alias)
	}
	if d, ok := mf.Dependency(o.alias); ok && d.Source != ref.Source {
		return cli.Usagef("choose another with --as", "@%s is %s here", o.alias, d.Source)
	}
	return nil
}
