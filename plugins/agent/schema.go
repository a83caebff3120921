package agent

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemaOf gives the JSON Schema of a Go type. Types that can hold any JSON have the empty schema.
func schemaOf[T any]() ([]byte, error) {
	s, err := inferSchema[T]()
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// configSchemaOf is schemaOf with every field optional: the zero configuration is one that works, or that Open refuses.
func configSchemaOf[C any]() ([]byte, error) {
	s, err := inferSchema[C]()
	if err != nil {
		return nil, err
	}
	makeOptional(s)
	return json.Marshal(s)
}

func inferSchema[T any]() (*jsonschema.Schema, error) {
	s, err := jsonschema.For[T](&jsonschema.ForOptions{
		TypeSchemas: map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[json.RawMessage](): {}},
	})
	if err != nil {
		return nil, fmt.Errorf("type %s has no JSON Schema: %w", reflect.TypeFor[T](), err)
	}
	return s, nil
}

func makeOptional(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	s.Required = nil
	makeOptional(s.Items)
	for _, p := range s.Properties {
		makeOptional(p)
	}
}
