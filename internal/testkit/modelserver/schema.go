package modelserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// schema is the part of JSON Schema that the server answers to. What it does not know it refuses, as model providers do.
type schema struct {
	Type       types             `json:"type"`
	Enum       []json.RawMessage `json:"enum"`
	Const      json.RawMessage   `json:"const"`
	Properties properties        `json:"properties"`
	Items      *schema           `json:"items"`
	MinItems   int               `json:"minItems"`
	MaxItems   *int              `json:"maxItems"`
	MinLength  int               `json:"minLength"`
	MaxLength  *int              `json:"maxLength"`
	Minimum    *float64          `json:"minimum"`
	Maximum    *float64          `json:"maximum"`
	Above      *float64          `json:"exclusiveMinimum"`
	Below      *float64          `json:"exclusiveMaximum"`
	MultipleOf float64           `json:"multipleOf"`
	Format     string            `json:"format"`
	AnyOf      []*schema         `json:"anyOf"`
	OneOf      []*schema         `json:"oneOf"`
	Ref        string            `json:"$ref"`
	Defs       properties        `json:"$defs"`

	Pattern json.RawMessage `json:"pattern"`
	AllOf   json.RawMessage `json:"allOf"`
	Not     json.RawMessage `json:"not"`
	If      json.RawMessage `json:"if"`
	Unique  bool            `json:"uniqueItems"`

	never bool // the schema `false`
}

// types is the keyword "type": one name or several.
type types []string

func (t *types) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = types{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// properties keeps the order in which the schema names them, which is the order of the answer.
type properties []property

type property struct {
	name   string
	schema *schema
}

func (p *properties) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.New("properties must be an object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		next := property{name: name.(string)} // a key of an object is a string
		if err := dec.Decode(&next.schema); err != nil {
			return err
		}
		*p = append(*p, next)
	}
	return nil
}

func (s *schema) UnmarshalJSON(b []byte) error {
	switch strings.TrimSpace(string(b)) {
	case "true":
		return nil
	case "false":
		s.never = true
		return nil
	}
	type plain schema
	return json.Unmarshal(b, (*plain)(s))
}

func parseSchema(b []byte) (*schema, error) {
	var s schema
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("invalid schema: %w", err)
	}
	return &s, nil
}

// unsupported names a keyword that the server cannot answer to, or "".
func (s *schema) unsupported() string {
	for name, raw := range map[string]json.RawMessage{"pattern": s.Pattern, "allOf": s.AllOf, "not": s.Not, "if": s.If} {
		if len(raw) > 0 {
			return name
		}
	}
	if s.Unique {
		return "uniqueItems"
	}
	return ""
}

// kind is the type to answer with: the one that is named, or the one that the other keywords imply.
func (s *schema) kind() string {
	switch {
	case len(s.Type) > 0:
		return s.Type[0]
	case s.Properties != nil:
		return "object"
	case s.Items != nil:
		return "array"
	case s.Minimum != nil || s.Maximum != nil || s.Above != nil || s.Below != nil:
		return "number"
	default:
		return "string"
	}
}

// schemaIn finds a JSON Schema that stands in the text of a prompt, as clients of models without structured output
// write it: the first JSON object that has the keyword "type", "properties", "enum" or "$ref".
func schemaIn(text string) (json.RawMessage, bool) {
	for at := strings.IndexByte(text, '{'); at >= 0; {
		var raw json.RawMessage
		if json.NewDecoder(strings.NewReader(text[at:])).Decode(&raw) == nil && looksLikeSchema(raw) {
			return raw, true
		}
		next := strings.IndexByte(text[at+1:], '{')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return nil, false
}

func looksLikeSchema(raw json.RawMessage) bool {
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) != nil {
		return false
	}
	for _, key := range []string{"properties", "enum", "$ref"} {
		if _, ok := keys[key]; ok {
			return true
		}
	}
	var kind string
	return json.Unmarshal(keys["type"], &kind) == nil && strings.Contains(" object array string number integer boolean ", " "+kind+" ")
}
