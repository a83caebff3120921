// Package test is `parallax test`: it runs the tests of patterns, which are functions in files named *_test.star.
package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	Paths   []string
	Only    string // regular expression of the names to run; "" means all
	Timeout time.Duration
	JSON    bool
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := &cobra.Command{
		Use:   "test [FILE_test.star | DIR]...",
		Short: "Run the tests of patterns",
		Long: `Run the functions test_... of files named *_test.star, those of a directory with all below it, or without a name those of this directory.

Each test is a run of its own, with agents that answer as it scripts them: no model, no key, no process. A test file has assert, scripted,
answer, failure, decides, calls and emitted beside everything else; parallax doc scripted is a page of the manual.
A test that fails ends with exit code 1, a file that cannot be read as a script with 3.`,
		Example: "  parallax test review_test.star\n  parallax test --run escalat ./lib\n  parallax test --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Paths = args
			if len(args) == 0 {
				o.Paths = []string{"."}
			}
			return o.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Only, "run", "", "run only tests whose name matches this `regexp`")
	f.DurationVar(&o.Timeout, "timeout", time.Minute, "end a test after this `duration`")
	f.BoolVar(&o.JSON, "json", false, "print a line of JSON for each test, and one for all")
	return cmd
}

// Run runs the tests of all files and tells how each ended.
func (o *Options) Run(ctx context.Context) error {
	only, err := regexp.Compile(o.Only)
	if err != nil {
		return cli.Usagef("give a regular expression such as 'escalat|retry'", "--run: %v", err)
	}
	files, err := o.files()
	if err != nil {
		return err
	}
	r := &report{app: o.App, json: o.JSON, start: time.Now()}
	for _, file := range files {
		if err := o.file(ctx, file, only, r); err != nil {
			return err
		}
	}
	return r.end()
}

// file runs the tests of one file. What is wrong with its source is told, and the other files still run.
func (o *Options) file(ctx context.Context, file string, only *regexp.Regexp, r *report) error {
	name := cli.Short(o.App.Dir, file)
	s, err := patterntest.Load(file, o.App.Environment(), project.PatternOptions(o.App))
	if err != nil {
		return r.broken(name, project.ShortPath(o.App, err))
	}
	if err := r.file(name); err != nil {
		return err
	}
	for _, t := range s.Tests {
		if !only.MatchString(t.Name) {
			continue
		}
		out := One(ctx, s, t.Name, o.Timeout)
		if ctx.Err() != nil {
			return runtime.ErrCancelled()
		}
		if err := r.test(name, s, out); err != nil {
			return err
		}
	}
	return nil
}

// files lists the files of tests that the command line means, each once.
func (o *Options) files() ([]string, error) {
	var all []string
	for _, given := range o.Paths {
		path := given
		if !filepath.IsAbs(path) {
			path = filepath.Join(o.App.Dir, path)
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, cli.Usagef("name a file called *_test.star, or a directory", "there is no file %s", given)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", given, err)
		case info.IsDir():
			found, err := below(path)
			if err != nil {
				return nil, err
			}
			if len(found) == 0 {
				return nil, cli.Usagef("tests are functions test_... in files called *_test.star", "there are no tests in %s", given)
			}
			all = append(all, found...)
		case !runtime.IsTest(path):
			return nil, cli.Usagef("tests are in files called *_test.star", "%s is no file of tests", given)
		default:
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// below lists the files of tests in a directory and all below it, those whose names begin with a dot left out.
func below(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
		case d.Type().IsRegular() && runtime.IsTest(path):
			found = append(found, path)
		}
		return nil
	})
	return found, err
}
