// Package resume is what one does with a kept run: `parallax resume`, `replay`, `cancel`, `approve` and `signal`.
package resume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/input"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/cli/run"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
)

// Options are what the command line of resume says.
type Options struct {
	run.Options // ID may be the beginning of one

	again bool // a damaged run too
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{Options: run.Options{App: app}}
	cmd := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run that was broken off",
		Long: `Go on with a kept run where it was. Pattern, inputs, seed, limits and budget are those that it began with, whatever has become of the files;
agents are those of parallax.toml as it is now; a run that was imported takes the parallax.toml near the working directory. Agents that have answered are not asked again; sleeps and deadlines go on from when they began.
The beginning of an id is enough where it is clear which run is meant.`,
		Example: "  parallax resume 20260504-101112-k2f7qa\n  parallax resume 2026 --json",
		Args:    cli.Args(1, 1, "one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			return o.Reported(o.Stalled(o.resume(cmd.Context())))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Agents, "agents", "", "`FILE` with [agents] that replace and join those of parallax.toml")
	f.DurationVar(&o.Timeout, "timeout", 0, "suspend the run again when it takes longer than this `duration` from now")
	f.StringVar(&o.Events, "events", "", "write every event as a line of JSON to `FILE`, - being standard output; those of before too")
	f.BoolVar(&o.JSON, "json", false, "print one line of JSON: run, status, result or error, usage")
	f.BoolVarP(&o.Quiet, "quiet", "q", false, "show only the result, and errors")
	f.BoolVar(&o.Anew, "no-cache", false, "ask every agent, also where ask(cache=...) would take an earlier answer")
	f.BoolVar(&o.Wait, "wait", false, "a run that needs a person or a signal stays and waits for parallax approve or signal")
	f.BoolVar(&o.again, "again", false, "go on with a damaged run too, whose agents may be asked again")
	f.StringArrayP("input", "i", nil, "")
	f.String("input-file", "", "")
	for _, name := range []string{"input", "input-file"} {
		_ = f.MarkHidden(name) // there are such flags
	}
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if f.Changed("input") || f.Changed("input-file") {
			return cli.Usagef("parallax run starts a new run with other inputs", "a run goes on with the inputs that it began with")
		}
		return nil
	}
	o.Allow.Flags(f)
	o.Keep.Flags(f)
	o.Keep.WritingFlags(f)
	return cmd
}

func (o *Options) resume(ctx context.Context) error {
	store, err := o.Keep.OpenHere(ctx, o.App)
	if err != nil {
		return err
	}
	defer store.Close()
	r, err := store.Record(o.ID)
	if err != nil {
		return err
	}
	o.ID, o.Seed = r.ID, r.Seed
	if r.Origin != "" {
		o.Took = &run.Took{Run: r.ID}
	}
	switch {
	case r.Parent != "":
		return cli.Usagef("parallax resume "+r.Parent, "%s is a child run: it goes on with the run that asked for it", r.ID)
	case r.Status.Final():
		return o.over(&r)
	case r.Holder != 0:
		return &badger.Held{Run: r.ID, By: r.Holder}
	}
	if r.Damaged != "" && !o.again {
		return cli.Usagef("parallax resume --again "+r.ID+" goes on all the same; parallax runs show "+r.ID+" shows what is left of it",
			"run %s is damaged, so that agents which had answered may be asked again: %s", r.ID, r.Damaged)
	}
	p, err := Restore(o.App, store, &r, o.Agents)
	if err != nil {
		return err
	}
	if !o.Quiet {
		foreign(o.App, &r, p.Manifest)
	}
	if err := p.Missing(); err != nil {
		return err
	}
	j := &run.Job{Inputs: r.Inputs, Bounds: input.Bounds{Limits: r.Limits, Budget: r.Budget}}
	if j.Timeout, err = o.TimeoutOf(p.Manifest); err != nil {
		return err
	}
	ended := false // since the record was read
	j.Begin = func() (*keep.Session, error) {
		s, err := keep.Resume(store, r.ID)
		ended = errors.Is(err, badger.ErrEnded)
		return s, err
	}
	if err = o.Execute(ctx, p, j); !ended {
		return err
	}
	if r, err = store.Record(r.ID); err != nil {
		return err
	}
	return o.over(&r)
}

// over tells of a run that has ended, as it did then.
func (o *Options) over(r *badger.Record) error {
	if !o.Quiet {
		fmt.Fprintf(o.App.Err, "run %s has ended already: %s at %s\n", r.ID, r.Status, r.Ended.Format(time.RFC3339))
	}
	return o.Ended(r)
}

// Restore makes the pattern of a kept run again, from the texts that it had when it began, with the agents of its manifest as it is now.
func Restore(app *cli.App, store *badger.Store, r *badger.Record, agents string) (*project.Project, error) {
	loaded, err := restored(app, store, r)
	if err != nil {
		return nil, err
	}
	m, err := manifestOf(app, r, agents)
	if err != nil {
		return nil, err
	}
	return &project.Project{Manifest: m, Loaded: loaded}, nil
}

// restored compiles the texts that a run recorded.
func restored(app *cli.App, store *badger.Store, r *badger.Record) (*pattern.Loaded, error) {
	if r.ABI != runtime.ABI {
		return nil, &cli.UsageError{
			Message: fmt.Sprintf("run %s was started by parallax %s, whose language (%s) is not that of this one (%s)", r.ID, r.Version, r.ABI, runtime.ABI),
			Hint:    "install parallax " + r.Version + " to go on with it",
		}
	}
	sources := make(map[string]string, len(r.Sources))
	for name, digest := range r.Sources {
		text, err := store.Get(digest)
		if err != nil {
			return nil, fmt.Errorf("run %s: the text of %s: %w", r.ID, name, err)
		}
		sources[name] = string(text)
	}
	opts := project.PatternOptions(app)
	if r.Root == "" || market.IsRef(r.Pattern) && !project.IsThere(app, r.Pattern) {
		opts.Elsewhere = func(string) bool { return true }
	}
	return pattern.Restore(sources, r.Name, cmp.Or(r.Root, app.Dir), app.Environment(), opts)
}

// foreign says of a run that was begun on another machine whose agents it has here.
func foreign(app *cli.App, r *badger.Record, m *manifest.Manifest) {
	if r.Root != "" {
		return
	}
	said := ", and there is no parallax.toml near the working directory"
	if m.Path != "" {
		said = ": its agents are those of " + cli.Short(app.Dir, m.Path)
	}
	fmt.Fprintf(app.Err, "run %s came from elsewhere%s\n", r.ID, said)
}

// manifestOf is the manifest of a run as it is now, and the one near the working directory for a run that came from elsewhere.
func manifestOf(app *cli.App, r *badger.Record, agents string) (*manifest.Manifest, error) {
	if r.Root == "" {
		return project.Manifest(app, "", agents)
	}
	if r.Manifest == "" {
		m, err := project.WithAgents(app, &manifest.Manifest{Dir: r.Root}, agents)
		if err != nil {
			return nil, err
		}
		return m.Available(app.LookupEnv), nil
	}
	m, err := manifest.Load(r.Manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Usagef("put it back, or name its agents with --agents FILE", "run %s began with the agents of %s, which is not there any more", r.ID, r.Manifest)
	}
	if err != nil {
		return nil, err
	}
	if m, err = project.WithAgents(app, m, agents); err != nil {
		return nil, err
	}
	return project.Available(app, m)
}
