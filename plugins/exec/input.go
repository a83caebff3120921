package exec

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// argument is a word of the command, cut at its placeholders: text and names in turn, beginning with text.
type argument []string

func (a argument) holes() bool { return len(a) > 1 }

// only is the name of the placeholder that the argument consists of.
func (a argument) only() (string, bool) {
	if len(a) == 3 && a[0] == "" && a[2] == "" {
		return a[1], true
	}
	return "", false
}

// parseArgument reads {name}, {{ and }}.
func parseArgument(word string) (argument, error) {
	tokens, err := regexp.Compile(`\{\{|\}\}|\{[A-Za-z_][A-Za-z0-9_]*\}|[{}]`)
	if err != nil {
		return nil, err
	}
	a := argument{""}
	at := 0
	for _, m := range tokens.FindAllStringIndex(word, -1) {
		a[len(a)-1] += word[at:m[0]]
		at = m[1]
		switch tok := word[m[0]:m[1]]; tok {
		case "{{", "}}":
			a[len(a)-1] += tok[:1]
		case "{", "}":
			return nil, agent.BadInput("command: %q has a brace that is no placeholder; write {{ for a brace", word).
				WithField("command", "single brace")
		default:
			a = append(a, tok[1:len(tok)-1], "")
		}
	}
	a[len(a)-1] += word[at:]
	return a, nil
}

// inputs are what the script passed.
type inputs struct {
	raw    json.RawMessage
	fields map[string]json.RawMessage
	tasked bool // the task was added
}

func newInputs(task string, raw json.RawMessage) (*inputs, error) {
	in := &inputs{raw: raw}
	if err := json.Unmarshal(raw, &in.fields); err != nil {
		return nil, agent.BadInput("the inputs must be a JSON object: %w", err)
	}
	if in.fields == nil {
		in.fields = map[string]json.RawMessage{}
	}
	if _, ok := in.fields["task"]; !ok {
		text, err := json.Marshal(task)
		if err != nil {
			return nil, err
		}
		in.fields["task"], in.tasked = text, true
	}
	return in, nil
}

// object is the inputs and the task as one JSON object.
func (in *inputs) object() []byte {
	if !in.tasked {
		return in.raw
	}
	b, err := json.Marshal(in.fields)
	if err != nil {
		panic(err) // raw values that were read just now
	}
	return b
}

// arguments fills in the placeholders.
func (in *inputs) arguments(args []argument) ([]string, error) {
	var out []string
	ended := false // "--" was seen
	for _, a := range args {
		words, err := in.fill(a)
		if err != nil {
			return nil, err
		}
		for _, w := range words {
			if !ended && a.holes() && a[0] == "" && strings.HasPrefix(w, "-") {
				return nil, agent.BadInput("input %q begins with %q and would be read as an option", a[1], "-").
					WithHint(`put "--" before {` + a[1] + `} in the command`)
			}
			if strings.ContainsRune(w, 0) {
				return nil, agent.BadInput("input %q has a zero byte, which no argument can hold", a[1])
			}
		}
		out = append(out, words...)
		ended = ended || (!a.holes() && a[0] == "--")
	}
	return out, nil
}

// fill gives the words that an argument stands for.
func (in *inputs) fill(a argument) ([]string, error) {
	if name, ok := a.only(); ok {
		var list []json.RawMessage
		if json.Unmarshal(in.fields[name], &list) == nil && list != nil {
			words := make([]string, len(list))
			for i, e := range list {
				words[i] = plain(e)
			}
			return words, nil
		}
	}
	var b strings.Builder
	for i, part := range a {
		if i%2 == 0 {
			b.WriteString(part)
			continue
		}
		value, ok := in.fields[part]
		if !ok {
			return nil, agent.BadInput("the command needs the input %q", part).WithField(part, "missing").
				WithHint("pass it: ask(..., " + part + "=...)")
		}
		b.WriteString(plain(value))
	}
	return []string{b.String()}, nil
}

// plain is a JSON string's text, or any other value as JSON.
func plain(value json.RawMessage) string {
	var text string
	if len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
