package conform

import (
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// input is what sample calls send: what the options say, or something that fits the first skill's schema.
func (s *subject) input() *agentpb.Value {
	if len(s.opts.Input) > 0 {
		return jsonValue(string(s.opts.Input))
	}
	skills := s.proc.Offer().GetSkills()
	if len(skills) == 0 || len(skills[0].GetInputSchema()) == 0 {
		return jsonValue("{}")
	}
	var schema jsonschema.Schema
	if json.Unmarshal(skills[0].GetInputSchema(), &schema) != nil {
		return jsonValue("{}")
	}
	text, err := json.Marshal(sampleObject(&schema))
	if err != nil {
		return jsonValue("{}")
	}
	return jsonValue(string(text))
}

func sampleObject(schema *jsonschema.Schema) map[string]any {
	object := make(map[string]any)
	for _, name := range schema.Required {
		object[name] = sample(schema.Properties[name])
	}
	return object
}

// sample makes up a value of a schema. It knows the simple types; an agent with other wishes gets its input by option.
func sample(schema *jsonschema.Schema) any {
	if schema == nil {
		return "test"
	}
	if len(schema.Enum) > 0 {
		return schema.Enum[0]
	}
	kind := schema.Type
	for _, t := range schema.Types {
		if t != "null" {
			kind = t
		}
	}
	switch kind {
	case "integer":
		return 1
	case "number":
		return 0.5
	case "boolean":
		return true
	case "array":
		return []any{}
	case "object":
		return sampleObject(schema)
	}
	return "test"
}
