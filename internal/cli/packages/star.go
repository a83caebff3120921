package packages

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
)

type starOptions struct {
	options
	undo bool
}

// NewStarCmd makes `parallax star`.
func NewStarCmd(app *cli.App) *cobra.Command {
	o := &starOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "star NAME|SOURCE",
		Short: "Give a package a star on GitHub",
		Long: `Give the repository of a package a star on GitHub, as the user of GITHUB_TOKEN. The index counts stars now and then, and parallax search
shows what has many before what has few.`,
		Example: "  parallax star acme/debate\n  parallax star acme/debate --undo",
		Args:    cli.Args(1, 1, "one package"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&o.undo, "undo", false, "take the star back")
	return cmd
}

func (o *starOptions) run(ctx context.Context, name string) error {
	m, err := o.market()
	if err != nil {
		return err
	}
	ref, err := m.Named(ctx, name)
	if err != nil {
		return err
	}
	if err := m.Client.Star(ctx, ref, o.undo); err != nil {
		return err
	}
	done := "%s has your star\n"
	if o.undo {
		done = "%s does not have your star any more\n"
	}
	_, err = fmt.Fprintf(o.app.Err, done, ref.Source)
	return err
}
