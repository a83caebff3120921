package repair_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/examples/team/repair"
)

// changes lists what can be changed in the body of a function, without the guards.
func changes(t *testing.T, body string) []string {
	t.Helper()
	all, err := repair.Mutations([]byte("package p\n\nfunc f(a, b int, s []int) {\n\t" + body + "\n}\n"))
	require.NoError(t, err)
	var what []string
	for _, m := range all {
		if m.Kind == repair.Guard {
			continue
		}
		require.Equal(t, "f", m.Function)
		require.Equal(t, 4, m.Line)
		what = append(what, m.What)
	}
	return what
}

func TestSmallChanges(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		body string
		want []string
	}{
		"a comparison can be any other": {`_ = a < b`, []string{
			"a < b becomes a <= b", "a < b becomes a > b", "a < b becomes a >= b", "a < b becomes a == b", "a < b becomes a != b",
		}},
		"an operator":               {`_ = a + b`, []string{"a + b becomes a - b"}},
		"an assignment":             {`a *= b`, []string{"a *= b becomes a /= b"}},
		"a step":                    {`a--`, []string{"a-- becomes a++"}},
		"a constant":                {`_ = 7`, []string{"7 becomes 8", "7 becomes 6"}},
		"an index":                  {`_ = s[a]`, []string{"a becomes a+1", "a becomes a-1"}},
		"a constant index, once":    {`_ = s[0]`, []string{"0 becomes 1", "0 becomes -1"}},
		"the bounds of a slice":     {`_ = s[a:]`, []string{"a becomes a+1", "a becomes a-1"}},
		"a condition":               {`if g() { h() }`, []string{"g() becomes !(g())"}},
		"and is or":                 {`_ = x && y`, []string{"x && y becomes x || y"}},
		"true is false":             {`_ = true`, []string{"true becomes false"}},
		"min is max":                {`_ = min(a, b)`, []string{"min becomes max"}},
		"a jump without a label":    {`for { break }`, []string{"break becomes continue"}},
		"a jump with one stays":     {`l: for { break l }`, nil},
		"what is no number is left": {`_ = "1" + 'a'`, []string{`"1" + 'a' becomes "1" - 'a'`}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, changes(t, c.body))
		})
	}
}

func TestAGuardGivesZeroValues(t *testing.T) {
	t.Parallel()
	source := []byte("package p\n\nfunc f(s []int, n int, p *T) (a T, b, c error) {\n\treturn g(s, n, p)\n}\n")
	all, err := repair.Mutations(source)
	require.NoError(t, err)
	require.Len(t, all, 2, "a number cannot be missing")
	require.Equal(t, "return at once if len(s) == 0", all[0].What)
	require.Equal(t, "package p\n\nfunc f(s []int, n int, p *T) (a T, b, c error) {\n\tif p == nil {\n\t\treturn *new(T), *new(error), *new(error)\n\t}\n\n"+
		"\treturn g(s, n, p)\n}\n", string(all[1].Apply(source)))
}

func TestWhatWasNotFormattedIsLeftSo(t *testing.T) {
	t.Parallel()
	source := []byte("package p\nfunc f(a int) int {   return a+1 }\n")
	all, err := repair.Mutations(source)
	require.NoError(t, err)
	require.Equal(t, "package p\nfunc f(a int) int {   return a-1 }\n", string(all[0].Apply(source)))
}

func TestAllChangesParse(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"search.go", filepath.Join("..", "code", "booking.go")} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		all, err := repair.Mutations(source)
		require.NoError(t, err)
		require.NotEmpty(t, all, file)
		for _, m := range all {
			changed := m.Apply(source)
			require.NotEqual(t, string(source), string(changed), m.What)
			_, err := parser.ParseFile(token.NewFileSet(), file, changed, parser.SkipObjectResolution)
			require.NoError(t, err, "%s:%d: %s", file, m.Line, m.What)
		}
	}
}

func TestSourceThatDoesNotParseIsAnError(t *testing.T) {
	t.Parallel()
	_, err := repair.Mutations([]byte("package"))
	require.ErrorContains(t, err, "expected 'IDENT'")
}
