package index_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/market/index"
)

// The published schema and the reader agree on entries, as far as a schema can say it.
func TestEntriesFollowTheirSchema(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../docs/schemas/index-entry.schema.json")
	require.NoError(t, err)
	var schema jsonschema.Schema
	require.NoError(t, json.Unmarshal(data, &schema))
	resolved, err := schema.Resolve(nil)
	require.NoError(t, err)
	judge := func(text string) (bySchema, byReader error) {
		var v any
		require.NoError(t, json.Unmarshal([]byte(text), &v))
		_, byReader = index.ParseEntry("x", []byte(text))
		return resolved.Validate(v), byReader
	}
	for _, text := range []string{pattern, agent} {
		bySchema, byReader := judge(text)
		require.NoError(t, bySchema)
		require.NoError(t, byReader)
	}
	for _, c := range [][2]string{
		{`"license"`, `"licence"`},
		{`"acme/critic"`, `"Acme/critic"`},
		{`"agent"`, `"tool"`},
		{`["alice", "bob"]`, `["a b"]`},
		{`"commit": "0`, `"commit": "x`},
		{`"sha256:0`, `"md5:0`},
		{`"1.4.0"`, `"v1.4.0"`},
		{`"net"`, `"nets"`},
		{`"memory": "512MiB"`, `"memory": 512`},
		{`"https://`, `"http://`},
		{`["review"]`, `"review"`},
	} {
		require.Contains(t, agent, c[0])
		bySchema, byReader := judge(strings.Replace(agent, c[0], c[1], 1))
		require.Error(t, bySchema, c[1])
		require.Error(t, byReader, c[1])
	}
}
