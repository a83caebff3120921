package builtins

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// Each file of testdata/data is scripts between lines of ---. A line with ### "pattern" is where its script must end, in an
// error that matches; a script without one must run through.
func TestData(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/data/*.star")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		line := 0
		for chunk := range strings.SplitSeq(string(raw), "\n---\n") {
			name := fmt.Sprintf("%s:%d", filepath.Base(file), line+1)
			text := strings.Repeat("\n", line) + chunk
			line += strings.Count(chunk, "\n") + 2
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runChunk(t, file, text)
			})
		}
	}
}

func runChunk(t *testing.T, file, text string) {
	t.Helper()
	wantLine, want := expectation(t, text)
	thread := &starlark.Thread{Name: file}
	thread.SetMaxExecutionSteps(20_000_000)
	_, err := starlark.ExecFileOptions(runtime.Dialect(), thread, file, text, testEnvironment())
	if want == "" {
		require.NoError(t, err, "%s", trace(err))
		require.NoError(t, compiled(t, file, text))
		return
	}
	require.Error(t, err)
	require.Regexp(t, want, err.Error())
	require.Contains(t, scriptLines(err), wantLine, "%s", trace(err))
	require.Regexp(t, want, compiled(t, file, text).Error())
}

// compiled loads the script the way a pattern is loaded, under the guard, which must change nothing.
func compiled(t *testing.T, file, text string) error {
	t.Helper()
	f, err := runtime.Parse(file, []byte(text+"\ndef main():\n    pass\n"))
	require.NoError(t, err)
	_, err = runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: testEnvironment()})
	return err
}

var expected = regexp.MustCompile(`(?m)^.*### (".*"|` + "`.*`" + `)$`)

func expectation(t *testing.T, text string) (line int, want string) {
	t.Helper()
	at := expected.FindStringSubmatchIndex(text)
	if at == nil {
		require.NotContains(t, text, "###")
		return 0, ""
	}
	want, err := strconv.Unquote(text[at[2]:at[3]])
	require.NoError(t, err)
	return strings.Count(text[:at[0]], "\n") + 1, want
}

// scriptLines gives the lines of the script on the stack of an error.
func scriptLines(err error) []int {
	var lines []int
	if e, ok := errors.AsType[*starlark.EvalError](err); ok {
		for _, f := range e.CallStack {
			lines = append(lines, int(f.Pos.Line))
		}
	}
	return lines
}

func trace(err error) string {
	if e, ok := errors.AsType[*starlark.EvalError](err); ok {
		return e.Backtrace()
	}
	return ""
}

// testEnvironment is the data builtins, and what only tests say: eq(got, want), as ask(returns=type) reads a JSON text, and its
// schema.
func testEnvironment() starlark.StringDict {
	env := dataValues()
	env["eq"] = starlark.NewBuiltin("eq", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		if same, err := starlark.Equal(args[0], args[1]); err != nil || !same || args[0].Type() != args[1].Type() {
			return nil, fmt.Errorf("got %s, want %s: %w", args[0], args[1], errors.Join(errors.New("not equal"), err))
		}
		return starlark.None, nil
	})
	env["read"] = starlark.NewBuiltin("read", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		text, _ := starlark.AsString(args[1])
		return typedValue(args[0], runtime.Payload(text))
	})
	env["schema"] = starlark.NewBuiltin("schema", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		p, err := schemaOf(args[0])
		return starlark.String(p), err
	})
	env["seconds"] = starlark.NewBuiltin("seconds", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		d, err := durationArg(args[0])
		return starlark.Float(d.Seconds()), err
	})
	return env
}

// pureRun runs a pattern that has no effects, under the given limits.
func pureRun(t *testing.T, text string, limits runtime.Limits) (runtime.Payload, error) {
	t.Helper()
	f, err := runtime.Parse("pure.star", []byte(text))
	require.NoError(t, err)
	p, err := runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: dataValues()})
	require.NoError(t, err)
	return p.Run(noEffects{}, nil, runtime.Config{Limits: limits})
}

// noEffects is the world of a pattern that does nothing to it.
type noEffects struct{}

func (noEffects) Do(runtime.Effect) (runtime.Payload, error) {
	return nil, errors.New("no effects here")
}
func (noEffects) Checkpoint() error { return nil }
func (noEffects) Now() time.Time    { return time.Time{} }
func (noEffects) Fork(runtime.ForkSpec, int, func(int, runtime.Effects) (any, error)) runtime.Group {
	panic("no forks here")
}

// What builtins allocate is charged before it is allocated, however little the script does for it.
func TestAmplificationIsCharged(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"empty objects":   `json.decode("[" + "{}," * 100000 + "{}]")`,
		"indent":          `json.indent("[" * 200 + "]" * 200, indent = " " * 1000)`,
		"shared lists":    `flatten(double([1], 19), depth = 30)`,
		"chunks of one":   `chunks(["x"] * 200000, 1)`,
		"shared records":  `str(shared(20))`,
		"equal records":   `shared(20) == shared(20)`,
		"matches":         `re.findall(".", "x" * 200000)`,
		"quadratic match": `re.findall("(?:a+b)|a", "a" * 20000)`,
		"replacements":    `re.sub("", "y" * 100, "x" * 100000)`,
		"typed lists":     `record(a = [int])(a = [1] * 1000000)`,
		"time layout":     `[now.format("x" * 200000) for _ in range(20)]`,
		"many numbers":    `[stats.median(range(200000)) for _ in range(3)]`,
		"long vectors":    `[stats.krum([[i] * 100 for i in range(200)]) for _ in range(3)]`,
		"many players":    `[stats.bradley_terry([("x", str(i)) for i in range(500)], prior = 1) for _ in range(3)]`,
		"many stages":     `[stats.fit_cascade([[(0.5, True)] * 3], 1) for _ in range(3)]`,
		"complex pattern": `[re.compile("a{900}" * 15) for _ in range(20)]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "now = time.time(2026)\ndef double(x, n):\n    for _ in range(n):\n        x = [x, x]\n    return x\n" +
				"P = record(a = any, b = any)\ndef shared(n):\n    x = P(a = 1, b = 1)\n    for _ in range(n):\n        x = P(a = x, b = x)\n    return x\n" +
				"def main():\n    " + script + "\n"
			_, err := pureRun(t, text, runtime.Limits{Bytes: 10 << 20})
			e, ok := errors.AsType[*runtime.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, runtime.Limit, e.Code, "%s", e.Message)
		})
	}
}

// A record type is named after the variable of the module that holds it.
func TestRecordName(t *testing.T) {
	t.Parallel()
	got, err := pureRun(t, "Point = record(x = int, y = optional(float))\nAlso = Point\ndef main():\n    return str(Point(x = 1, y = 2))\n", runtime.Limits{})
	require.NoError(t, err)
	require.Equal(t, `"Also(x=1, y=2.0)"`, got.String())
}

func TestRecordsCrossAsObjects(t *testing.T) {
	t.Parallel()
	got, err := pureRun(t, `
Level = enum("low", "high")
Point = record(z = float, a = [Level], when = any)
def main():
    return Point(z = 1, a = ["low"], when = [time.time(2026, 3, 1), time.duration("90s")])
`, runtime.Limits{})
	require.NoError(t, err)
	require.Equal(t, `{"a":["low"],"when":["2026-03-01T00:00:00Z","1m30s"],"z":1.0}`, got.String())
}

func TestEveryDeclarationHasItsManual(t *testing.T) {
	t.Parallel()
	decls := dataDecls()
	for _, m := range dataModules() {
		require.NotEmpty(t, m.Doc)
		decls = append(decls, m.Decls...)
	}
	for _, d := range decls {
		require.Contains(t, d.Doc, d.Name+"(", d.Name)
		require.Contains(t, d.Doc, "\n    ", "%s has no example", d.Name)
		for _, p := range d.Params {
			if p.Kind == Plain || p.Kind == Named {
				require.Regexp(t, `\b`+p.Name+`\b`, d.Doc, "%s does not speak of %s", d.Name, p.Name)
			}
		}
	}
}
