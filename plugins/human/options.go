package human

import (
	"encoding/json"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// option is something to choose: what the person sees and what the script gets.
type option struct {
	name  string
	value json.RawMessage
}

type options []option

// choicesOf finds what there is to choose from; nil means free text.
func choicesOf(schema, input json.RawMessage, configured []string) (options, error) {
	if found := ofSchema(schema); found != nil {
		return found, nil
	}
	names := configured
	if len(input) > 0 {
		names = nil // not into the configuration's own list
		if err := json.Unmarshal(input, &names); err != nil || len(names) == 0 {
			return nil, agent.BadInput("input options must be a list of strings").WithField("options", "must be a list of strings")
		}
	}
	var list options
	for _, name := range names {
		value, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		list = append(list, option{name, value})
	}
	return list, nil
}

// ofSchema is the values of an enum, or yes and no for a boolean.
func ofSchema(schema json.RawMessage) options {
	var s struct {
		Type string            `json:"type"`
		Enum []json.RawMessage `json:"enum"`
	}
	if json.Unmarshal(schema, &s) != nil {
		return nil
	}
	if s.Enum == nil && s.Type == "boolean" {
		return options{{"yes", json.RawMessage("true")}, {"no", json.RawMessage("false")}}
	}
	var list options
	for _, value := range s.Enum {
		list = append(list, option{plain(value), value})
	}
	return list
}

func (o options) names() []string {
	var names []string
	for _, c := range o {
		names = append(names, c.name)
	}
	return names
}

// find is the value that an answer means, upper and lower case being equal.
func (o options) find(answer json.RawMessage) (json.RawMessage, bool) {
	said := strings.TrimSpace(plain(answer))
	for _, c := range o {
		if c.name == said {
			return c.value, true
		}
	}
	for _, c := range o {
		if strings.EqualFold(c.name, said) {
			return c.value, true
		}
	}
	return nil, false
}
