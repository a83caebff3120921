// Package exec is the agent that runs a command: an oracle such as a compiler, a linter or a test suite, or any program that
// reads and writes JSON.
//
//	[agents.vet]
//	use = "exec"
//	command = ["go", "vet", "./..."]  # required: the program and its arguments; there is no shell
//	input = "json"                    # what it reads: "json" or "none"; see below
//	output = "result"                 # the default; or "json" or "text"
//	ok_codes = [0]                    # the default: exit codes that mean yes
//	on_exit = "answer"                # the default; "fail": any other exit code is an error of the agent
//	max_output = 4194304              # the default: bytes of stdout, and of stderr
//	dir = "service"                   # as for every agent: where it runs
//	env = ["GOFLAGS"]                 # as for every agent: names of environment variables it sees beside the usual ones
//	secrets = ["GITHUB_TOKEN"]        # the same for secrets, which are taken out of what it prints
//
// # Input
//
// {name} in an argument stands for the input of that name, and {task} for the task's words: a string as it is, anything else
// as JSON. An argument that is nothing but {name} becomes one argument for each element if the input is a list. {{ and }}
// stand for braces. A value that would be read as an option, because it begins with "-", is refused unless "--" stands before
// it. With input = "json" the command reads the inputs as one JSON object on stdin, in which "task" is the task unless the
// script names an input so. That is the default of a command without placeholders; one with placeholders reads nothing.
//
// # Answer
//
// With output = "result" the answer is {exit_code, stdout, stderr}; with "text" it is stdout without the line end at its end,
// with "json" it is the JSON that stands on stdout. An exit code that means yes has the confidence 1, any other 0, both on the
// basis "verifier": the no of an oracle is an answer, not a failure. A program that is not there, that a signal ended, or that
// prints more than max_output is an error.
//
// When the call ends, for whatever reason, the command and everything in its process group are killed. It sees PATH, HOME, the
// language and time zone, the temporary directory, what env and secrets name, TRACEPARENT where the run is traced, and no other variables.
package exec

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
	programs "github.com/parallax-run/parallax/plugins/process"
)

// Config is the agent's table in parallax.toml; the package's documentation explains the keys.
type Config struct {
	Command   []string `json:"command"`
	Input     string   `json:"input,omitempty"`
	Output    string   `json:"output,omitempty"`
	OKCodes   []int    `json:"ok_codes,omitempty"`
	OnExit    string   `json:"on_exit,omitempty"`
	MaxOutput int      `json:"max_output,omitempty"`

	args    []argument // without the program
	dir     string
	environ []string
	secrets programs.Secrets
}

const defaultOutput = 4 << 20 // bytes

// Agent is the agent's definition.
func Agent() agent.Definition {
	return agent.Define(agent.Info{
		Name:        "exec",
		Version:     "1.0.0",
		Description: "Runs a command; its exit code and output become the answer.",
	}, answer)
}

// Command is the program that a configuration runs and its arguments, nil when it names none.
func Command(config json.RawMessage) []string {
	var c Config
	if json.Unmarshal(config, &c) != nil { // the agent says what is wrong with it
		return nil
	}
	return c.Command
}

// Open implements agent.Opener.
func (c *Config) Open(_ context.Context, s *agent.Session) error {
	if err := c.check(); err != nil {
		return err
	}
	c.dir = s.Workdir
	if err := c.parse(); err != nil {
		return err
	}
	s.Describe(strings.Join(c.Command, " "))
	c.environ, c.secrets = programs.Inherit(s)
	return nil
}

func (c *Config) check() error {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return agent.BadInput("command is missing").WithField("command", "missing").
			WithHint(`set command = ["program", "argument"] in parallax.toml`)
	}
	for _, key := range []struct {
		name    string
		value   *string
		allowed []string
	}{
		{"input", &c.Input, []string{"", "json", "none"}},
		{"output", &c.Output, []string{"result", "json", "text"}},
		{"on_exit", &c.OnExit, []string{"answer", "fail"}},
	} {
		if *key.value == "" {
			*key.value = key.allowed[0]
		}
		if !slices.Contains(key.allowed, *key.value) {
			return agent.BadInput("%s is %q; use %s", key.name, *key.value, strings.Trim(strings.Join(key.allowed, " or "), " or")).
				WithField(key.name, "unknown")
		}
	}
	if len(c.OKCodes) == 0 {
		c.OKCodes = []int{0}
	}
	if c.MaxOutput == 0 {
		c.MaxOutput = defaultOutput
	}
	if c.MaxOutput < 0 {
		return agent.BadInput("max_output must not be below zero").WithField("max_output", "must not be below zero")
	}
	return nil
}

// parse reads the placeholders of the command, and settles what the command reads.
func (c *Config) parse() error {
	c.args = nil
	holes := false
	for i, word := range c.Command {
		a, err := parseArgument(word)
		if err != nil {
			return err
		}
		if i == 0 && a.holes() {
			return agent.BadInput("command: the program itself cannot be an input").WithField("command", "placeholder in the program")
		}
		if i > 0 {
			holes = holes || a.holes()
			c.args = append(c.args, a)
		}
	}
	if c.Input == "" {
		c.Input = "json"
		if holes {
			c.Input = "none"
		}
	}
	return nil
}

// answer is the agent.
func answer(ctx context.Context, c *agent.Call[Config], input json.RawMessage) (json.RawMessage, error) {
	in, err := newInputs(c.Task(), input)
	if err != nil {
		return nil, err
	}
	args, err := in.arguments(c.Config.args)
	if err != nil {
		return nil, err
	}
	run := &process{config: c.Config, args: args, limit: c.Timeout(), parent: c.Traceparent()}
	if c.Config.Input == "json" {
		run.stdin = in.object()
	}
	c.Progress(0, filepath.Base(c.Config.Command[0]))
	if err := run.do(ctx); err != nil {
		return nil, err
	}
	if slices.Contains(c.Config.OKCodes, run.code) {
		c.Confidence(1, agent.Verifier)
	} else {
		c.Confidence(0, agent.Verifier)
	}
	return run.answer()
}
