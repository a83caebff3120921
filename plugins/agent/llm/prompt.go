// Package llm is what agents that ask a language model have in common: how a task and its inputs become a prompt, how an
// answer in JSON is asked for and read, what it costs, and what a provider's errors mean.
package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Prompt renders a task and its inputs: the task's words, then each input as a block between its name in angle brackets, in
// the order of the JSON text (a host sends names in alphabetical order). A string stands as it is, anything else as JSON.
//
//	Is this change correct?
//
//	<diff>
//	-  return a
//	+  return b
//	</diff>
//
//	<files>
//	["a.go","b.go"]
//	</files>
//
// When the previous answer was refused, the reason comes last.
func Prompt(task string, input json.RawMessage, feedback string) (string, error) {
	blocks, err := inputBlocks(input)
	if err != nil {
		return "", err
	}
	if task = strings.TrimSpace(task); task != "" {
		blocks = append([]string{task}, blocks...)
	}
	if feedback != "" {
		blocks = append(blocks, "Your previous answer was not accepted: "+feedback+"\nAnswer again and avoid this.")
	}
	if len(blocks) == 0 {
		return "", agent.BadInput("there is nothing to ask: no task and no inputs")
	}
	return strings.Join(blocks, "\n\n"), nil
}

func inputBlocks(input json.RawMessage) ([]string, error) {
	if len(bytes.TrimSpace(input)) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(input))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, agent.BadInput("the inputs must be a JSON object")
	}
	var blocks []string
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, agent.BadInput("inputs: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, agent.BadInput("input %q: %w", name, err)
		}
		blocks = append(blocks, fmt.Sprintf("<%s>\n%s\n</%s>", name, plain(value), name))
	}
	return blocks, nil
}

// plain is a JSON string's text, or any other value as JSON.
func plain(value json.RawMessage) string {
	var text string
	if len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// Turn is one message of a conversation.
type Turn struct {
	Role string // "system", "user" or "assistant"
	Text string
}

// Turns is a whole conversation: the system prompt if there is one, the earlier messages, and the prompt as the last
// message of the user.
func Turns(system string, earlier []agent.Message, prompt string) ([]Turn, error) {
	var turns []Turn
	if system != "" {
		turns = append(turns, Turn{"system", system})
	}
	for i, m := range earlier {
		switch m.Role {
		case "system", "user", "assistant":
			turns = append(turns, Turn{m.Role, m.Text()})
		default:
			return nil, agent.BadInput("message %d has the role %q; use user, assistant or system", i+1, m.Role)
		}
	}
	return append(turns, Turn{"user", prompt}), nil
}
