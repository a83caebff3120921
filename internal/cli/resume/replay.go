package resume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/input"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/cli/run"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/runtime"
)

// replay is the command line of `parallax replay`.
type replay struct {
	run.Options // ID is that of the run that is replayed

	against string // file of the pattern to replay with, "" for the run's own
	from    string // address from which a new run goes its own way
	newID   string
}

// NewReplayCmd makes `parallax replay`.
func NewReplayCmd(app *cli.App) *cobra.Command {
	o := &replay{Options: run.Options{App: app}}
	cmd := &cobra.Command{
		Use:   "replay RUN",
		Short: "Do a kept run again from its record, without calling agents",
		Long: `Do a kept run again from its record: no agent is called, nothing is waited for, and the result is the same. A run that was broken off is told as
far as it came.

--against FILE replays with another version of the pattern, and says whether that asks for the same at the same addresses: then a run
that is under way could go on with it. --from ADDRESS begins a new kept run that has what came before the address, and does the rest anew; with
--against it does so with the other version. In a branch, as 4.2/1, the branches beside it keep what they did; in a child run, as 3/1, the run goes on in it.`,
		Example: `  parallax replay 2026
  parallax replay 2026 --against review.star
  parallax replay 2026 --from 4.2/1`,
		Args: cli.Args(1, 1, "one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if err := o.fits(cmd.Flags()); err != nil {
				return o.Reported(err)
			}
			return o.Reported(o.do(cmd.Context()))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.against, "against", "", "`FILE` of a pattern to replay with")
	f.StringVar(&o.from, "from", "", "begin a new run that goes its own way from this `ADDRESS`")
	f.StringVar(&o.newID, "id", "", "with --from: `name` of the new run; else one is made")
	f.StringVar(&o.Agents, "agents", "", "with --from: `FILE` with [agents] that replace and join those of parallax.toml")
	f.BoolVar(&o.Wait, "wait", false, "with --from: stay when a person or a signal is needed")
	f.DurationVar(&o.Timeout, "timeout", 0, "with --from: suspend the run after this `duration`")
	f.StringVar(&o.Events, "events", "", "write every event as a line of JSON to `FILE`, - being standard output")
	f.BoolVar(&o.JSON, "json", false, "print one line of JSON")
	f.BoolVarP(&o.Quiet, "quiet", "q", false, "show only the result, and errors")
	o.Allow.Flags(f)
	o.Keep.Flags(f)
	o.Keep.WritingFlags(f)
	return cmd
}

// fits refuses flags about a new run where there is none.
func (o *replay) fits(f *pflag.FlagSet) error {
	for _, name := range append([]string{"id", "agents", "wait", "timeout", "durability"}, run.AllowFlags()...) {
		if o.from == "" && f.Changed(name) {
			return cli.Usagef("add --from ADDRESS, or leave out --"+name, "--%s is about the new run that --from begins", name)
		}
	}
	return nil
}

func (o *replay) do(ctx context.Context) error {
	store, err := o.Keep.OpenHere(ctx, o.App)
	if err != nil {
		return err
	}
	defer store.Close()
	r, err := store.Record(o.ID)
	if err != nil {
		return err
	}
	if r.Parent != "" {
		return cli.Usagef("parallax replay "+r.Parent, "%s is a child run: it is replayed with the run that asked for it", r.ID)
	}
	o.ID, o.Seed = r.ID, r.Seed
	p, err := o.project(store, &r)
	if err != nil {
		return err
	}
	j := &run.Job{Inputs: r.Inputs, Bounds: input.Bounds{Limits: r.Limits, Budget: r.Budget}}
	if err := p.Loaded.Program.Bind(j.Inputs); err != nil {
		return p.Sourced(o.unfit(&r, err))
	}
	switch {
	case o.from != "":
		return o.fork(ctx, store, &r, p, j)
	case o.against != "":
		return o.compare(ctx, store, &r, p, j)
	}
	return o.again(ctx, store, &r, p, j)
}

// unfit says of inputs that the pattern does not take that they are those of the record.
func (o *replay) unfit(r *badger.Record, err error) error {
	e, ok := errors.AsType[*runtime.InputError](err)
	if !ok {
		return err
	}
	if o.against == "" {
		return cli.Usagef("", "the inputs that run %s began with do not fit its pattern: %s", r.ID, e.Message)
	}
	hint := "a replay has the inputs of the recorded run; give another version of its pattern, or begin a run with other inputs: parallax run " + o.against
	return cli.Usagef(hint, "the inputs that run %s began with do not fit %s: %s", r.ID, o.against, e.Message)
}

// project is the pattern that is replayed: the run's own, or that of --against. Agents matter only where there is a new run.
func (o *replay) project(store *badger.Store, r *badger.Record) (*project.Project, error) {
	if o.against != "" {
		return project.Open(o.App, o.against, o.Agents)
	}
	if o.from != "" {
		return Restore(o.App, store, r, o.Agents)
	}
	loaded, err := restored(o.App, store, r)
	return &project.Project{Loaded: loaded, Manifest: &manifest.Manifest{}}, err
}

// again replays a run with its own pattern.
func (o *replay) again(ctx context.Context, store *badger.Store, r *badger.Record, p *project.Project, j *run.Job) error {
	return o.Replay(ctx, p, j, keep.Record{Facts: store}, func(result runtime.Payload, err error) error {
		if _, ends := errors.AsType[*engine.Beyond](err); ends {
			return o.unfinished(r, err)
		}
		if err == nil && r.Status == badger.Done && result.String() != r.Result.String() {
			return fmt.Errorf("the replay of run %s gives another result than the run did: parallax runs show %s has that", r.ID, r.ID)
		}
		return o.replayed(r, err)
	})
}

// replayed says of an error whose record was replayed with what.
func (o *replay) replayed(r *badger.Record, err error) error {
	if err == nil {
		return nil
	}
	return &cli.ReplayError{Run: r.ID, Against: o.against, State: o.Keep.State, Err: err}
}

// unfinished is what a replay ends in that came to the end of the record.
func (o *replay) unfinished(r *badger.Record, err error) error {
	switch {
	case r.Status.Final() && r.Error != nil:
		return r.Error // it ended of something that no fact tells: somebody cancelled it, or its time was up
	case r.Status.Final():
		return fmt.Errorf("the record of run %s is not whole: %w", r.ID, err)
	case r.Holder != 0:
		return &cli.Advised{
			Err: fmt.Errorf("run %s goes on in process %d; so far %w", r.ID, r.Holder, err), Exit: cli.Suspended,
			Hint: (&cli.SuspendedError{Run: r.ID, State: o.Keep.State}).Command("runs watch %s") + " shows what it does",
		}
	}
	return &cli.SuspendedError{Run: r.ID, State: o.Keep.State, Err: err}
}

// verdict is what --against finds.
type verdict struct {
	Run        string `json:"run"`
	Against    string `json:"against"`
	Safe       bool   `json:"safe"`
	SameResult *bool  `json:"same_result,omitempty"` // where the run had one
	Address    string `json:"address,omitempty"`     // of the first difference, or from where the run would go on
	In         string `json:"in,omitempty"`          // run or child run of the address
	Recorded   string `json:"recorded,omitempty"`
	Asked      string `json:"asked,omitempty"`
	Pos        string `json:"pos,omitempty"`
}

// compare says whether another version of the pattern asks for the same.
func (o *replay) compare(ctx context.Context, store *badger.Store, r *badger.Record, p *project.Project, j *run.Job) error {
	eng := &local.Engine{
		Agents: run.Nobody{}, Budget: j.Bounds.Budget, Open: p.Loaded.Open, Keep: keep.Record{Facts: store}, Replay: true,
	}
	result, err := eng.Run(ctx, engine.Run{
		ID: r.ID, Program: p.Loaded.Program, Inputs: j.Inputs, Config: runtime.Config{Limits: j.Bounds.Limits, Seed: r.Seed},
	})
	v := verdict{Run: r.ID, Against: o.against, Safe: true}
	if other, ok := errors.AsType[*engine.Diverged](err); ok {
		v.Safe, v.Address, v.In, v.Recorded, v.Asked, v.Pos = false, other.Addr.String(), other.Run, other.Recorded, other.Asked, cli.PosOf(err)
	} else if more, ok := errors.AsType[*engine.Beyond](err); ok {
		v.Address, v.In, v.Asked, v.Pos = more.Addr.String(), more.Run, more.Asked, cli.PosOf(err)
		if r.Status == badger.Done || r.Status == badger.Failed && r.Error != nil && r.Error.Code != runtime.Limit {
			v.Safe, v.Recorded = false, "nothing more"
			err = &engine.Diverged{Run: more.Run, Addr: more.Addr, Recorded: v.Recorded, Asked: more.Asked, Pos: v.Pos}
		}
	} else if err != nil && !is[*runtime.Error](err) {
		return p.Sourced(err)
	} else if r.Status == badger.Done {
		same := err == nil && result.String() == r.Result.String()
		v.SameResult = &same
	}
	return o.judge(&v, p, o.replayed(r, err))
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// judge tells the verdict.
func (o *replay) judge(v *verdict, p *project.Project, err error) error {
	if o.JSON {
		if lost := cli.JSON(o.App, v); lost != nil || v.Safe {
			return lost
		}
		return &cli.Told{Code: cli.Tell(o.App, p.Sourced(err))}
	}
	if !v.Safe {
		return p.Sourced(err)
	}
	fmt.Fprintf(o.App.Out, "safe: %s asks for the same at the same addresses as run %s did%s\n", v.Against, v.Run, v.rest())
	return nil
}

func (v *verdict) rest() string {
	switch {
	case v.Address != "":
		return ", and goes on at " + v.Address
	case v.SameResult != nil && !*v.SameResult:
		return "; its result is another one"
	}
	return ""
}

// fork begins a new run that has what came before an address.
func (o *replay) fork(ctx context.Context, store *badger.Store, r *badger.Record, p *project.Project, j *run.Job) error {
	family, err := keep.Family(store, r.ID)
	if err != nil {
		return err
	}
	from, ok := keep.PlaceOf(family, o.from)
	if !ok {
		return cli.Usagef("parallax runs show "+r.ID+" has the addresses, such as 2 or 2.0/1, and 3/1 for what the child run at 3 did at 1", "there is nothing at %q in the record of run %s", o.from, r.ID)
	}
	if !o.Quiet && o.against == "" {
		foreign(o.App, r, p.Manifest)
	}
	if err := p.Missing(); err != nil {
		return err
	}
	if j.Timeout, err = o.TimeoutOf(p.Manifest); err != nil {
		return err
	}
	o.ID, o.Seeded = o.newID, true
	if err := o.Identify(); err != nil {
		return err
	}
	o.Pattern = r.Pattern
	if o.against != "" {
		o.Pattern = o.against
	}
	j.Begin = func() (*keep.Session, error) {
		o.Origin, o.From, o.Took = r.ID, o.from, &run.Took{Run: r.ID, Against: o.against}
		now := time.Now()
		j.Inherited = keep.Before(family, from, o.ID, now)
		keep.Left(j.Inherited, r, now)
		return o.Begin(store, p, j)
	}
	return o.Execute(ctx, p, j)
}
