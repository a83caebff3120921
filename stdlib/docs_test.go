package stdlib_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/pattern/moduledoc"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

// Each function says what it is for, and shows it: in an example that is a program, together with the load of what it uses.
func TestEveryFunctionHasAnExampleThatCompiles(t *testing.T) {
	t.Parallel()
	modules, err := moduledoc.Std(stdlib.FS())
	require.NoError(t, err)
	for _, m := range modules {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, m.Doc, "the file says what it is for, in a string at its beginning")
			require.NotEmpty(t, m.Funcs)
			for _, f := range m.Funcs {
				t.Run(f.Name, func(t *testing.T) {
					t.Parallel()
					require.NotEmpty(t, f.Doc, "it has no docstring")
					require.True(t, strings.HasSuffix(f.Summary(), "."), "its docstring begins with a sentence; it is %q", f.Summary())
					examples := moduledoc.Examples(f.Doc)
					require.NotEmpty(t, examples, "its docstring has no example, indented by four spaces")
					for _, code := range examples {
						compiles(t, m, code)
					}
				})
			}
			for _, code := range moduledoc.Examples(m.Doc) {
				compiles(t, m, code)
			}
		})
	}
}

// compiles makes a pattern of an example: statements go into main, unless it has one, below the loads.
func compiles(t *testing.T, m moduledoc.Module, code string) {
	t.Helper()
	loads, body := "", code
	if !strings.Contains(code, "def main(") {
		loads, body = split(code)
		body = "def main():\n    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") + "\n    pass\n"
	}
	text := missing(m, code) + loads + body
	file := filepath.Join(t.TempDir(), "main.star")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	_, err := pattern.Load(file, runtime.Environment{Builtins: builtins.All()}, pattern.Options{Std: stdlib.FS()})
	if wrong, ok := err.(*pattern.SourceError); ok {
		t.Fatalf("an example defines what it uses, besides builtins and this module:\n%s", wrong.Excerpts())
	}
	require.NoError(t, err, text)
}

var loadStatement = regexp.MustCompile(`(?ms)^load\(.*?\)\n`)

// split takes the loads out of an example.
func split(code string) (loads, rest string) {
	return strings.Join(loadStatement.FindAllString(code, -1), ""), loadStatement.ReplaceAllString(code, "")
}

// missing loads what an example uses of its module and does not load itself.
func missing(m moduledoc.Module, code string) string {
	var names []string
	for _, t := range m.Types {
		names = append(names, t.Name)
	}
	for _, f := range m.Funcs {
		names = append(names, f.Name)
	}
	loads, _ := split(code)
	var b strings.Builder
	for _, name := range names {
		used := regexp.MustCompile(`(^|[^."\w])` + name + `\b`).MatchString(code)
		if used && !strings.Contains(loads, `"`+name+`"`) {
			fmt.Fprintf(&b, "load(%q, %q)\n", m.Label, name)
		}
	}
	return b.String()
}

func TestAnExampleThatUsesWhatIsNotThereIsFound(t *testing.T) {
	t.Parallel()
	m := moduledoc.Module{Name: "confidence", Label: "@std//confidence.star", Funcs: []moduledoc.Func{{Name: "band"}}}
	require.Equal(t, "load(\"@std//confidence.star\", \"band\")\n", missing(m, "x = band(1)\n"))
	require.Empty(t, missing(m, "load(\"@std//confidence.star\", \"band\")\nx = band(1)\n"))
	require.Empty(t, missing(m, "x.band(1)\n"))
	loads, rest := split("load(\":a.star\",\n    \"b\")\nb()\n")
	require.Equal(t, "load(\":a.star\",\n    \"b\")\n", loads)
	require.Equal(t, "b()\n", rest)
}
