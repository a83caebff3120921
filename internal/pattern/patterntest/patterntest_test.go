package patterntest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/internal/testkit/fakefx"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func environment() runtime.Environment { return runtime.Environment{Builtins: builtins.All()} }

// suite compiles one file of tests.
func suite(t *testing.T, text string) (*patterntest.Suite, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x_test.star")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return patterntest.Load(file, environment(), pattern.Options{})
}

// run runs a test with effects in memory; what an engine does beyond handing on is not of interest here.
func run(ctx context.Context, t *testing.T, s *patterntest.Suite, name string) error {
	t.Helper()
	w, prog, err := s.NewWorld(name)
	require.NoError(t, err)
	fx := &fakefx.World{
		Ask: func(ctx context.Context, at runtime.Address, c runtime.AgentCall) (runtime.Answer, error) {
			a, err := w.Call(ctx, runtime.Call{AgentCall: c, Run: "r", ID: "r/" + at.String(), Attempt: 1})
			a.Agent, a.Attempts = c.Agent, 1
			return a, err
		},
		Approve: func(a runtime.Approval) (runtime.Payload, error) { return w.Decide(ctx, a) },
	}
	_, err = fx.Run(ctx, prog, nil, runtime.Config{})
	_, err = w.Finish(err)
	return err
}

var expectation = regexp.MustCompile(`### ("(?:[^"\\]|\\.)*")`)

// A test of testdata/*_test.star passes, unless a line of it says ### and a regular expression: then it fails there, with such
// a "code: message".
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*_test.star")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			s, err := patterntest.Load(file, environment(), pattern.Options{})
			require.NoError(t, err)
			wanted := expected(t, file, s.Tests)
			for _, test := range s.Tests {
				t.Run(test.Name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						require.Regexp(t, wanted[test.Name], outcome(run(t.Context(), t, s, test.Name)))
					})
				})
			}
		})
	}
}

// expected gives what each test has to end with, as a regular expression of what outcome says.
func expected(t *testing.T, file string, tests []runtime.Mention) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	want := make(map[string]string)
	for i, line := range strings.Split(string(text), "\n") {
		for _, test := range tests {
			if int(test.Pos.Line) == i+1 {
				want[test.Name] = "^passed$"
			}
		}
		if m := expectation.FindStringSubmatch(line); m != nil {
			re, err := strconv.Unquote(m[1])
			require.NoError(t, err)
			want[above(tests, i+1)] = fmt.Sprintf("(?s)^%d: .*%s", i+1, re)
		}
	}
	return want
}

// above is the test in which a line stands.
func above(tests []runtime.Mention, line int) string {
	name := ""
	for _, test := range tests {
		if int(test.Pos.Line) <= line {
			name = test.Name
		}
	}
	return name
}

// outcome is how a test ended, with the line of the test file where it failed.
func outcome(err error) string {
	if err == nil {
		return "passed"
	}
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		return err.Error()
	}
	line := ""
	for _, f := range e.Trace {
		if parts := strings.Split(f.Pos, ":"); len(parts) == 3 {
			line = parts[1]
		}
	}
	return fmt.Sprintf("%s: %s: %s (%s)", line, e.Code, e.Message, e.Hint)
}

func TestEachRunHasAWorldOfItsOwn(t *testing.T) {
	t.Parallel()
	s, err := suite(t, "def test_a():\n    scripted('a', answers=['x']).ask('q')\n    assert.eq(len(calls()), 1)\ndef test_b():\n    agent('a').ask('q')\n")
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, run(t.Context(), t, s, "test_a"))
		err := run(t.Context(), t, s, "test_b")
		require.ErrorContains(t, err, `agent "a" is not scripted`)
		require.True(t, patterntest.IsAssertion(err))
	}
	_, _, err = s.NewWorld("test_c")
	require.Error(t, err)
}

func TestWhatWasGotAndWantedIsData(t *testing.T) {
	t.Parallel()
	s, err := suite(t, "def test_a():\n    assert.eq([1], (1,))\n")
	require.NoError(t, err)
	e, ok := errors.AsType[*runtime.Error](run(t.Context(), t, s, "test_a"))
	require.True(t, ok)
	var both struct{ Got, Want string }
	require.NoError(t, json.Unmarshal(e.Details, &both))
	require.Equal(t, "[1]", both.Got)
	require.Equal(t, "(1,)", both.Want)
}

func TestFilesThatAreNoTestsAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"def test_a(x):\n    pass\ndef test_b(y = 1):\n    pass\n": "x_test.star:1:5: test_a has parameters, and nobody gives a test any\nx_test.star:3:5: test_b has parameters, and nobody gives a test any",
		"def helper():\n    pass\n":                                "x_test.star:1:1: x_test.star has no test",
		"test_a = 1\n":                                             "x_test.star:1:1: x_test.star has no test",
		"A = scripted('a', 1)\ndef test_a():\n    pass\n":          "x_test.star:1:13: scripted: only a function that a test calls can use this, each test has agents of its own",
		"def test_a():\n    asert.eq(1, 1)\n":                      "x_test.star:2:5: asert is not defined",
	} {
		_, err := suite(t, text)
		wrong, ok := errors.AsType[*pattern.SourceError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, want, wrong.Error())
		require.NotEmpty(t, wrong.Excerpts())
	}
}

func TestAPatternIsNoTest(t *testing.T) {
	t.Parallel()
	s, err := suite(t, "def test_a():\n    calls()\n")
	require.NoError(t, err)
	p, err := s.Loaded.Program.Entry("test_a", nil)
	require.NoError(t, err)
	_, err = new(fakefx.World).Run(t.Context(), p, nil, runtime.Config{})
	require.ErrorContains(t, err, "calls: there is no test; parallax test runs them")
}

func TestEveryNameOfTestsHasAPageWithAnExampleThatParses(t *testing.T) {
	t.Parallel()
	names := patterntest.Names()
	for _, d := range patterntest.Decls() {
		first, _, _ := strings.Cut(d.Name, ".")
		require.Contains(t, names, first)
		require.True(t, strings.HasSuffix(d.Summary(), "."), d.Name)
		_, example, ok := strings.Cut(d.Doc, "\n\n    ")
		require.True(t, ok, "%s has no example", d.Name)
		_, err := runtime.Parse(d.Name, []byte(strings.ReplaceAll(example, "\n    ", "\n")))
		require.NoError(t, err, d.Name)
	}
}
