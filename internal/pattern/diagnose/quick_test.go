package diagnose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// Good patterns are left alone.
func TestNothingIsSaidOfGoodPatterns(t *testing.T) {
	t.Parallel()
	n := 0
	for _, glob := range []string{"../../../examples/*/*.star", "../../../examples/*.star"} {
		names, err := filepath.Glob(glob)
		require.NoError(t, err)
		for _, name := range names {
			if runtime.IsTest(name) {
				continue // it has names of its own, and parallax test checks it
			}
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Empty(t, Examine(name, text, language()), name)
			n++
		}
	}
	require.Greater(t, n, 5)
}

// shapes are texts, an eighth of the greatest size so that the race detector gets through, that are the worst for one rule or another.
func shapes() map[string]string {
	fill := func(head, part, tail string) string {
		return head + strings.Repeat(part, (runtime.MaxSourceBytes/8-len(head)-len(tail))/len(part)) + tail
	}
	return map[string]string{
		"f-strings":          fill("", "x = f'{a!r} {b:>3}'\n", ""),
		"one line of f":      fill("x = ", "f'{a}' + ", "1"),
		"unended fields":     fill("x = f'", "{", "'"),
		"braces":             fill("", "if (x) {\n}\n", ""),
		"nested braces":      fill("", "if x {\n", ""),
		"brackets":           fill("x = ", "[", ""),
		"closing brackets":   fill("x = ", ")", ""),
		"stars":              fill("x = [", "*a, ", "]"),
		"targets":            fill("", "*a, ", "= b"),
		"assignments":        fill("", "a = ", "1"),
		"colons":             fill("x = ", "a ? b : ", "1"),
		"comparisons":        fill("x = ", "a < ", "1"),
		"comments":           fill("x = a ", "// b ", ""),
		"comprehensions":     fill("f(", "x for x in y ", ")"),
		"generators":         fill("f(", "g(x for x in ", ""),
		"try":                fill("", "try:\n  f()\nexcept:\n  g()\n", ""),
		"yield":              fill("def f():\n", "  yield 1\n", ""),
		"global":             fill("def f():\n  global a\n", "  a = 1\n", "  !"),
		"loose while":        fill("def f():\n", "  while x:\n    f()\n", ""),
		"top control":        fill("", "a = 1\nif a:\n  a = 2\n", ""),
		"undefined":          fill("x = ", "undefned + ", "1"),
		"reassigned":         fill("", "a = a\n", ""),
		"good calls":         fill("def main(a):\n", "  print(\"x\" + str(a), a.x, [c for c in a])\n", ""),
		"good single line":   fill("x = [", "len('a') + 1, ", "]"),
		"strings":            fill("x = ", "'a' ", ""),
		"words":              fill("", "is ", ""),
		"tabs":               fill("def f():\n", "\tx = 1\n        y = 2\n", ""),
		"secrets":            fill("", "x = 'ghp_0123456789abcdefghijABCDEFGHIJ012345'\n", ""),
		"lambdas":            fill("x = ", "lambda: ", "1"),
		"walrus":             fill("f(", "(a := 1), ", ")"),
		"deep and unindents": fill("def f():\n    x\n", "  y\n", ""),
	}
}

// A bound against what never ends, under any load and the race detector; what it takes in quiet is far below a second.
const enough = time.Minute

func TestNoShapeOfTextTakesLong(t *testing.T) {
	t.Parallel()
	for name, src := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			found := Examine("main.star", []byte(src), language())
			took := time.Since(began)
			t.Logf("%d findings in %v", len(found), took)
			require.Less(t, took, enough)
			require.LessOrEqual(t, len(found), 4*maxFindings)
		})
	}
}
