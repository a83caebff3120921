package index

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
)

type statsOptions struct {
	options
	shrink bool
}

func statsCmd(app *cli.App) *cobra.Command {
	o := &statsOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "stats [DIR]",
		Short: "Count stars and downloads of the packages of an index",
		Long: `Ask the hosts of packages for stars, and how often files of their releases were downloaded, and write that to stats.json. Set GITHUB_TOKEN: it takes
two requests for each package. Where a host wants no more requests, packages that were not asked about keep what stats.json has; it begins with another one
each time. A stats.json that would have much less than before is not written, unless --shrink says that it is meant.`,
		Example: "  parallax index stats",
		Args:    cli.Args(0, 1, "one folder"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), o.dir(args)) },
	}
	cmd.Flags().BoolVar(&o.shrink, "shrink", false, "stats.json may have less than before")
	return cmd
}

func (o *statsOptions) run(ctx context.Context, dir string) error {
	var r *index.Repository
	err := within(dir, func(fsys fs.FS) (err error) {
		r, err = index.Read(fsys)
		if err != nil {
			return err
		}
		return r.Err()
	})
	if err != nil {
		return err
	}
	stats, err := o.count(ctx, r)
	if err != nil {
		return err
	}
	if !o.shrink {
		if err := index.ShrunkStats(r.Stats, stats); err != nil {
			return err
		}
	}
	return cli.Create(filepath.Join(dir, index.StatsName), index.StatsName, 0o644, func(f *os.File) error {
		_, err := f.Write(index.StatsText(stats))
		return err
	})
}

// count asks about all packages, and keeps what was known of those that nobody tells about now.
func (o *statsOptions) count(ctx context.Context, r *index.Repository) (map[string]index.Stats, error) {
	m, err := project.Market(o.app)
	if err != nil {
		return nil, err
	}
	stats := make(map[string]index.Stats)
	asked, kept := 0, 0
	var last error // why packages were kept
	limited := make(map[string]bool)
	for _, e := range turned(r.Entries) {
		host := market.Ref{Source: e.Source}.Host()
		if limited[host] {
			kept++
			stats[e.Name] = r.Stats[e.Name]
			continue
		}
		s, err := m.Counts(ctx, e.Source)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case market.Trouble(err):
			limited[host], last = true, err
			stats[e.Name] = r.Stats[e.Name]
			kept++
		case err != nil:
			fmt.Fprintf(o.app.Err, "%s: %v\n", e.Name, err)
		default:
			stats[e.Name] = s
			asked++
		}
	}
	if asked == 0 && last != nil {
		return nil, last
	}
	if last != nil {
		fmt.Fprintf(o.app.Err, "%v; %s kept what was known\n", last, count(kept, "package"))
	}
	fmt.Fprintf(o.app.Err, "counted %s\n", count(asked, "package"))
	return stats, nil
}

// turned gives the entries in order, beginning somewhere.
func turned(entries []index.Entry) []index.Entry {
	if len(entries) == 0 {
		return nil
	}
	at := rand.IntN(len(entries)) //nolint:gosec // spreads requests
	return append(entries[at:len(entries):len(entries)], entries[:at]...)
}
