// Package doctor is `parallax doctor`: whether this machine and this project have what a run needs.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/host/interpreter"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/runtime"
)

// Options are what the command line says.
type Options struct {
	App    *cli.App
	JSON   bool
	Keep   keep.Options
	Repair bool
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and this project",
		Long: `Check what a run needs: the manifest, the programs and environment variables of the agents, a directory for
temporary files, the terminal; the limits that agents share with other runs; and the runs that are kept. No agent is
started and no secret is shown. Something that is wrong ends with exit code 1. With --repair, what can be read of
damaged runs is kept, and what cannot is put aside.`,
		Example: "  parallax doctor\n  parallax doctor --json\n  parallax doctor --repair",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.Run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print one line of JSON for each finding")
	cmd.Flags().BoolVar(&o.Repair, "repair", false, "repair the kept runs, if they are damaged")
	o.Keep.Flags(cmd.Flags())
	return cmd
}

// finding is one thing that was looked at.
type finding struct {
	What   string `json:"what"`
	State  state  `json:"state"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// state of a finding.
type state string

const (
	fine  state = "ok"
	note  state = "note" // may matter to somebody
	wrong state = "wrong"
)

// Run looks at everything and prints what it found.
func (o *Options) Run(ctx context.Context) error {
	found := append(o.machine(), o.sandbox(ctx))
	if o.App.Apart != nil {
		found = append(found, o.apart())
	}
	m, err := project.Manifest(o.App, "", "")
	found = append(found, o.manifest(m, err))
	if err == nil {
		found = append(found, o.main(m)...)
		found = append(found, o.agents(m)...)
		found = append(found, o.limits(m)...)
		found = append(found, o.packages(m)...)
		found = append(found, o.store(m)) //nolint:contextcheck // it looks at files
	}
	bad := false
	for _, f := range found {
		bad = bad || f.State == wrong
		if o.JSON {
			if err := cli.JSON(o.App, f); err != nil {
				return err
			}
		} else if _, err := io.WriteString(o.App.Out, f.text()); err != nil {
			return err
		}
	}
	if bad {
		return &cli.Told{Code: cli.PatternFailed}
	}
	return nil
}

func (f *finding) text() string {
	s := fmt.Sprintf("%-5s %s", f.State, f.What)
	if f.Detail != "" {
		s += ": " + strings.ReplaceAll(f.Detail, "\n", "\n        ")
	}
	if f.Hint != "" {
		s += "\n        hint: " + f.Hint
	}
	return s + "\n"
}

func (o *Options) machine() []finding {
	found := []finding{{
		What: "parallax", State: fine,
		Detail: fmt.Sprintf("%s, language %s, %s, %s/%s, %d CPUs", o.App.Version, runtime.ABI, goruntime.Version(), goruntime.GOOS, goruntime.GOARCH, goruntime.NumCPU()),
	}}
	return append(found, o.terminal(), tempDir())
}

func (o *Options) terminal() finding {
	f := finding{What: "terminal", State: fine, Detail: "runs are shown as a tree"}
	_, in := screen.Terminal(o.App.In)
	_, out := screen.Terminal(o.App.Err)
	switch {
	case !out:
		f.State, f.Detail = note, "standard error is none: runs are shown as lines"
	case o.App.Getenv("TERM") == "dumb":
		f.State, f.Detail = note, "TERM=dumb: runs are shown as lines"
	case o.App.Getenv("NO_COLOR") != "":
		f.Detail += ", without colours as NO_COLOR is set"
	}
	if !in || !out {
		f.Detail += "; approvals and human agents have nobody to ask"
	}
	return f
}

// tempDir tries what hosts of agents do there.
func tempDir() finding {
	f := finding{What: "temporary directory", State: fine, Detail: os.TempDir()}
	dir, err := os.MkdirTemp("", "parallax-doctor-")
	if err != nil {
		return finding{f.What, wrong, err.Error(), "set TMPDIR to a directory that can be written"}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if len(dir) > 70 {
		f.State, f.Hint = note, "the path is long for unix sockets; a shorter TMPDIR is safer"
	}
	return f
}

// sandbox says how firmly agents can be held here.
func (o *Options) sandbox(ctx context.Context) finding {
	m := sandbox.Probe(ctx, []string{o.App.Self, "__shim"})
	f := finding{What: "sandbox", State: fine, Detail: strings.Join(append([]string{"level " + m.Level.String()}, m.Details...), ", ")}
	if m.Level < sandbox.Strict {
		f.State = note
		f.Hint = "agents whose permissions ask for more than this level do not start here; docs/guides/permissions.md says what each level stops"
		f.Detail += ", not more:\n" + strings.Join(m.Lacks, "\n")
	}
	return f
}

// apart says how firmly patterns from elsewhere are held: it starts the process that interprets them.
func (o *Options) apart() finding {
	f := finding{What: "patterns from elsewhere", State: fine}
	s := interpreter.Starter{Command: []string{o.App.Self, interpreter.Word}, Shim: []string{o.App.Self, "__shim"}}
	level, lacks, err := s.Level()
	switch {
	case err != nil:
		f.State, f.Detail, f.Hint = wrong, err.Error(), "patterns of packages do not run here"
	case level < sandbox.Standard:
		f.State, f.Detail = note, "in a process of their own, level "+level.String()+", not more:\n"+strings.Join(lacks, "\n")
		f.Hint = "a pattern that gets around the language's own limits is not held by this machine"
	default:
		f.Detail = "in a process of their own, level " + level.String() + ", no files, no network, no programs"
	}
	return f
}

func (o *Options) manifest(m *manifest.Manifest, err error) finding {
	switch {
	case err != nil:
		var parts []string
		for _, f := range cli.Explain(o.App.Dir, err) {
			parts = append(parts, f.What)
		}
		return finding{manifest.FileName, wrong, strings.Join(parts, "\n"), "correct the file; parallax run shows the same with more context"}
	case m.Path == "":
		return finding{manifest.FileName, note, "none in this directory or above", "parallax init writes one"}
	}
	return finding{What: manifest.FileName, State: fine, Detail: fmt.Sprintf("%s, %d agents", cli.Short(o.App.Dir, m.Path), len(m.Agents))}
}

func (o *Options) main(m *manifest.Manifest) []finding {
	if m.Project.Main == "" {
		return nil
	}
	f := finding{What: "main pattern", State: fine, Detail: m.Project.Main}
	if _, err := os.Stat(filepath.Join(m.Dir, filepath.FromSlash(m.Project.Main))); err != nil {
		f.State, f.Detail, f.Hint = wrong, fmt.Sprintf("%s is not there", m.Project.Main), "correct main under [project]"
	}
	return []finding{f}
}

// agents looks at each agent's program and variables. Agents that a count made are looked at once.
func (o *Options) agents(m *manifest.Manifest) []finding {
	var found []finding
	tools := []string{}
	for i := range m.Agents {
		a := &m.Agents[i]
		if i > 0 && a.Pos == m.Agents[i-1].Pos && a.File == m.Agents[i-1].File {
			continue
		}
		f, program := o.agent(a)
		found = append(found, f)
		if program != "" && !slices.Contains(tools, program) {
			tools = append(tools, program)
		}
	}
	for _, a := range m.Absent {
		if a.Why != nil {
			found = append(found, finding{What: "agent " + a.Name, State: wrong, Detail: a.Why.Error(), Hint: "parallax install"})
			continue
		}
		found = append(found, finding{
			What: "agent " + a.Name, State: note, Detail: "left out: " + a.Lacks(o.App.LookupEnv) + " is not set", Hint: "set it where parallax runs to have the agent",
		})
	}
	return append(found, o.tools(tools)...)
}

func (o *Options) agent(a *manifest.Agent) (f finding, program string) {
	f = finding{What: "agent " + a.Name, State: fine, Detail: "use " + a.Use}
	command := a.Command
	own, bundled := o.App.Bundled[a.Use]
	_, inProcess := o.App.InProcess[a.Use]
	switch {
	case a.Use == manifest.Plugin:
	case own.Command != nil:
		command = own.Command(json.RawMessage(a.Config))
	case !bundled && !inProcess && a.Use != host.Grpc:
		f.State, f.Detail, f.Hint = wrong, fmt.Sprintf("there is no bundled agent %q", a.Use), o.nearUse(a.Use)
		return f, ""
	}
	if len(command) > 0 {
		program = command[0]
		f.Detail += ", runs " + strings.Join(command, " ")
		if err := look(program, a.Dir); err != nil {
			f.State, f.Detail, f.Hint = wrong, fmt.Sprintf("%s cannot be started: %v", program, err), "install it, or correct command"
			return f, program
		}
	}
	o.variables(a, &f)
	return f, filepath.Base(program)
}

func (o *Options) nearUse(use string) string {
	var names []string
	for name := range o.App.Bundled {
		names = append(names, name)
	}
	for name := range o.App.InProcess {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := runtime.Nearest(use, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "there are " + strings.Join(names, ", ") + ", and plugin with a command"
}

// variables says which environment variables are set; their values are nobody's business.
func (o *Options) variables(a *manifest.Agent, f *finding) {
	var set, unset, absent []string
	for _, name := range a.Secrets {
		if _, ok := o.App.LookupEnv(name); ok {
			set = append(set, name)
		} else {
			unset = append(unset, name)
		}
	}
	if b := o.App.Bundled[a.Use]; b.Secrets != nil {
		for _, name := range b.Secrets([]byte(a.Config)) {
			if _, ok := o.App.LookupEnv(name); ok {
				set = append(set, name)
			} else if !slices.Contains(unset, name) {
				absent = append(absent, name)
			}
		}
	}
	slices.Sort(set)
	if set = slices.Compact(set); len(set) > 0 {
		f.Detail += ", " + strings.Join(set, ", ") + " set"
	}
	if len(absent) > 0 {
		f.State = note
		f.Detail += ", " + strings.Join(absent, ", ") + " not set"
	}
	if len(unset) > 0 {
		f.State, f.Hint = wrong, "set it where parallax runs"
		f.Detail += ", the secret " + strings.Join(unset, ", ") + " is not set"
	}
}

// look finds a program as the host will: a path, or a name on PATH.
func look(program, dir string) error {
	if strings.ContainsAny(program, `/\`) && !filepath.IsAbs(program) {
		program = filepath.Join(dir, program)
	}
	_, err := exec.LookPath(program)
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	return err
}

// tools says where the common tools are that the agents' programs are or need.
func (o *Options) tools(programs []string) []finding {
	var found []finding
	for _, tool := range []string{"git", "go", "node", "python3"} {
		if !slices.Contains(programs, tool) {
			continue
		}
		if path, err := exec.LookPath(tool); err == nil {
			found = append(found, finding{What: tool, State: fine, Detail: path})
		}
	}
	return found
}
