// Package test is `parallax test`: it runs the tests of patterns, which are functions in files named *_test.star.
package test

import (
	"context"
	"regexp"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	Paths   []string
	Only    string // regular expression of the names to run; "" means all
	Timeout time.Duration
	Jobs    int
	Record  bool
	Update  bool
	Watch   bool
	JSON    bool
	JUnit   string // file, or ""
	Cover   bool
	Profile string // file for lcov, or ""

	only *regexp.Regexp
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := &cobra.Command{
		Use:   "test [FILE_test.star | DIR]...",
		Short: "Run the tests of patterns",
		Long: `Run the functions test_... of files named *_test.star, those of a directory with all below it, or without a name those of this directory.

Each test is a run of its own, with agents that answer as it scripts them or as a cassette recorded them: no model, no key, no process. A
test file has assert, scripted, expect, answer, failure, cassette, signals, decides, calls and emitted beside everything else; parallax doc
scripted is a page of the manual.

--record asks the real agents of parallax.toml wherever a test uses a cassette, and writes their answers into it. That costs what the agents cost.

A test that fails ends with exit code 1, a file that cannot be read as a script with 3.`,
		Example: "  parallax test review_test.star\n  parallax test --run escalat ./lib\n  parallax test --record --run '^test_review$'\n  parallax test --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Paths = args
			if len(args) == 0 {
				o.Paths = []string{"."}
			}
			o.Cover = o.Cover || o.Profile != ""
			if o.Record && !cmd.Flags().Changed("timeout") {
				o.Timeout = recordTimeout
			}
			return o.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Only, "run", "", "run only tests whose name matches this `regexp`")
	f.DurationVar(&o.Timeout, "timeout", time.Minute, "end a test after this `duration`; with --record 10m unless given")
	f.IntVar(&o.Jobs, "jobs", runtime.NumCPU(), "run `N` tests at a time")
	f.BoolVar(&o.Record, "record", false, "ask the real agents, and write cassettes")
	f.BoolVar(&o.Update, "update", false, "write golden files")
	f.BoolVar(&o.Watch, "watch", false, "run again what a changed file concerns, until Ctrl-C")
	f.BoolVar(&o.JSON, "json", false, "print a line of JSON for each test, and one for all")
	f.BoolVar(&o.Cover, "cover", false, "count the lines of patterns that the tests run")
	f.StringVar(&o.Profile, "cover-profile", "", "write the counts to `FILE` as lcov does; implies --cover")
	f.StringVar(&o.JUnit, "junit", "", "write the results to `FILE` as JUnit does")
	return cmd
}

// recordTimeout bounds a test that asks real agents.
const recordTimeout = 10 * time.Minute

// Run runs the tests of all files and tells how each ended.
func (o *Options) Run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	files, err := o.files()
	if err != nil {
		return err
	}
	if o.Watch {
		return o.watch(ctx, files)
	}
	_, err = o.round(ctx, files)
	return err
}

// check says what is wrong with the flags.
func (o *Options) check() error {
	var err error
	if o.only, err = regexp.Compile(o.Only); err != nil {
		return cli.Usagef("give a regular expression such as 'escalat|retry'", "--run: %v", err)
	}
	switch {
	case o.Jobs < 1:
		return cli.Usagef("give 1 or more", "--jobs %d: no test would run", o.Jobs)
	case o.Watch && o.Record:
		return cli.Usagef("record once, then watch", "--watch and --record together would ask real agents at every change")
	case o.Watch && o.Update:
		return cli.Usagef("update once, then watch", "--watch and --update together would hide every change")
	}
	return nil
}

// round runs the tests of files once, and tells about them.
func (o *Options) round(ctx context.Context, files []string) ([]*file, error) {
	team := &project{app: o.App}
	defer team.close()
	run := &Runner{Timeout: o.Timeout, Update: o.Update}
	if o.Record {
		run.Record = team.agents
	}
	if o.Cover {
		run.limits = covering
	}
	done, err := o.all(ctx, run, files)
	if err != nil {
		return nil, err
	}
	return done.files, done.end(o)
}
