// Package calibrate is `parallax calibrate`: how far the confidences that agents state can be trusted, from the labels of runs.
package calibrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/consensus"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	Files  []string
	Method string
	Out    string
	JSON   bool
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := &cobra.Command{
		Use:   "calibrate FILE...",
		Short: "Fit the confidences of agents to what turned out to be right",
		Long: fmt.Sprintf(`Read the events of runs, as parallax run --events FILE writes them, and say for each agent how often it was right, and how far the
confidences that it states can be trusted. The labels are those that patterns record with outcome(result, correct).

With --out the maps from stated to calibrated confidences are written as JSON, for apply of @std//calibrate.star:
def main(maps=file("maps.json")), or --input maps=@maps.json. An agent with fewer than %d labels that state a confidence gets no map,
only counts and the 95 %% interval of its share.

ECE is the expected calibration error in 10 bins (0 is perfect), BRIER the mean squared error of the confidence (0 is perfect, 0.25 is what
0.5 always gives). What is shown after the arrow is by ten-fold cross-validation, in the same bins: each label is judged by a map that was fitted
without it. It needs %d labels; with fewer it is left out.

A line that is cut off at the end of a file, as after a crash, is told and left out. The same event in two files counts once.`,
			consensus.FewestLabels, fewestJudged),
		Example: `  parallax calibrate *.jsonl --out maps.json
  parallax calibrate monday.jsonl --method isotonic --json
  parallax run quiz.star --input maps=@maps.json`,
		Args: cli.Args(1, -1, "files of events"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Files = args
			return o.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Method, "method", consensus.Temperature, "how confidences are mapped, `NAME`: temperature (one number, keeps which side of 0.5), platt (two), isotonic (any rising steps; wants many labels)")
	f.StringVarP(&o.Out, "out", "o", "", "write the maps as JSON to `FILE`, - being standard output")
	f.BoolVar(&o.JSON, "json", false, "print one line of JSON instead of the table")
	return cmd
}

// Run reads the files, prints what they say and writes the maps.
func (o *Options) Run(ctx context.Context) error {
	fit, ok := methods()[o.Method]
	if !ok {
		return cli.Usagef("use temperature, platt or isotonic", "there is no method %q", o.Method)
	}
	if o.JSON && o.Out == "-" {
		return cli.Usagef("--json holds the maps too; or give --out a file", "--json and --out - both write to standard output")
	}
	agents, err := o.read(ctx)
	if err != nil {
		return err
	}
	if len(agents) == 0 {
		return cli.Usagef("record labels with outcome(result, correct), and keep them with parallax run --events FILE",
			"there is no label in %s", strings.Join(o.Files, ", "))
	}
	reports := make([]report, len(agents))
	for i, a := range agents {
		if reports[i], err = reportOf(a, fit); err != nil {
			return fmt.Errorf("agent %q: %w", a.name, err)
		}
	}
	if err := o.print(reports); err != nil {
		return err
	}
	return o.write(reports)
}

// methods are the ways to fit a map.
func methods() map[string]fitter {
	return map[string]fitter{
		consensus.Temperature: consensus.FitTemperature, consensus.Platt: consensus.FitPlatt, consensus.Isotonic: consensus.FitIsotonic,
	}
}

type fitter = func(consensus.Labels) (consensus.Map, error)

// read gives the agents that have labels, by name. It tells of what it leaves out.
func (o *Options) read(ctx context.Context) ([]*labelled, error) {
	c := newCollection()
	for _, file := range o.Files {
		cut, err := o.readFile(ctx, c, file)
		if err != nil {
			return nil, err
		}
		if cut > 0 {
			fmt.Fprintf(o.App.Err, "%s:%d: the last line is cut off, and left out\n", file, cut)
		}
	}
	if c.repeated > 0 {
		fmt.Fprintf(o.App.Err, "%s in more than one place counted once\n", counted(c.repeated, "label"))
	}
	return c.sorted(), nil
}

// readFile reads one file, or In for "-". When ctx ends it leaves the reading behind: nobody can end the opening of a pipe that has no
// writer.
func (o *Options) readFile(ctx context.Context, c *collection, file string) (cut int, err error) {
	type end struct {
		cut int
		err error
	}
	done := make(chan end, 1)
	go func() {
		var e end
		e.cut, e.err = o.scan(c, file)
		done <- e
	}()
	select {
	case e := <-done:
		return e.cut, e.err
	case <-ctx.Done():
		return 0, fmt.Errorf("reading %s: %w", file, &cli.Told{Code: cli.Stopped})
	}
}

func (o *Options) scan(c *collection, file string) (cut int, err error) {
	if file == "-" {
		return c.read(o.App.In, "standard input")
	}
	f, err := os.Open(o.path(file))
	if err != nil {
		return 0, cli.Usagef("name files that parallax run --events wrote", "cannot read %s: %v", file, errors.Unwrap(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return 0, cli.Usagef("name the files in it: "+filepath.Join(file, "*.jsonl"), "%s is a directory", file)
	}
	return c.read(f, file)
}

func (o *Options) path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(o.App.Dir, file)
}

// write writes the maps where they are wanted.
func (o *Options) write(reports []report) error {
	if o.Out == "" {
		return nil
	}
	raw, err := json.MarshalIndent(mappings(reports), "", "  ")
	if err != nil {
		return err
	}
	raw = append(raw, '\n')
	if o.Out == "-" {
		_, err = o.App.Out.Write(raw)
		return err
	}
	if err := os.WriteFile(o.path(o.Out), raw, 0o666); err != nil { //nolint:gosec // as any file that a person makes
		return cli.Usagef("name a file in a directory that can be written", "cannot write %s: %v", o.Out, errors.Unwrap(err))
	}
	fitted := slices.ContainsFunc(reports, func(r report) bool { return r.fit != nil })
	if !fitted {
		fmt.Fprintf(o.App.Err, "%s: no agent has %d labels yet, so there is no map in it, only counts\n", o.Out, consensus.FewestLabels)
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
