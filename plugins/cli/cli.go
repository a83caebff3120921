// Package cli is the agent that puts a coding agent, or any tool that is asked on its command line, to work: once for each call,
// in the agent's directory.
//
//	[agents.coder]
//	use = "cli"
//	preset = "claude"          # claude, codex, gemini, goose, opencode; it fills in command and lines
//	mode = "jsonl"             # the default: the command runs once and prints; "acp": it speaks the Agent Client Protocol
//	command = ["claude", "-p"] # required without a preset: program and arguments, without a shell
//	args = ["--model", "opus"] # further arguments, beside those of a preset
//	instructions = "Be brief." # put before every prompt
//	answer = "last"            # the default: what it wrote after its last tool, where it gives no answer as such; or "all"
//	dir = "service"            # as for every agent: where it works
//	env = ["NODE_OPTIONS"]     # as for every agent: names of environment variables it sees beside the usual ones
//	secrets = ["API_KEY"]      # the same for secrets, which are taken out of what it prints
//
// # What it is asked
//
// The instructions, earlier messages of the conversation, the task's words, then each input as a block between its name in angle brackets. With
// returns= the JSON Schema follows; the answer is then the JSON that is found in the text. It comes on stdin, or where the command
// has {prompt} in that argument, or in a file whose path stands for {prompt_file}.
//
// # Mode jsonl
//
//	output = "text"      # the default without lines: what it prints is the answer; "jsonl": what lines say of its lines
//	ok_codes = [0]       # the default; any other exit code is an error
//	max_output = 67108864  # the default: bytes of stdout, and of stderr
//
// The tables under lines say what a line of JSON means; see [Line]. A command that fails, a line that says so, and an end without
// an answer are errors with the last words of stderr.
//
// # Mode acp
//
//	allow = ["read", "search", "think"]  # the default: kinds of tools it may use without a question; "*" for all
//	ask = ["edit", "execute"]            # kinds for which a person is asked; all others are refused
//	session_mode = "plan"                # a mode of the tool, where it has some
//	auth = "api-key"                     # a method of the tool's by which it logs in, where it has to
//
// The kinds are those of the protocol: read, edit, delete, move, search, execute, think, fetch, switch_mode, other. Files are read and
// written for it only below dir, with "read" and "edit"; terminals are opened for it only with "execute". This holds what the tool asks
// for. What it does without asking is held by its permissions in parallax.toml, and by nothing else.
//
// When the call ends, for whatever reason, the tool and everything in its process group are killed; in mode acp it is told first.
package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/llm"
	"github.com/parallax-run/parallax/plugins/process"
)

// Config is the agent's table in parallax.toml; the package's documentation explains the keys.
type Config struct {
	Preset       string   `json:"preset,omitempty"`
	Mode         string   `json:"mode,omitempty"`
	Command      []string `json:"command,omitempty"`
	Args         []string `json:"args,omitempty"`
	Instructions string   `json:"instructions,omitempty"`
	Answer       string   `json:"answer,omitempty"`
	MaxOutput    int      `json:"max_output,omitempty"`

	Output  string `json:"output,omitempty"`
	OKCodes []int  `json:"ok_codes,omitempty"`
	Lines   []Line `json:"lines,omitempty"`

	Allow       []string `json:"allow,omitempty"`
	Ask         []string `json:"ask,omitempty"`
	SessionMode string   `json:"session_mode,omitempty"`
	Auth        string   `json:"auth,omitempty"`

	environ []string
	secrets process.Secrets
}

// Modes.
const (
	jsonl   = "jsonl"
	acpMode = "acp"
)

// Places of the prompt in a command.
const (
	inArgument = "{prompt}"
	inFile     = "{prompt_file}"
)

const defaultOutput = 64 << 20 // bytes

// Agent is the agent's definition.
func Agent() agent.Definition {
	return agent.Define(agent.Info{
		Name:        "cli",
		Version:     "1.0.0",
		Description: "Puts a coding agent or another command line tool to work.",
		Interactive: true,
		Streaming:   true,
	}, answer)
}

// Open implements agent.Opener.
func (c *Config) Open(_ context.Context, s *agent.Session) error {
	if err := c.fill(); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	c.Command = append(slices.Clone(c.Command), c.Args...)
	c.environ, c.secrets = process.Inherit(s)
	s.Describe(c.secrets.Clean(c.Mode + ": " + strings.Join(c.Command, " ")))
	return nil
}

func (c *Config) check() error {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return agent.BadInput("command is missing").WithField("command", "missing").
			WithHint(`set preset = "claude" or command = ["program", "argument"] in parallax.toml`)
	}
	printed := "text"
	if len(c.Lines) > 0 {
		printed = jsonl
	}
	for _, key := range []struct {
		name    string
		value   *string
		allowed []string
	}{
		{"mode", &c.Mode, []string{jsonl, acpMode}},
		{"answer", &c.Answer, []string{"last", "all"}},
		{"output", &c.Output, []string{printed, "text", jsonl}},
	} {
		*key.value = cmp.Or(*key.value, key.allowed[0])
		if !slices.Contains(key.allowed, *key.value) {
			slices.Sort(key.allowed)
			return agent.BadInput("%s is %q; use %s", key.name, *key.value, strings.Join(slices.Compact(key.allowed), " or ")).
				WithField(key.name, "unknown")
		}
	}
	if c.MaxOutput = cmp.Or(c.MaxOutput, defaultOutput); c.MaxOutput < 0 {
		return agent.BadInput("max_output must not be below zero").WithField("max_output", "must not be below zero")
	}
	if c.Mode == acpMode {
		return c.checkKinds()
	}
	return c.checkLines()
}

func (c *Config) checkLines() error {
	if len(c.OKCodes) == 0 {
		c.OKCodes = []int{0}
	}
	for _, key := range []struct {
		name string
		set  bool
	}{{"allow", c.Allow != nil}, {"ask", c.Ask != nil}, {"session_mode", c.SessionMode != ""}, {"auth", c.Auth != ""}} {
		if key.set {
			return agent.BadInput(`%s is for mode = "acp"; in mode %q the tool decides by itself what it may do`, key.name, c.Mode).
				WithField(key.name, "of another mode").WithHint("say it in args, and hold the agent by [agents.NAME.permissions]")
		}
	}
	if c.Output == "text" {
		c.Lines = nil
		return nil
	}
	if len(c.Lines) == 0 {
		return agent.BadInput(`output = "jsonl" needs lines that say what its lines mean`).WithField("lines", "missing")
	}
	for i, l := range c.Lines {
		for name := range l.Usage {
			if !slices.Contains(usageNames(), name) {
				return agent.BadInput("lines: number %d has usage %q; use %s", i+1, name, strings.Join(usageNames(), ", ")).
					WithField("lines", "unknown usage "+name)
			}
		}
		if l.Tool != nil && l.Tool.ID == "" {
			return agent.BadInput("lines: number %d has a tool without id", i+1).WithField("lines", "tool without id")
		}
	}
	return nil
}

// environment is the tool's, with the trace context if there is one.
func (c *Config) environment(traceparent string) []string {
	if traceparent == "" {
		return c.environ
	}
	return append(slices.Clip(c.environ), "TRACEPARENT="+traceparent)
}

// answer is the agent.
func answer(ctx context.Context, c *agent.Call[Config], input json.RawMessage) (json.RawMessage, error) {
	shape, err := llm.NewShape(c.OutputSchema(), false)
	if err != nil {
		return nil, err
	}
	prompt, err := promptOf(c, input, shape)
	if err != nil {
		return nil, err
	}
	t := newTranscript(c)
	if c.Config.Mode == acpMode {
		err = converse(ctx, c, t, prompt)
	} else {
		err = runLines(ctx, c, t, prompt)
	}
	if err != nil {
		return nil, err
	}
	if shape == nil {
		return llm.Text(t.text()), nil
	}
	value, _ := shape.Read(t.text())
	return value, nil
}

// promptOf is all that the tool is told.
func promptOf(c *agent.Call[Config], input json.RawMessage, shape *llm.Shape) (string, error) {
	asked, err := llm.Prompt(c.Task(), input, c.Feedback())
	if err != nil {
		return "", err
	}
	turns, err := llm.Turns(c.Config.Instructions, c.Messages(), asked)
	if err != nil {
		return "", err
	}
	var blocks []string
	for i, turn := range turns {
		if turn.Role == "system" || i == len(turns)-1 {
			blocks = append(blocks, turn.Text)
			continue
		}
		blocks = append(blocks, "<"+turn.Role+">\n"+turn.Text+"\n</"+turn.Role+">")
	}
	if shape != nil {
		blocks = append(blocks, shape.Instruction())
	}
	return strings.Join(blocks, "\n\n"), nil
}
