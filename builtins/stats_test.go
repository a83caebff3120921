package builtins

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// A line of an example with a comment that begins with a digit, a bracket or a quote is worth just that, up to where the comment has dots.
func TestExamplesOfStatsAreTrue(t *testing.T) {
	t.Parallel()
	m := statsModule()
	docs := []string{m.Doc}
	for _, d := range m.Decls {
		docs = append(docs, d.Doc)
	}
	checked := 0
	for _, doc := range docs {
		env := testEnvironment()
		for line := range strings.SplitSeq(doc, "\n") {
			code, indented := strings.CutPrefix(line, "    ")
			if !indented {
				continue
			}
			expr, want, said := strings.Cut(code, " # ")
			want, _, _ = strings.Cut(strings.TrimSpace(want), "...")
			thread := new(starlark.Thread)
			if !said || !strings.ContainsAny(want[:1], `0123456789([{"`) {
				globals, err := starlark.ExecFileOptions(runtime.Dialect(), thread, "example.star", code+"\n", env)
				require.NoError(t, err, code)
				maps.Copy(env, globals)
				continue
			}
			v, err := starlark.EvalOptions(runtime.Dialect(), thread, "example.star", expr, env)
			require.NoError(t, err, code)
			require.True(t, matches(v, want), "%s is %s", code, v)
			checked++
		}
	}
	require.Greater(t, checked, 20)
}

// matches says whether a value reads as it should, floats up to rounding.
func matches(v starlark.Value, want string) bool {
	if f, ok := v.(starlark.Float); ok {
		return strings.HasPrefix(f.String(), want) || starlark.Float(float64(int64(float64(f)*1e9+0.5))/1e9).String() == want
	}
	return strings.HasPrefix(v.String(), want)
}
