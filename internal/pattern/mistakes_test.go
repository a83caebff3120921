package pattern

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/pattern/diagnose"
	"github.com/parallax-run/parallax/runtime"
)

// mistake is a snippet with the finding that it is about.
type mistake struct {
	code, place string
	line        int // in the table
	text        string
}

// mistakes reads the table: what people and models coming from other languages write.
func mistakes(t *testing.T) []mistake {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "mistakes.txt"))
	require.NoError(t, err)
	var all []mistake
	n := 0
	for l := range strings.Lines(string(data)) {
		n++
		if head, ok := strings.CutPrefix(l, "=== "); ok {
			f := strings.Fields(head)
			require.Len(t, f, 2, "line %d", n)
			all = append(all, mistake{code: f[0], place: f[1], line: n})
			continue
		}
		all[len(all)-1].text += l
	}
	return all
}

// full is the language as commands know it.
func full() (runtime.Environment, CheckOptions) {
	var effects []string
	for _, d := range builtins.Decls() {
		if d.Effect {
			effects = append(effects, d.Name)
		}
	}
	return runtime.Environment{Builtins: builtins.All()}, CheckOptions{Effects: append(effects, "ask")}
}

func reportOn(t *testing.T, text string) *Report {
	t.Helper()
	env, opts := full()
	r, err := Check(filepath.Join(files(t, map[string]string{"main.star": text}), "main.star"), env, opts)
	require.NoError(t, err)
	return r
}

func TestEveryMistakeIsNamedAndHasAWayOut(t *testing.T) {
	t.Parallel()
	told := make(map[string]bool)
	for _, m := range mistakes(t) {
		told[m.code] = true
		t.Run(fmt.Sprintf("%s/%d", m.code, m.line), func(t *testing.T) {
			t.Parallel()
			r := reportOn(t, m.text)
			i := slices.IndexFunc(r.Findings, func(f Finding) bool {
				return f.Code == m.code && fmt.Sprintf("%d:%d", f.Line, f.Col) == m.place
			})
			require.GreaterOrEqual(t, i, 0, "found %v", codes(r.Findings))
			require.NotContains(t, codesOf(r), "syntax")
			require.Contains(t, Excerpt(r.Findings[i], r.Sources["main.star"]), "^")
			require.Contains(t, Excerpt(r.Findings[i], r.Sources["main.star"]), "parallax explain "+m.code)

			fixed := repaired(t, m.text)
			require.NotEqual(t, m.text, fixed)
			after := reportOn(t, fixed)
			require.Empty(t, codesOf(after), "%s\n%s", fixed, after.Excerpts())
		})
	}
	require.GreaterOrEqual(t, len(told), 40)
}

func codesOf(r *Report) []string {
	var codes []string
	for _, f := range r.Findings {
		codes = append(codes, f.Code)
	}
	return codes
}

// repaired makes all changes that are proposed, until none is.
func repaired(t *testing.T, text string) string {
	t.Helper()
	for range maxRounds {
		var list []diagnose.Finding
		for _, f := range reportOn(t, text).Findings {
			if f.Fix != nil {
				list = append(list, diagnose.Finding{Code: f.Code, Fix: &diagnose.Fix{Safe: true, Edits: f.Fix.Edits}})
			}
		}
		next, n := diagnose.ApplySafe(text, list)
		if n == 0 {
			break
		}
		text = next
	}
	return text
}
