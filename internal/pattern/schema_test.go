package pattern

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"
)

// What check prints is what the published schema says, for every mistake there is in the table.
func TestReportsFollowTheirSchema(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/schemas/check.schema.json")
	require.NoError(t, err)
	var schema jsonschema.Schema
	require.NoError(t, json.Unmarshal(data, &schema))
	resolved, err := schema.Resolve(nil)
	require.NoError(t, err)
	for _, m := range mistakes(t) {
		text, err := json.Marshal(reportOn(t, m.text))
		require.NoError(t, err)
		var v any
		require.NoError(t, json.Unmarshal(text, &v))
		require.NoError(t, resolved.Validate(v), "%s", text)
	}
	require.Error(t, resolved.Validate(map[string]any{"pattern": "x"}))
}
