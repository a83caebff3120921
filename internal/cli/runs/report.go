package runs

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/report"
)

func reportCmd(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "report ID --html FILE", Short: "Write one run as a page of HTML",
		Long: `Write one run as a page of HTML that needs nothing beside itself: its tree and timeline, what agents were asked and answered, votes and who
dissented. It holds inputs and answers as they are. FILE - is standard output.`,
		Example: "  parallax runs report 20260504-101112-k2f7qa --html run.html",
		Args:    cli.Args(1, 1, "the id of one run"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.report(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&o.html, "html", "", "`FILE` to write, - being standard output")
	return cmd
}

func (o *Options) report(ctx context.Context, id string) error {
	if o.html == "" {
		return cli.Usagef("parallax runs report "+id+" --html run.html", "a report needs --html FILE")
	}
	return o.look(ctx, id, func(s *badger.Store) error {
		r, err := find(s, id)
		if err != nil {
			return err
		}
		t, err := Story(s, &r)
		if err != nil {
			return err
		}
		if o.html == "-" {
			return report.HTML(o.App.Out, t, report.Limits{})
		}
		return cli.Create(o.path(o.html), "--html", 0o600, func(f *os.File) error { return report.HTML(f, t, report.Limits{}) })
	})
}

// path is a path as the command line gives it.
func (o *Options) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(o.App.Dir, name)
}
