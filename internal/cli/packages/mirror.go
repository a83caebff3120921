package packages

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

type mirrorOptions struct {
	options
	all bool
}

// NewMirrorCmd makes `parallax mirror`.
func NewMirrorCmd(app *cli.App) *cobra.Command {
	o := &mirrorOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "mirror DIR [NAME|SOURCE[@VERSION]...]",
		Short: "Copy packages into a folder that serves where there is no network",
		Long: `Copy packages with all that they need, for all platforms, and the index into a folder; without names, the packages of this project as parallax.lock has them. Where there is no
network, PARALLAX_HOSTS=*=DIR makes every command take them from there, or hosts = ["*=DIR"] below [market] in config.toml. A server of static files can serve the folder too: *=https://SERVER.

What is there stays and is not fetched again, so that the same command keeps a mirror up to date. It may be read meanwhile.`,
		Example: "  parallax mirror /srv/mirror\n  parallax mirror /srv/mirror acme/debate github.com/acme/critic@v1.4.0\n  parallax mirror /srv/mirror --all",
		Args:    cli.Args(1, -1, "a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args[0], args[1:])
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "copy the newest version of everything in the index")
	return cmd
}

func (o *mirrorOptions) run(ctx context.Context, dir string, names []string) error {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(o.app.Dir, dir)
	}
	m, err := o.market()
	if err != nil {
		return err
	}
	refs, lock, err := o.wanted(ctx, m, names)
	if err != nil {
		return err
	}
	done, err := m.Mirror(ctx, dir, refs, lock)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range done.Packages {
		fmt.Fprintf(&b, "%s\n", r)
	}
	fmt.Fprint(o.app.Out, b.String())
	_, err = fmt.Fprintf(o.app.Err, "%s in %s: %s fetched, %d were there\n\nnow: PARALLAX_HOSTS='*=%s' where there is no network\n", count(len(done.Packages), "package"), dir, count(done.Fetched, "file"), done.Kept, dir)
	return err
}

// wanted says what is to be mirrored.
func (o *mirrorOptions) wanted(ctx context.Context, m *market.Market, names []string) ([]market.Ref, *manifest.Lock, error) {
	var refs []market.Ref
	if o.all {
		if len(names) > 0 {
			return nil, nil, cli.Usagef("leave out --all, or the names", "--all is everything in the index")
		}
		c, err := o.catalogue(ctx)
		if err != nil {
			return nil, nil, err
		}
		return c.Everything(), nil, nil
	}
	if len(names) == 0 {
		mf, lock, _, err := locked(o.app)
		if err != nil {
			return nil, nil, err
		}
		if len(lock.Packages) == 0 {
			return nil, nil, cli.Usagef("name packages, or install them first: parallax install", "this project has no locked packages to mirror")
		}
		for _, d := range mf.Dependencies { // what is asked for is looked at too when versions are found
			refs = append(refs, market.Ref{Source: d.Source, Version: d.Version})
		}
		for _, p := range lock.Packages {
			refs = append(refs, market.Ref{Source: p.Source, Version: p.Version})
		}
		return refs, lock, nil
	}
	for _, name := range names {
		ref, err := m.Named(ctx, name)
		if err == nil {
			ref, err = m.Latest(ctx, ref)
		}
		if err != nil {
			return nil, nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil, nil
}
