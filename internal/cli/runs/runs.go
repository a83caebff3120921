// Package runs is `parallax runs`: the runs that are kept. They are listed, shown, watched, exported, imported, reported and removed.
package runs

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
)

// Options are what the command line says.
type Options struct {
	App  *cli.App
	JSON bool
	Keep keep.Options

	filter filter
	yes    bool   // rm does not ask
	force  bool   // of export: over a file that is there
	full   bool   // show cuts nothing
	out    string // of export
	html   string // of report
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := cli.Group(&cobra.Command{
		Use:   "runs",
		Short: "List the runs that are kept, and look at them",
		Long: `List the runs that are kept, newest first, and look at them. A run is kept when it was started by parallax run --keep, or where parallax.toml
has a directory under [state]. The beginning of an id is enough where it is clear which run is meant.`,
		Example: "  parallax runs\n  parallax runs show 20260504-101112-k2f7qa\n  parallax runs watch 2026",
	}, listCmd(o), showCmd(o), watchCmd(o), exportCmd(o), importCmd(o), removeCmd(o), reportCmd(o))
	unknown := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args)
		}
		return o.list(cmd.Context())
	}
	cmd.PersistentFlags().BoolVar(&o.JSON, "json", false, "print JSON, one line for each run or event")
	o.Keep.Flags(cmd.PersistentFlags())
	o.filter.flags(cmd)
	return cmd
}

// next is the command that goes on with a run; "" when it has ended.
func (o *Options) next(r *badger.Record) string {
	switch r.Status {
	case badger.Running:
		return o.command("runs watch " + r.ID)
	case badger.Suspended, badger.Lost:
		if r.Damaged != "" {
			return o.command("resume --again " + r.ID)
		}
		return o.command("resume " + r.ID)
	case badger.Done, badger.Failed, badger.Cancelled:
	}
	return ""
}

// command is a command line for the same store.
func (o *Options) command(args string) string {
	if o.Keep.State != "" {
		args += " --state " + o.Keep.State
	}
	return "parallax " + args
}

// took is how long a run has been going on, or went on.
func took(r *badger.Record) time.Duration {
	switch {
	case !r.Ended.IsZero():
		return max(r.Ended.Sub(r.Started), 0)
	case r.Status == badger.Running:
		return max(time.Since(r.Started), 0)
	}
	return 0
}
