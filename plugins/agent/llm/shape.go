package llm

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Shape is the JSON that a model is asked to answer with: the schema that the script wants, in an envelope where the
// provider needs an object or where the model also reports its confidence.
type Shape struct {
	// Schema is what the model must satisfy.
	Schema json.RawMessage

	enveloped bool
	reports   bool // its confidence
}

// answerField is the answer's name in an envelope.
const answerField = "answer"

// NewShape makes the shape for a wanted schema; nil wants text. Without schema and report there is no shape: nil.
func NewShape(wanted json.RawMessage, report bool) (*Shape, error) {
	if len(wanted) == 0 && !report {
		return nil, nil
	}
	if len(wanted) == 0 {
		wanted = []byte(`{"type":"string"}`)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(wanted, &keys); err != nil {
		return nil, agent.BadInput("the schema of the answer is not a JSON object: %w", err)
	}
	if string(keys["type"]) == `"object"` && !report {
		return &Shape{Schema: wanted}, nil
	}
	return &Shape{Schema: envelope(keys, report), enveloped: true, reports: report}, nil
}

// envelope puts a schema under answerField; its definitions stay at the root, where references look for them.
func envelope(keys map[string]json.RawMessage, report bool) json.RawMessage {
	outer := map[string]any{"type": "object", "additionalProperties": false}
	inner := make(map[string]json.RawMessage, len(keys))
	for k, v := range keys {
		switch k {
		case "$defs", "definitions":
			outer[k] = v
		case "$schema", "$id":
		default:
			inner[k] = v
		}
	}
	fields, required := map[string]any{answerField: inner}, []string{answerField}
	if report {
		fields["confidence"] = map[string]any{
			"type": "number", "minimum": 0, "maximum": 1,
			"description": "the probability that the answer is correct",
		}
		required = append(required, "confidence")
	}
	outer["properties"], outer["required"] = fields, required
	raw, err := json.Marshal(outer)
	if err != nil {
		panic(err) // maps of valid JSON always marshal
	}
	return raw
}

// Enveloped says whether the answer is in a field of its own.
func (s *Shape) Enveloped() bool { return s.enveloped }

// Instruction asks for the shape in words, for models that cannot be held to a schema.
func (s *Shape) Instruction() string {
	return "Answer with JSON only, without any other text. It must satisfy this JSON Schema:\n" + string(s.Schema)
}

// Read takes the answer out of what the model wrote. Text that is not JSON is the answer as a string, for the host to
// refuse with a reason that the model can read; reported is nil when the model reported no confidence.
func (s *Shape) Read(text string) (answer json.RawMessage, reported *float64) {
	raw, ok := findJSON(text)
	if !ok {
		return quoted(text), nil
	}
	if !s.enveloped {
		return raw, nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || fields[answerField] == nil {
		return raw, nil
	}
	var p float64
	if s.reports && json.Unmarshal(fields["confidence"], &p) == nil && p >= 0 && p <= 1 {
		reported = &p
	}
	return fields[answerField], reported
}

func quoted(text string) json.RawMessage {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string always marshals
	}
	return raw
}

// Text is an answer in words as JSON.
func Text(text string) json.RawMessage { return quoted(text) }

// findJSON finds the JSON in a model's text: all of it, a fenced block, or the first object among words. What a model thinks
// aloud before its answer, between <think> and </think>, is passed over.
func findJSON(text string) (json.RawMessage, bool) {
	if _, after, ok := strings.Cut(text, "</think>"); ok && strings.HasPrefix(strings.TrimSpace(text), "<think>") {
		text = after
	}
	text = strings.TrimSpace(text)
	if json.Valid([]byte(text)) {
		return json.RawMessage(text), true
	}
	if _, after, ok := strings.Cut(text, "```"); ok {
		block, _, _ := strings.Cut(after, "```")
		block = strings.TrimSpace(strings.TrimPrefix(block, "json"))
		if json.Valid([]byte(block)) {
			return json.RawMessage(block), true
		}
	}
	return firstObject(text)
}

// firstObject tries the first few places where an object may begin.
func firstObject(text string) (json.RawMessage, bool) {
	const tries = 100
	for range tries {
		at := strings.IndexByte(text, '{')
		if at < 0 {
			return nil, false
		}
		text = text[at:]
		var raw json.RawMessage
		if json.NewDecoder(strings.NewReader(text)).Decode(&raw) == nil {
			return raw, true
		}
		text = text[1:]
	}
	return nil, false
}

// Strict says whether providers can be asked to hold a model to the schema to the letter: every object in it lists its
// properties, requires them all and allows no others.
func (s *Shape) Strict() bool {
	var root any
	return json.Unmarshal(s.Schema, &root) == nil && strict(root)
}

func strict(v any) bool {
	switch v := v.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !strict(e) })
	case map[string]any:
		if describesObject(v) && !closed(v) {
			return false
		}
		for k, e := range v {
			if k != "enum" && k != "const" && k != "default" && k != "examples" && !strict(e) {
				return false
			}
		}
	}
	return true
}

func describesObject(schema map[string]any) bool {
	kinds, _ := schema["type"].([]any)
	return schema["type"] == "object" || slices.Contains(kinds, any("object"))
}

func closed(schema map[string]any) bool {
	if schema["additionalProperties"] != false {
		return false
	}
	fields, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for name := range fields {
		if !slices.Contains(required, any(name)) {
			return false
		}
	}
	return true
}
