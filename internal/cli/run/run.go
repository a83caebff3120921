// Package run is `parallax run`.
package run

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/input"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/internal/local"
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
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := &cobra.Command{
		Use:   "run [PATTERN]",
		Short: "Run a pattern",
		Long: `Run a pattern: a .star file, or without one the main pattern of the project that parallax.toml describes.

An input is JSON where it parses and the parameter's default is not a string: --input n=3 is a number,
--input name=Ada a string. --input text=@FILE passes a file's content, - being standard input; @@ stands for a leading @.

The result goes to standard output, everything else to standard error.`,
		Example: `  parallax run review.star --input path=./src
  parallax run ask.star --input question=@question.txt --json
  parallax run --limit calls=50 --limit cost=0.25 --events run.jsonl
  parallax run deploy.star --signal approved=true --timeout 10m`,
		Args: cli.Args(0, 1, "one pattern"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Pattern = args[0]
			}
			o.Seeded = cmd.Flags().Changed("seed")
			return o.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.Inputs, "input", "i", nil, "an input, `name=value` or name=@file; may be repeated")
	f.StringVar(&o.InputFile, "input-file", "", "`FILE` with a JSON object of inputs; --input wins")
	f.StringVar(&o.Agents, "agents", "", "`FILE` with [agents] that replace and join those of parallax.toml")
	f.DurationVar(&o.Timeout, "timeout", 0, "end the run after this `duration`, such as 90s")
	f.StringArrayVar(&o.Limits, "limit", nil, "bound the run, `name=N`; may be repeated. Budget: tokens, cost (dollars), calls, time. Sandbox: steps, bytes, depth, live_branches, effects, output, children_depth")
	f.StringArrayVar(&o.Signals, "signal", nil, "a signal for wait_for, `name=JSON`; may be repeated")
	f.StringVar(&o.Events, "events", "", "write every event as a line of JSON to `FILE`, - being standard output")
	f.BoolVar(&o.JSON, "json", false, "print one line of JSON: run, status, result or error, usage")
	f.BoolVarP(&o.Quiet, "quiet", "q", false, "show only the result, and errors")
	f.BoolVar(&o.DryRun, "dry-run", false, "list inputs and agents, and call none")
	f.Uint64Var(&o.Seed, "seed", 0, "`seed` of random() and uuid()")
	f.StringVar(&o.ID, "id", "", "`name` of the run; else one is made")
	return cmd
}

// Run runs the pattern and prints its result.
func (o *Options) Run(ctx context.Context) error {
	err := o.prepareAndRun(ctx)
	if err != nil && o.JSON && !is[*cli.Told](err) {
		if err := cli.JSON(o.App, report{Run: o.ID, Status: "failed", Exit: int(cli.ExitOf(err)), Error: failureOf(o.App.Dir, err)}); err != nil {
			return err
		}
	}
	return err
}

func (o *Options) prepareAndRun(ctx context.Context) error {
	if err := o.identify(); err != nil {
		return err
	}
	p, err := project.Open(o.App, o.Pattern, o.Agents)
	if err != nil {
		return err
	}
	j, err := o.job(ctx, p)
	if err != nil {
		return p.Sourced(err)
	}
	if o.DryRun {
		return o.dryRun(p, j)
	}
	if err := p.Missing(); err != nil {
		return err
	}
	return o.execute(ctx, p, j)
}

// job is what the command line and the manifest make of a run.
type job struct {
	inputs  runtime.Payload
	bounds  input.Bounds
	signals local.Signals
	timeout time.Duration
}

// job checks everything that can be checked before an agent starts.
func (o *Options) job(ctx context.Context, p *project.Project) (*job, error) {
	j := &job{timeout: o.Timeout, bounds: input.Bounds{Limits: p.Manifest.Limits}}
	if j.timeout == 0 {
		j.timeout = p.Manifest.Run.Timeout
	}
	if j.timeout < 0 {
		return nil, cli.Usagef("give a duration such as 90s", "--timeout %s is negative", o.Timeout)
	}
	if err := j.bounds.Override(o.Limits); err != nil {
		return nil, err
	}
	if err := input.Signals(o.Signals, j.signals.Send); err != nil {
		return nil, err
	}
	j.signals.Close()
	prog := p.Loaded.Program
	r := p.InputReader(o.App)
	var err error
	if j.inputs, err = r.Inputs(ctx, prog.Params(), o.InputFile, o.Inputs); err != nil {
		return nil, err
	}
	return j, prog.Bind(j.inputs)
}

// execute starts the agents, runs the pattern and shows it.
func (o *Options) execute(ctx context.Context, p *project.Project, j *job) error {
	sinks, err := o.sinks()
	if err != nil {
		return err
	}
	defer sinks.close()
	defer context.AfterFunc(ctx, sinks.screen.Calm)()
	who := o.person(sinks.screen)
	h := o.host(p, sinks.screen, who)
	defer h.Close()
	if err := h.Start(ctx, p.Agents()...); err != nil {
		if ctx.Err() != nil {
			return runtime.ErrCancelled()
		}
		return err
	}
	eng := &local.Engine{
		Agents: h, Signals: &j.signals, Budget: j.bounds.Budget, Open: p.Loaded.Open, Watch: sinks.watch, Emit: sinks.emit(),
	}
	if who != nil {
		eng.People = who
	}
	ctx, cancel := bound(ctx, j.timeout)
	defer cancel()
	result, err := eng.Run(ctx, local.Run{
		ID: o.ID, Program: p.Loaded.Program, Inputs: j.inputs, Config: runtime.Config{Limits: j.bounds.Limits, Seed: o.Seed},
	})
	return o.finish(sinks, result, p.Sourced(err))
}

// bound ends ctx after the run's timeout.
func bound(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return ctx, func() {}
	}
	late := runtime.Errorf(runtime.Limit, "the run took longer than %s", d)
	late.Hint = "give it more with --timeout"
	return context.WithTimeoutCause(ctx, d, late)
}

func (o *Options) host(p *project.Project, s *screen.Screen, who *asker) *host.Host {
	opts := project.HostOptions(o.App, p.Manifest)
	opts.Log = slog.New(slog.NewTextHandler(s.Lines(), &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: noTime}))
	if who != nil {
		opts.Ask = who.Answer
	}
	return host.New(opts)
}

// noTime leaves out the time of a log line: the screen gives one where it is wanted.
func noTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
