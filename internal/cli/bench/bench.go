// Package bench is `parallax bench`: how fast a pattern runs in one process.
package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/input"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	Pattern   string
	Inputs    []string
	InputFile string
	Agents    string
	Limits    []string
	For       time.Duration
	JSON      bool
	Seed      uint64
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := &cobra.Command{
		Use:   "bench [PATTERN]",
		Short: "Measure how fast a pattern runs",
		Long: `Compile a pattern once, warm up, then run it back to back in this process for a while. Agents are started before.

  build_ms       reading and compiling the pattern
  median_ms      time of a run, the median of all timed runs
  min_ms         time of the fastest run
  cpu_ms         CPU time of this process, user and system, per run; that of agent processes is not in it
  runs, per_s    timed runs, and how many of them a second
  maxrss_mb      largest resident memory of this process so far, in MiB
  agents_cpu_ms  CPU time of agent processes from start to end, divided by all runs; left out where there are none`,
		Example: "  parallax bench fanout.star --input n=1000 --for 2.5s --json",
		Args:    cli.Args(0, 1, "one pattern"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Pattern = args[0]
			}
			return o.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.Inputs, "input", "i", nil, "an input, `name=value` or name=@file; may be repeated")
	f.StringVar(&o.InputFile, "input-file", "", "`FILE` with a JSON object of inputs; --input wins")
	f.StringVar(&o.Agents, "agents", "", "`FILE` with [agents] that replace and join those of parallax.toml")
	f.StringArrayVar(&o.Limits, "limit", nil, "bound each run, `name=N`; see parallax run")
	f.DurationVar(&o.For, "for", 2500*time.Millisecond, "measure for this `duration`, at least one run")
	f.BoolVar(&o.JSON, "json", false, "print one line of JSON")
	f.Uint64Var(&o.Seed, "seed", 0, "`seed` of random() and uuid()")
	return cmd
}

// figures are what a measurement gives.
type figures struct {
	Build     float64 `json:"build_ms"`
	Median    float64 `json:"median_ms"`
	Min       float64 `json:"min_ms"`
	CPU       float64 `json:"cpu_ms"`
	Runs      int     `json:"runs"`
	PerSecond float64 `json:"per_s"`
	MaxRSS    float64 `json:"maxrss_mb"`
	AgentsCPU float64 `json:"agents_cpu_ms,omitempty"`
}

// Run measures and prints.
func (o *Options) Run(ctx context.Context) error {
	if o.For <= 0 {
		return cli.Usagef("give a duration such as 2.5s", "--for %s is not positive", o.For)
	}
	start := time.Now()
	p, err := project.Open(o.App, o.Pattern, o.Agents)
	if err != nil {
		return err
	}
	build := time.Since(start)
	s, err := o.subject(ctx, p)
	if err != nil {
		return err
	}
	f, err := s.measure(ctx, o.For)
	if err != nil {
		return p.Sourced(err)
	}
	f.Build = millis(build)
	return o.print(f)
}

// subject is what is measured.
type subject struct {
	host  *host.Host
	names []string
	run   engine.Run
	eng   *local.Engine
	n     int // runs so far
}

func (o *Options) subject(ctx context.Context, p *project.Project) (*subject, error) {
	bounds := input.Bounds{Limits: p.Manifest.Limits}
	if err := bounds.Override(o.Limits); err != nil {
		return nil, err
	}
	prog := p.Loaded.Program
	inputs, err := p.InputReader(o.App).Inputs(ctx, prog.Params(), o.InputFile, o.Inputs)
	if err != nil {
		return nil, err
	}
	if err := prog.Bind(inputs); err != nil {
		return nil, err
	}
	if err := p.Missing(); err != nil {
		return nil, err
	}
	opts := project.HostOptions(o.App, p.Manifest)
	limits := project.Limits(o.App, opts.Log)
	opts.Memory = limits
	h := host.New(opts)
	return &subject{
		host:  h,
		names: p.Agents(),
		run:   engine.Run{Program: prog, Inputs: inputs, Config: runtime.Config{Limits: bounds.Limits, Seed: o.Seed}},
		eng:   &local.Engine{Agents: limits.Agents(h, project.LimitsOf(o.App, p.Manifest)), Budget: bounds.Budget, Open: p.Loaded.Open},
	}, nil
}

// measure warms up for a tenth of the time and then runs back to back.
func (s *subject) measure(ctx context.Context, d time.Duration) (figures, error) {
	children := childCPU()
	defer s.host.Close()
	if err := s.host.Start(ctx, s.names...); err != nil {
		return figures{}, err
	}
	if _, err := s.repeat(ctx, d/10); err != nil {
		return figures{}, err
	}
	cpu, start := ownCPU(), time.Now()
	times, err := s.repeat(ctx, d)
	if err != nil {
		return figures{}, err
	}
	cpu, wall := ownCPU()-cpu, time.Since(start)
	f := figures{
		Runs: len(times), CPU: millis(cpu) / float64(len(times)), PerSecond: float64(len(times)) / wall.Seconds(), MaxRSS: maxRSS(),
	}
	slices.Sort(times)
	f.Min, f.Median = millis(times[0]), millis(times[len(times)/2])
	if err := s.host.Close(); err != nil {
		return f, err
	}
	f.AgentsCPU = millis(childCPU()-children) / float64(s.n)
	return f, nil
}

// repeat runs at least once, and until d has passed.
func (s *subject) repeat(ctx context.Context, d time.Duration) ([]time.Duration, error) {
	var times []time.Duration
	for begin := time.Now(); len(times) == 0 || time.Since(begin) < d; {
		s.n++
		s.run.ID = "bench-" + strconv.Itoa(s.n)
		start := time.Now()
		if _, err := s.eng.Run(ctx, s.run); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}

func (o *Options) print(f figures) error {
	if o.JSON {
		return cli.JSON(o.App, f)
	}
	_, err := fmt.Fprintf(o.App.Out, "build   %.3f ms\nmedian  %.3f ms\nmin     %.3f ms\ncpu     %.3f ms a run\nruns    %d, %.1f/s\nmemory  %.1f MiB\n",
		f.Build, f.Median, f.Min, f.CPU, f.Runs, f.PerSecond, f.MaxRSS)
	if err == nil && f.AgentsCPU > 0 {
		_, err = fmt.Fprintf(o.App.Out, "agents  %.3f ms of CPU a run\n", f.AgentsCPU)
	}
	return err
}

func millis(d time.Duration) float64 { return float64(d.Nanoseconds()/1000) / 1000 }
