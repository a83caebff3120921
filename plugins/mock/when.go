package mock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// matcher is a script for some calls.
type matcher struct {
	part  *part
	task  string
	input map[string]runtime.Payload
}

func newMatcher(p *part, task string, input map[string]json.RawMessage) (*matcher, error) {
	m := &matcher{part: p, task: task, input: map[string]runtime.Payload{}}
	for name, raw := range input {
		value, err := runtime.Canonical(raw)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		m.input[name] = value
	}
	return m, nil
}

// fits says whether the script is for this call. Inputs arrive in canonical form, so equal values are equal bytes.
func (m *matcher) fits(c *runtime.Call) (bool, error) {
	if !strings.Contains(c.Task, m.task) {
		return false, nil
	}
	if len(m.input) == 0 {
		return true, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(c.Input, &fields); err != nil {
		return false, fmt.Errorf("the inputs are not a JSON object: %w", err)
	}
	for name, want := range m.input {
		if got, ok := fields[name]; !ok || !bytes.Equal(got, want) {
			return false, nil
		}
	}
	return true, nil
}
