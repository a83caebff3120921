// Package cli is what all commands share: what each is handed, how a command ends, and how a failure is told to a person.
//
// Every command is a package of its own below this one, and has three parts: Options, NewCmd, and the function that does the work.
// They are joined in cmd/parallax.
package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parallax-run/parallax/internal/child"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/host/interpreter"
	"github.com/parallax-run/parallax/runtime"
)

// App is what every command is handed: its streams and its surroundings.
type App struct {
	Program Program // zero for parallax

	In        io.Reader // a person's answers
	Out       io.Writer // results, and nothing else
	Err       io.Writer // everything else
	Dir       string    // working directory, absolute
	Self      string    // path of this executable, which is also the bundled agents
	Version   string
	LookupEnv func(string) (string, bool)

	Environment func() runtime.Environment // what scripts can say
	Apart       Apart                      // interprets patterns that come from elsewhere; nil means that this process does
	Std         fs.FS                      // the modules of @std//; nil when there are none
	Bundled     map[string]Bundled         // agents that are part of this executable, by name
	InProcess   map[string]MakeAgent       // agents that answer in this process, by name
}

// Apart makes an interpreter of one load graph that is another process. What it holds ends with the command.
type Apart func() *child.Interpreter

// Program is what a program says of itself. The zero Program is parallax.
type Program struct {
	Name    string // as people type it
	Short   string // what it does, in one line
	Example string

	// Interpreter changes how processes that interpret patterns from elsewhere are started. Nil changes nothing; tests do.
	Interpreter func(*interpreter.Starter)
}

// Name is the program's, as people type it.
func (a *App) Name() string { return cmp.Or(a.Program.Name, "parallax") }

func (a *App) program() Program {
	if a.Program.Name != "" {
		return a.Program
	}
	return Program{
		Name: a.Name(), Short: "Run teams of AI agents from a script",
		Example: "  parallax init hello && cd hello && parallax run\n  parallax run review.star --input path=./src",
	}
}

// Bundled is an agent that is part of this executable and runs as a process of its own: Self __agent NAME.
type Bundled struct {
	// Serve runs the agent until its host is gone.
	Serve func()
	// Secrets gives the environment variables that the agent reads by itself, which need not be set. Nil means none.
	Secrets func(config json.RawMessage) []string
	// Command is the program that the agent runs with its arguments, which it may run where it has permissions. Nil means none.
	Command func(config json.RawMessage) []string
	// Gateway is the server to which a sandboxed agent's requests go with the secret in them. Nil means none.
	Gateway func(config json.RawMessage) host.Gateway
}

// MakeAgent makes an agent that answers in this process.
type MakeAgent = func(host.AgentConfig) (host.InProcessAgent, error)

// Getenv is the value of an environment variable, or "".
func (a *App) Getenv(name string) string {
	v, _ := a.LookupEnv(name)
	return v
}

// Command is a constructor of one command.
type Command func(*App) *cobra.Command

// Main runs one command line and gives the exit code of the process. What went wrong has been told on app.Err by then.
func Main(ctx context.Context, app *App, args []string, commands ...Command) int {
	root := newRoot(app, commands)
	root.SetArgs(args)
	err := misspelled(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return int(Done)
	}
	return int(Tell(app, err))
}

// misspelled finds a command that is none before its flags are taken for those of parallax itself.
func misspelled(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	if len(args) == 0 || strings.HasPrefix(args[0], "-") || strings.HasPrefix(args[0], "__") {
		return nil
	}
	if cmd, _, err := root.Find(args); err == nil && cmd != root {
		return nil
	}
	return unknownCommand(root, args[0])
}

func newRoot(app *App, commands []Command) *cobra.Command {
	p := app.program()
	long := p.Short + "."
	if app.Program.Name == "" {
		long = "Parallax runs teams of AI agents from a script."
	}
	root := &cobra.Command{
		Use:           p.Name,
		Short:         p.Short,
		Long:          long + "\n\n" + exitHelp(),
		Example:       p.Example,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(root, args[0])
	}
	root.SetIn(app.In)
	root.SetOut(app.Out)
	root.SetErr(app.Err)
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	for _, c := range append(commands, completionCmd) {
		cmd := c(app)
		cmd.DisableFlagsInUseLine = true
		root.AddCommand(cmd)
	}
	return root
}

// Group makes a command that only holds others: without one of them it prints its help.
func Group(cmd *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
	cmd.AddCommand(subs...)
	return cmd
}

func unknownCommand(parent *cobra.Command, name string) error {
	var names []string
	for _, c := range parent.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	e := &UsageError{Message: fmt.Sprintf("there is no command %q", parent.CommandPath()+" "+name)}
	if near := runtime.Nearest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", parent.CommandPath()+" "+near)
	} else {
		e.Hint = fmt.Sprintf("%s --help lists the commands", parent.CommandPath())
	}
	return e
}

// flagError turns pflag's errors into usage errors, with the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	e := &UsageError{Message: err.Error(), Hint: fmt.Sprintf("%s --help lists the flags", cmd.CommandPath())}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return wrongValue(wrong, e)
	}
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return e
	}
	e.Message = fmt.Sprintf("%s has no flag --%s", cmd.CommandPath(), missing.GetSpecifiedName())
	for _, c := range cmd.Commands() {
		if c.Name() == missing.GetSpecifiedName() {
			e.Hint = fmt.Sprintf("did you mean %q?", c.CommandPath())
			return e
		}
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := runtime.Nearest(missing.GetSpecifiedName(), names); near != "" {
		e.Hint = fmt.Sprintf("did you mean --%s?", near)
	}
	return e
}

// wrongValue says what a flag wants; a flag whose kind has no words of its own keeps the error as it is.
func wrongValue(wrong *pflag.InvalidValueError, otherwise *UsageError) error {
	f := wrong.GetFlag()
	hint, ok := map[string]string{
		"duration": "give a duration such as 90s or 2m",
		"uint64":   "give a whole number from 0",
		"int":      "give a whole number",
		"time":     "give a time such as 90s, 24h, 30d or 2w",
		"size":     "give a size such as 500MB or 1GiB",
		"bool":     "write --" + f.Name + " or --" + f.Name + "=false",
	}[f.Value.Type()]
	if !ok {
		return otherwise
	}
	return &UsageError{Message: fmt.Sprintf("--%s cannot be %q", f.Name, wrong.GetValue()), Hint: hint}
}

// Args checks the number of arguments; what says what they are, as in "one pattern".
func Args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return &UsageError{
				Message: fmt.Sprintf("%s needs %s", cmd.CommandPath(), what),
				Hint:    "for example: " + firstExample(cmd),
			}
		case most >= 0 && len(args) > most:
			return &UsageError{
				Message: fmt.Sprintf("%s takes %s, got also %q", cmd.CommandPath(), what, args[most]),
				Hint:    fmt.Sprintf("%s --help shows the usage", cmd.CommandPath()),
			}
		}
		return nil
	}
}

func firstExample(cmd *cobra.Command) string {
	line, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
	return strings.TrimSpace(line)
}
