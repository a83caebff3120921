package packages

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
)

type installOptions struct {
	options
	ref    string
	locked bool
}

// NewInstallCmd makes `parallax install`.
func NewInstallCmd(app *cli.App) *cobra.Command {
	o := &installOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "install [NAME|SOURCE[@VERSION]]",
		Short: "Install the packages of this project, or one package",
		Long: `Install what [dependencies] in parallax.toml names, in the versions and with the content that parallax.lock says; what is not locked yet is
locked. With a source, such as github.com/owner/repo@v1.2.0, or the name owner/repo that it has in the index, install that package for this user, whatever the project: parallax run
can then run it without a network.

What was installed once is not fetched again. Agents show what they ask for before they run for the first time.`,
		Example: "  parallax install\n  parallax install --locked\n  parallax install acme/debate\n  parallax install github.com/acme/debate@v1.2.0",
		Args:    cli.Args(0, 1, "one name or source"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.ref = args[0]
				return o.one(cmd.Context())
			}
			return o.all(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.locked, "locked", false, "fail if parallax.lock would change, as an automatic build wants it")
	o.flags(cmd)
	return cmd
}

func (o *installOptions) all(ctx context.Context) error {
	m, err := o.here()
	if err != nil {
		return err
	}
	out, err := o.sync(ctx, m.Dir, nil, o.locked)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.app.Err, "%s installed\n", count(len(out.Lock.Packages), "package"))
	return err
}

// one installs a package for no project.
func (o *installOptions) one(ctx context.Context) error {
	m, err := o.market()
	if err != nil {
		return err
	}
	ref, err := m.Named(ctx, o.ref)
	if err != nil {
		return err
	}
	if ref, err = m.Latest(ctx, ref); err != nil {
		return err
	}
	tree, _, err := m.Add(ctx, ref)
	if err != nil {
		return err
	}
	next := "parallax run " + ref.String()
	if tree.Kind == manifest.KindAgent {
		next = "parallax add " + ref.String() + " in a project"
	}
	_, err = fmt.Fprintf(o.app.Err, "installed %s\n\nnow: %s\n", ref, next)
	return err
}
