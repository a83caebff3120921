package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// payload is the table as a JSON object, without the keys to leave out. Dates and times become strings.
func (t *table) payload(leaveOut []string) runtime.Payload {
	b := []byte{'{'}
	for _, key := range t.sortedKeys() {
		if slices.Contains(leaveOut, key) {
			continue
		}
		var err error
		if b, err = appendMember(b, key, t.m[key]); err != nil {
			t.wrong(key, "", "%s: %s", key, err)
			return nil
		}
	}
	p, err := runtime.Canonical(append(b, '}'))
	if err != nil {
		t.wrong("", "", "%s cannot be passed on: %s", t.name(), err)
	}
	return p
}

// appendMember adds one member to an object that stands open.
func appendMember(b []byte, key string, v any) ([]byte, error) {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b, err := appendText(b, key)
	if err != nil {
		return nil, err
	}
	return appendValue(append(b, ':'), v)
}

func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendText(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("nan and inf are not numbers of JSON")
		}
		return strconv.AppendFloat(b, v, 'e', -1, 64), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case []any:
		return appendList(b, v)
	case map[string]any:
		return appendTable(b, v)
	case time.Time:
		return appendText(b, v.Format(time.RFC3339Nano))
	case fmt.Stringer: // a date or a time without its zone
		return appendText(b, v.String())
	}
	return nil, fmt.Errorf("a value of type %T cannot be passed on", v)
}

func appendList(b []byte, items []any) (_ []byte, err error) {
	b = append(b, '[')
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, item); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendTable(b []byte, m map[string]any) (_ []byte, err error) {
	b = append(b, '{')
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if b, err = appendMember(b, key, m[key]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendText(b []byte, s string) ([]byte, error) {
	quoted, err := json.Marshal(s)
	return append(b, quoted...), err
}
