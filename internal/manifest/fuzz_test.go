package manifest

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse parses arbitrary text: it ends, every problem has a place in the text, and what passes holds what it promises.
func FuzzParse(f *testing.F) {
	f.Add([]byte("[agents.a]\nuse = \"openai\"\nmodel = \"m\"\ncount = 3\n[limits]\nbytes = \"1MiB\"\n"))
	f.Add([]byte("agents = { a = { use = \"./x\", at = 2026-01-02T03:04:05.6Z, y = [[1.5, {z = 0x10}]] } }\n"))
	f.Add([]byte("[[agents]]\nuse=1\n"))
	f.Add([]byte("\ufeff[run]\ntimeout=\"1h\"\ninputs.a.b = '''\nx'''\r\n"))
	f.Add([]byte("[agents.a]\napi_key = \"x\"\nsecrets = [\"=\"]\n"))
	f.Add([]byte("a.b.c = {d = {e = [{f = 1}]}} # \x00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse("/p/parallax.toml", text)
		if err != nil {
			wrong, ok := errors.AsType[*Error](err)
			require.True(t, ok, "%v", err)
			require.NotEmpty(t, wrong.Problems)
			require.NotEmpty(t, wrong.Error())
			for _, p := range wrong.Problems {
				require.NotEmpty(t, p.Message)
				require.Positive(t, p.Pos.Line)
				require.Positive(t, p.Pos.Col)
			}
			return
		}
		for i, a := range m.Agents {
			require.Regexp(t, agentName(), a.Name)
			require.True(t, i == 0 || m.Agents[i-1].Name < a.Name)
			require.True(t, json.Valid(a.Config), "%s", a.Config)
			require.True(t, filepath.IsAbs(a.Dir))
			require.Equal(t, a.Use == Plugin, len(a.Command) > 0)
		}
	})
}
