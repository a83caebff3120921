package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// decodeInput reads the input of a call into T, whose fields are given. A field called "task" is filled from the request.
func decodeInput[T any](fields fieldSet, input []byte, task string) (T, error) {
	var in T
	if len(bytes.TrimSpace(input)) == 0 {
		input = []byte("{}")
	}
	if raw, ok := any(&in).(*json.RawMessage); ok {
		if !json.Valid(input) {
			return in, BadInput("input is not JSON")
		}
		*raw = input
		return in, nil
	}
	if fields.all != nil {
		var err error
		if input, err = fields.check(input, task); err != nil {
			return in, err
		}
	}
	if err := decodeStrict(input, &in); err != nil {
		return in, badField(BadInput, "input", err)
	}
	return in, nil
}

// decodeConfig reads a configuration into the pointer config. Its errors name the field.
func decodeConfig(data []byte, config any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	if err := decodeStrict(data, config); err != nil {
		return badField(BadInput, "configuration", err)
	}
	return nil
}

func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the JSON value")
	}
	return nil
}

// badField turns an error of encoding/json into one that names the field.
func badField(bad func(string, ...any) *Error, what string, err error) *Error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := t.Field
		if field == "" {
			return bad("%s must be %s, not %s", what, jsonName(t.Type), t.Value)
		}
		return bad("%s field %q must be %s, not %s", what, field, jsonName(t.Type), t.Value).
			WithField(field, "must be "+jsonName(t.Type))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		field := strings.Trim(name, `"`)
		return bad("%s has no field %q", what, field).WithField(field, "unknown")
	}
	return bad("%s: %w", what, err)
}

// jsonName says which JSON a Go type is read from.
func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "an integer"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Pointer:
		return jsonName(t.Elem())
	default:
		return "an object"
	}
}

// fieldSet is what a struct type's tags say about its JSON fields.
type fieldSet struct {
	all      []string // nil when the type is no struct
	required []string
}

// requiredFields reads the tags of a struct: a field without omitempty or omitzero is required.
func requiredFields(t reflect.Type) fieldSet {
	if t.Kind() != reflect.Struct {
		return fieldSet{}
	}
	set := fieldSet{all: []string{}}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Anonymous || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		set.all = append(set.all, name)
		if opts := strings.Split(options, ","); !slices.Contains(opts, "omitempty") && !slices.Contains(opts, "omitzero") {
			set.required = append(set.required, name)
		}
	}
	return set
}

// check adds the task where the type has a field for it, and names fields that are missing.
func (s fieldSet) check(input []byte, task string) ([]byte, error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(input, &given); err != nil {
		return nil, badField(BadInput, "input", err)
	}
	has := func(name string) bool {
		for k := range given {
			if strings.EqualFold(k, name) {
				return true
			}
		}
		return false
	}
	if i := slices.IndexFunc(s.all, func(f string) bool { return strings.EqualFold(f, "task") }); i >= 0 && !has("task") {
		given[s.all[i]], _ = json.Marshal(task)
		input, _ = json.Marshal(given)
	}
	for _, name := range s.required {
		if !has(name) {
			return nil, BadInput("input field %q is missing", name).WithField(name, "missing").
				WithHint(fmt.Sprintf("pass it: ask(..., %s=...)", name))
		}
	}
	return input, nil
}
