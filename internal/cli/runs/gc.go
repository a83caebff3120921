package runs

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/cli/span"
)

// gcOptions are what the command line of gc says.
type gcOptions struct {
	Options

	age    span.Value
	bytes  span.Bytes
	runs   int
	cache  bool
	dryRun bool
}

// NewGCCmd makes parallax gc.
func NewGCCmd(app *cli.App) *cobra.Command {
	o := &gcOptions{Options: Options{App: app}}
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove old runs and give their room back to the disk",
		Long: `Remove runs that ended long ago, or as many of the oldest as it takes to come below a size, and what no run needs any more. Runs that go on,
are suspended or lost stay. keep_for and keep_bytes under [state] of parallax.toml say what stays unless the flags do; where nothing says so,
no run is removed. What is left of removed ones always goes, also of those that parallax runs rm removed. Texts that no run needs stay for an hour,
as a run that is just beginning may be about to say that it does: for a minute where a removed run had them.

Answers that are kept for ask(cache=...) go when nobody used them for 30 days, or cache_for, and the oldest until all take no more than 256 MiB,
or cache_bytes; with --cache all of them go.`,
		Example: "  parallax gc --max-age 30d --dry-run\n  parallax gc --max-bytes 1GiB",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.gc(cmd.Context()) },
	}
	f := cmd.Flags()
	f.Var(&o.age, "max-age", "remove runs that ended longer ago than this `time`, such as 30d")
	f.Var(&o.bytes, "max-bytes", "remove the oldest until all that is kept takes no more than this `size`, such as 1GiB")
	f.IntVar(&o.runs, "max-runs", 0, "remove the oldest until no more than `N` are left that have ended")
	f.BoolVar(&o.cache, "cache", false, "remove all answers that are kept for ask(cache=...)")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be removed, and remove nothing")
	f.BoolVar(&o.JSON, "json", false, "print one line of JSON")
	o.Keep.Flags(f)
	return cmd
}

// collected is what gc prints as JSON.
type collected struct {
	Runs    []string `json:"runs"` // that were removed, or would be
	Answers int      `json:"answers,omitempty"`
	Blobs   int      `json:"blobs"`
	Bytes   int64    `json:"bytes"`          // by which the store got smaller on the disk
	Held    int      `json:"held,omitempty"` // texts that no run needs and that are too new to go
	DryRun  bool     `json:"dry_run,omitempty"`
}

func (o *gcOptions) gc(ctx context.Context) error {
	if o.runs < 0 {
		return cli.Usagef("give a number from 0", "--max-runs cannot be %d", o.runs)
	}
	policy, err := o.policy()
	if err != nil {
		return err
	}
	dir, exists, err := o.dir()
	if err != nil {
		return err
	}
	if !exists {
		return o.nothing("no run is kept in %s yet", dir)
	}
	return o.in(ctx, dir, badger.Options{}, func(s *badger.Store) error {
		freed, err := s.GC(policy)
		if err != nil {
			return err
		}
		return o.tell(policy, freed)
	})
}

// policy is what the flags say, else what parallax.toml says.
func (o *gcOptions) policy() (badger.Retention, error) {
	m, err := project.Manifest(o.App, "", "")
	if err != nil {
		return badger.Retention{}, err
	}
	p := keep.Retention(m)
	if o.age > 0 || o.bytes > 0 || o.runs > 0 {
		p.MaxAge, p.MaxBytes, p.MaxRuns = o.age.Duration(), int64(o.bytes), o.runs
	}
	p.AllAnswers = o.cache
	p.DryRun = o.dryRun
	return p, nil
}

func (o *gcOptions) tell(p badger.Retention, freed badger.Freed) error {
	if o.JSON {
		return cli.JSON(o.App, collected{append([]string{}, freed.IDs...), freed.Answers, freed.Blobs, freed.Bytes, freed.Young, p.DryRun})
	}
	verb := "removed"
	if p.DryRun {
		verb = "would remove"
	}
	for _, id := range freed.IDs {
		if _, err := fmt.Fprintf(o.App.Out, "%s %s\n", verb, id); err != nil {
			return err
		}
	}
	what := many(freed.Runs, "run")
	if freed.Answers > 0 {
		what += ", " + many(freed.Answers, "kept answer")
	}
	if p.DryRun {
		fmt.Fprintf(o.App.Err, "would remove %s of %s\n", what, span.Text(freed.Bytes))
	} else {
		fmt.Fprintf(o.App.Err, "removed %s and %s, freed %s\n", what, many(freed.Blobs, "text"), span.Text(freed.Bytes))
	}
	if freed.Young > 0 {
		until := freed.Until.Local().Add(time.Second).Format(time.TimeOnly)
		fmt.Fprintf(o.App.Err, "%s of %s that no run needs may belong to one that is just beginning: parallax gc removes them after %s\n",
			many(freed.Young, "text"), span.Text(freed.YoungBytes), until)
	}
	if !p.AllAnswers && p.MaxAge == 0 && p.MaxBytes == 0 && p.MaxRuns == 0 {
		fmt.Fprintln(o.App.Err, "nothing says how long runs stay: give --max-age, --max-bytes or --max-runs, or set keep_for under [state]")
	}
	return nil
}

func many(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
