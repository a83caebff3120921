// Package run is `parallax run`.
package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/input"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/edition"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	Pattern   string // "" is the project's main
	Inputs    []string
	InputFile string
	Agents    string // file that replaces and adds agents
	Timeout   time.Duration
	Limits    []string
	Signals   []string
	Events    string // file, or "-" for standard output
	JSON      bool
	Quiet     bool
	DryRun    bool
	Seed      uint64
	Seeded    bool // Seed was given
	ID        string
	Origin    string // of a run that has what came before From in another: the id of that
	From      string // address there
	Took      *Took  // of a run that has facts of another

	Anew  bool // no earlier answer will do
	Allow Allow
	Keep  keep.Options
	Kept  Choice // whether the run is recorded
	only  string // a flag that was given and means nothing unless it is, or ""
	Wait  bool   // stay when a person or a signal from elsewhere is needed
}

// Took says which record is to be replayed when what a run took over from another does not fit it.
type Took struct {
	Run     string
	Against string // file of the pattern, "" for that of the record
}

// Choice is yes, no, or what the project says.
type Choice uint8

// Choices.
const (
	AsProject Choice = iota
	Yes
	No
)

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	kept, server := false, ""
	cmd := &cobra.Command{
		Use:   "run [PATTERN]",
		Short: "Run a pattern",
		Long: `Run a pattern: a .star file, or without one the main pattern of the project that parallax.toml describes. A source such as
github.com/owner/repo@v1.2.0, or the name owner/repo that it has in the index, is a pattern that others published; it is installed if need be, and its agents are
those of this project.

An input is JSON where it parses and the parameter's default is not a string: --input n=3 is a number,
--input name=Ada a string. --input text=@FILE passes a file's content, - being standard input; @@ stands for a leading @.

The result goes to standard output, everything else to standard error.

With --keep, or where parallax.toml has a directory under [state], all that happens is recorded. Such a run survives a crash, Ctrl-C and a
full disk: parallax resume goes on with it, and no agent that has answered is asked again.`,
		Example: `  parallax run review.star --input path=./src
  parallax run ask.star --input question=@question.txt --json
  parallax run --limit calls=50 --limit cost=0.25 --events run.jsonl
  parallax run deploy.star --signal approved=true --timeout 10m
  parallax run audit.star --keep
  parallax run github.com/acme/debate@v1.2.0 --agents agents.toml
  parallax run fetch.star --allow-net=example.com --allow-read=./data`,
		Args: cli.Args(0, 1, "one pattern"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Pattern = args[0]
			}
			o.Seeded = cmd.Flags().Changed("seed")
			if server != "" {
				return o.Reported(edition.NeedsServer(edition.Server))
			}
			o.Choose(cmd.Flags(), kept)
			return o.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	o.Flags(f)
	f.StringVar(&o.Agents, "agents", "", "`FILE` with [agents] that replace and join those of parallax.toml")
	f.DurationVar(&o.Timeout, "timeout", 0, "end the run after this `duration`, such as 90s; one that is kept is suspended, and can go on")
	f.StringVar(&o.Events, "events", "", "write every event as a line of JSON to `FILE`, - being standard output")
	f.BoolVarP(&o.Quiet, "quiet", "q", false, "show only the result, and errors")
	f.BoolVar(&o.DryRun, "dry-run", false, "list inputs and agents, and call none")
	f.BoolVar(&o.Anew, "no-cache", false, "ask every agent, also where ask(cache=...) would take an earlier answer")
	f.BoolVar(&kept, "keep", false, "record the run, so that it can be resumed, replayed and looked at; --keep=false does not")
	f.StringVar(&server, "server", "", "run on the Parallax server at this `URL` instead of here")
	f.BoolVar(&o.Wait, "wait", false, "a kept run that needs a person or a signal stays and waits for parallax approve or signal")
	o.Allow.Flags(f)
	o.Keep.Flags(f)
	o.Keep.WritingFlags(f)
	return cmd
}

// Flags are those of a run that mean the same wherever it happens.
func (o *Options) Flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.Inputs, "input", "i", nil, "an input, `name=value` or name=@file; may be repeated")
	f.StringVar(&o.InputFile, "input-file", "", "`FILE` with a JSON object of inputs; --input wins")
	f.StringArrayVar(&o.Limits, "limit", nil, "bound the run, `name=N`; may be repeated. Budget: tokens, cost (dollars), calls, time. Sandbox: steps, bytes, depth, live_branches, effects, output, children_depth")
	f.StringArrayVar(&o.Signals, "signal", nil, "a signal for wait_for, `name=JSON`; may be repeated")
	f.BoolVar(&o.JSON, "json", false, "print one line of JSON: run, status, result or error, usage")
	f.Uint64Var(&o.Seed, "seed", 0, "`seed` of random() and uuid()")
	f.StringVar(&o.ID, "id", "", "`name` of the run; else one is made")
}

// Choose reads whether the run is to be kept. Who says where wants it. Of wrong combinations prepareAndRun tells, which knows the project.
func (o *Options) Choose(f *pflag.FlagSet, kept bool) {
	switch {
	case f.Changed("keep") && !kept:
		o.Kept = No
	case kept || f.Changed("state"):
		o.Kept = Yes
	}
	for _, name := range []string{"wait", "durability"} {
		if f.Changed(name) {
			o.only = "--" + name
		}
	}
}

// Run runs the pattern and prints its result.
func (o *Options) Run(ctx context.Context) error { return o.Reported(o.prepareAndRun(ctx)) }

// Reported makes the line that --json prints of an error that has not been told yet.
func (o *Options) Reported(err error) error {
	if err != nil && o.JSON && !is[*cli.Told](err) {
		exit := cli.ExitOf(err)
		if err := cli.JSON(o.App, report{Run: o.ID, Status: statusOf(err), Exit: int(exit), Error: failureOf(o.App.Dir, err)}); err != nil {
			return err
		}
	}
	return err
}

func (o *Options) prepareAndRun(ctx context.Context) error {
	if err := o.Identify(); err != nil {
		return err
	}
	p, err := o.Open(ctx)
	if err != nil {
		return err
	}
	kept, err := o.Recorded(p)
	if err != nil {
		return err
	}
	j, err := o.Prepare(ctx, p)
	if err != nil {
		return p.Sourced(err)
	}
	if o.DryRun {
		return o.dryRun(p, j)
	}
	if err := p.Missing(); err != nil {
		return err
	}
	if !kept {
		return o.Execute(ctx, p, j)
	}
	store, err := o.Keep.Open(ctx, o.App, p.Manifest)
	if err != nil {
		return err
	}
	defer store.Close()
	j.Begin = func() (*keep.Session, error) { return o.Begin(store, p, j) }
	err = o.Execute(ctx, p, j)
	if ctx.Err() == nil {
		if lost := keep.Tidy(store, p.Manifest); lost != nil {
			fmt.Fprintf(o.App.Err, "old runs could not be collected, parallax gc tries again: %v\n", lost)
		}
	}
	return err
}

// Recorded says whether runs of a project are kept. An error names a flag that means nothing unless they are.
func (o *Options) Recorded(p *project.Project) (bool, error) {
	kept := o.Kept == Yes || o.Kept == AsProject && p.Manifest.State.Dir != ""
	if !kept && o.only != "" {
		return false, cli.Usagef("add --keep, or leave out "+o.only, "%s is about a run that is kept, and this one is not", o.only)
	}
	return kept, nil
}

// Open loads the pattern: a file, the project's main, or a package.
func (o *Options) Open(ctx context.Context) (*project.Project, error) {
	if !market.IsRef(o.Pattern) && !market.IsName(o.Pattern) || project.IsThere(o.App, o.Pattern) {
		return project.Open(o.App, o.Pattern, o.Agents)
	}
	return project.OpenPackage(ctx, o.App, o.Pattern, o.Agents)
}

// Job is what the command line and the manifest make of a run.
type Job struct {
	Inputs  runtime.Payload
	Bounds  input.Bounds
	Signals []keep.Signal
	Timeout time.Duration
	Begin   func() (*keep.Session, error) // takes the run to record it; nil records nothing

	Inherited []keep.Member // what a recorded run has done before it begins, or nil
}

// Prepare checks everything that can be checked before an agent starts.
func (o *Options) Prepare(ctx context.Context, p *project.Project) (*Job, error) {
	j := &Job{Bounds: input.Bounds{Limits: p.Manifest.Limits}}
	var err error
	if j.Timeout, err = o.TimeoutOf(p.Manifest); err != nil {
		return nil, err
	}
	if err := j.Bounds.Override(o.Limits); err != nil {
		return nil, err
	}
	send := func(name string, p runtime.Payload) { j.Signals = append(j.Signals, keep.Signal{Name: name, Value: p}) }
	if err := input.Signals(o.Signals, send); err != nil {
		return nil, err
	}
	prog := p.Loaded.Program
	r := p.InputReader(o.App)
	if j.Inputs, err = r.Inputs(ctx, prog.Params(), o.InputFile, o.Inputs); err != nil {
		return nil, err
	}
	return j, prog.Bind(j.Inputs)
}

// TimeoutOf is how long the run may take: as the command line says, else as the manifest does.
func (o *Options) TimeoutOf(m *manifest.Manifest) (time.Duration, error) {
	if o.Timeout < 0 {
		return 0, cli.Usagef("give a duration such as 90s", "--timeout %s is negative", o.Timeout)
	}
	return cmp.Or(o.Timeout, m.Run.Timeout), nil
}

// Execute starts the agents, runs the pattern and shows it. o.ID and o.Seed are those of the run.
func (o *Options) Execute(ctx context.Context, p *project.Project, j *Job) error {
	traces := o.traces(ctx, p, j.Begin != nil)
	defer endTraces(ctx, o.App, traces)
	sinks, err := o.sinks(traces)
	if err != nil {
		return err
	}
	defer sinks.close()
	defer context.AfterFunc(ctx, sinks.screen.Calm)()
	who := o.person(sinks.screen)
	var ask func(context.Context, host.Question) (runtime.Payload, error)
	if who != nil {
		ask = who.Answer
	}
	crew := o.Crew(p, sinks.screen.Lines(), ask)
	defer crew.Close()
	if err := crew.start(ctx, p); err != nil {
		return err
	}
	w := &work{
		run: engine.Run{
			ID: o.ID, Program: p.Loaded.Program, Inputs: j.Inputs, Config: runtime.Config{Limits: j.Bounds.Limits, Seed: o.Seed},
		},
		engine: &local.Engine{
			Agents: traces.Agents(crew.agents), Signals: &local.Signals{}, Budget: j.Bounds.Budget, Open: p.Loaded.Open, Watch: sinks.watch, Emit: sinks.emit(),
			Retell: traces != nil, Cache: &local.Memory{}, Anew: o.Anew, Identity: crew.host.Identity,
		},
		timeout: j.Timeout,
		stay:    o.Wait || who != nil,
	}
	if who != nil {
		w.engine.People = who
	}
	if j.Begin == nil {
		result, err := w.do(ctx, j.Signals)
		return o.finish(sinks, result, p.Sourced(err))
	}
	s, err := j.Begin()
	if err != nil {
		return err
	}
	result, err := w.record(ctx, s)
	sinks.took = s.Took
	if keep.StatusOf(err).Final() {
		traces.Over()
	}
	return o.finish(sinks, result, p.Sourced(o.suspended(err)))
}

// bound ends ctx after the run's timeout, if it has one, with late as the cause.
func bound(ctx context.Context, d time.Duration, late error) (context.Context, context.CancelFunc) {
	if d == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, late)
}

// tookLonger is the end of a run that is not kept: nothing of it is left to go on with.
func tookLonger(d time.Duration) *runtime.Error {
	late := runtime.Errorf(runtime.Limit, "the run took longer than %s", d)
	late.Hint = "give it more with --timeout, or --keep it, and it can go on"
	return late
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
