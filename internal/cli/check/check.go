// Package check is `parallax check`.
package check

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/pattern"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	Patterns []string
	Agents   string
	JSON     bool
	Fix      bool
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := &cobra.Command{
		Use:   "check [PATTERN...]",
		Short: "Check patterns without running them",
		Long: `Check patterns and everything they load, and the agents they name. Nothing runs but top-level code.
Without PATTERN the project's main is checked. Errors end with exit code 3.

Every finding has a code; parallax explain CODE is its manual page. With --fix, what can be rewritten without a change of meaning is
rewritten in the files, and what is left is reported. The JSON is described by docs/schemas/check.schema.json.`,
		Example: "  parallax check review.star\n  parallax check *.star --json\n  parallax check --fix review.star",
		RunE: func(_ *cobra.Command, args []string) error {
			o.Patterns = args
			if len(args) == 0 {
				o.Patterns = []string{""}
			}
			return o.Run()
		},
	}
	cmd.Flags().StringVar(&o.Agents, "agents", "", "`FILE` with [agents] that replace and join those of parallax.toml")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print one line of JSON for each pattern")
	cmd.Flags().BoolVar(&o.Fix, "fix", false, "make the changes that are safe")
	return cmd
}

// Run checks all patterns and tells what is wrong with any.
func (o *Options) Run() error {
	bad := false
	for _, path := range o.Patterns {
		r, err := o.check(path)
		if err != nil {
			return err
		}
		bad = bad || !r.OK()
		if err := o.print(path, r); err != nil {
			return err
		}
	}
	if bad {
		return &cli.Told{Code: cli.Source}
	}
	return nil
}

func (o *Options) check(path string) (*pattern.Report, error) {
	m, err := project.Manifest(o.App, path, o.Agents)
	if err != nil {
		return nil, err
	}
	path, err = project.Path(o.App, m, path)
	if err != nil {
		return nil, err
	}
	opts := pattern.CheckOptions{Options: project.Options(o.App, m), Effects: effects()}
	if m.Path != "" || o.Agents != "" {
		opts.Agents = append([]string{}, m.AgentNames()...)
		for _, r := range m.Roles { // agents of those who use the package
			opts.Agents = append(opts.Agents, r.Name)
		}
	}
	r, err := pattern.Check(path, o.App.Environment(), opts)
	if err == nil && o.Fix {
		r, err = o.fix(path, r, opts)
	}
	return r, project.ShortPath(o.App, err)
}

// fix makes the safe changes and checks again. A file that can be read at last may load others, with changes of their own.
func (o *Options) fix(path string, r *pattern.Report, opts pattern.CheckOptions) (*pattern.Report, error) {
	for range maxFixes {
		changed, err := pattern.Fix(r, opts, o.App.Environment())
		if err != nil {
			return nil, err
		}
		if len(changed) == 0 {
			break
		}
		for _, name := range changed {
			fmt.Fprintf(o.App.Err, "fixed %s\n", cli.Short(o.App.Dir, filepath.Join(r.Root, filepath.FromSlash(name))))
		}
		if r, err = pattern.Check(path, o.App.Environment(), opts); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// maxFixes bounds how often files are fixed that others loaded only then.
const maxFixes = 10

// effects names the builtins that act on the world.
func effects() []string {
	var names []string
	for _, d := range builtins.Decls() {
		if d.Effect {
			names = append(names, d.Name)
		}
	}
	return names
}

func (o *Options) print(path string, r *pattern.Report) error {
	if o.JSON {
		return cli.JSON(o.App, r)
	}
	if path == "" {
		path = cli.Short(o.App.Dir, filepath.Join(r.Root, filepath.FromSlash(r.Pattern)))
	}
	if len(r.Findings) > 0 {
		if _, err := io.WriteString(o.App.Err, r.Excerpts()+"\n\n"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(o.App.Err, "%s: %s\n", path, verdict(r))
	return err
}

func verdict(r *pattern.Report) string {
	wrong, warnings := 0, 0
	for _, f := range r.Findings {
		if f.Severity == pattern.IsError {
			wrong++
		} else {
			warnings++
		}
	}
	s := fmt.Sprintf("ok, %s checked", count(len(r.Files), "file"))
	if wrong > 0 {
		s = count(wrong, "error")
	}
	if warnings > 0 {
		s += ", " + count(warnings, "warning")
	}
	return s
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
