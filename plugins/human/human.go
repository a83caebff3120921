// Package human is the agent that asks a person.
//
//	[agents.editor]
//	use = "human"
//	prompt = "You are the editor on duty."  # optional: shown above every question
//	options = ["yes", "no"]                 # optional: what to choose from, when the call does not say
//
// The question is the task's words. What there is to choose from comes from, in this order: the wanted type, if that is an
// enum or a boolean ("yes" and "no"); the input named options, a list of strings; the configuration. Without any of these the
// answer is text, or whatever JSON the wanted type asks for. All other inputs are shown beside the question.
//
// An answer that is not one of the options is asked for again. A person states no confidence. Where there is nobody to ask, as
// in a run without a terminal, the call fails and the run ends with exit code 7.
package human

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Config is the agent's table in parallax.toml; the package's documentation explains the keys.
type Config struct {
	Prompt  string   `json:"prompt,omitempty"`
	Options []string `json:"options,omitempty"`
}

// Agent is the agent's definition.
func Agent() agent.Definition {
	return agent.Define(agent.Info{
		Name:        "human",
		Version:     "1.0.0",
		Description: "Asks a person.",
		Interactive: true,
	}, answer)
}

// answer is the agent.
func answer(ctx context.Context, c *agent.Call[Config], input json.RawMessage) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(input, &fields); err != nil {
		return nil, agent.BadInput("the inputs must be a JSON object: %w", err)
	}
	choices, err := choicesOf(c.OutputSchema(), fields["options"], c.Config.Options)
	if err != nil {
		return nil, err
	}
	if choices != nil {
		delete(fields, "options")
	}
	q := agent.Question{Prompt: promptOf(c), Options: choices.names(), Schema: c.OutputSchema()}
	if q.Prompt == "" {
		return nil, agent.BadInput("there is nothing to ask: the task is empty")
	}
	if len(fields) > 0 {
		if q.Context, err = json.Marshal(fields); err != nil {
			return nil, err
		}
	}
	if choices == nil {
		return c.Ask(ctx, q)
	}
	q.Schema = nil
	return choose(ctx, c, q, choices)
}

// choose asks until the answer is one of the options.
func choose(ctx context.Context, c *agent.Call[Config], q agent.Question, choices options) (json.RawMessage, error) {
	prompt := q.Prompt
	for {
		raw, err := c.Ask(ctx, q)
		if err != nil {
			return nil, err
		}
		if value, ok := choices.find(raw); ok {
			return value, nil
		}
		q.Prompt = prompt + "\n(" + plain(raw) + " is not one of the options)"
	}
}

func promptOf(c *agent.Call[Config]) string {
	parts := []string{c.Config.Prompt, c.Task()}
	if c.Feedback() != "" {
		parts = append(parts, "The previous answer was not accepted: "+c.Feedback())
	}
	var said []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, "\n\n")
}

func plain(value json.RawMessage) string {
	var text string
	if len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
