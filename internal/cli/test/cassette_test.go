package test_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
)

// answers are real agents, by name.
type answers map[string]func(ctx context.Context, c runtime.Call) (runtime.Answer, error)

func (a answers) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	return a[c.Agent](ctx, c)
}

func (a answers) Info(name string) (runtime.AgentInfo, bool) {
	_, ok := a[name]
	return runtime.AgentInfo{Name: name}, ok
}

func (a answers) Lookup(string) []runtime.AgentInfo { return nil }

func says(text string) func(context.Context, runtime.Call) (runtime.Answer, error) {
	return func(context.Context, runtime.Call) (runtime.Answer, error) {
		p, err := runtime.Canonical([]byte(`"` + text + `"`))
		return runtime.Answer{Value: p}, err
	}
}

// onEngine runs the only test of a suite on the local engine.
func onEngine(t *testing.T, s *patterntest.Suite, team patterntest.Agents, secrets ...patterntest.Secret) ([]string, error) {
	t.Helper()
	require.Len(t, s.Tests, 1)
	w, prog, err := s.NewWorld(s.Tests[0].Name)
	require.NoError(t, err)
	if team != nil {
		w.Real, w.Secrets = team, secrets
	}
	_, err = (&local.Engine{Agents: w, Emit: w.Event, Open: s.Loaded.Open}).Run(t.Context(), engine.Run{ID: "test", Program: prog})
	return w.Finish(err)
}

// recording is what a test recorded.
func recording(t *testing.T, s *patterntest.Suite) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Loaded.Root, "x_test.json"))
	require.NoError(t, err)
	return string(text)
}

func TestSecretsAreNotRecorded(t *testing.T) {
	t.Parallel()
	s := suite(t, `
def test_a():
    cassette()
    assert.eq(agent("teller").ask("q").value, "it is [KEY is left out]!")
    assert.eq(attempt(agent("thrower").ask, "q").error.message, "key [KEY is left out] is wrong")
`, nil)
	team := answers{
		"teller": says(`it is open \"sesame\"!`),
		"thrower": func(context.Context, runtime.Call) (runtime.Answer, error) {
			return runtime.Answer{}, &runtime.Error{Code: runtime.Refused, Message: `key open "sesame" is wrong`, Details: runtime.Payload(`{"key":"open \"sesame\""}`)}
		},
	}
	warnings, err := onEngine(t, s, team, patterntest.Secret{Name: "KEY", Value: `open "sesame"`}, patterntest.Secret{Name: "SHORT", Value: "is"})
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.NotContains(t, recording(t, s), "sesame")
	require.Equal(t, 3, strings.Count(recording(t, s), "[KEY is left out]"))
	_, err = onEngine(t, s, nil)
	require.NoError(t, err)
}

func TestALoserOfARaceIsNeverAnswered(t *testing.T) {
	t.Parallel()
	s := suite(t, `
def test_a():
    cassette()
    assert.eq(race(lambda: agent("slow").ask("q"), lambda: agent("fast").ask("q")).value, "first")
`, nil)
	team := answers{"fast": says("first"), "slow": func(ctx context.Context, _ runtime.Call) (runtime.Answer, error) {
		<-ctx.Done()
		return runtime.Answer{}, runtime.ErrCancelled()
	}}
	synctest.Test(t, func(t *testing.T) {
		_, err := onEngine(t, s, team)
		require.NoError(t, err)
	})
	require.Contains(t, recording(t, s), `{"at":"1.0/1","cancelled":true,"request":{"agent":"slow"`)
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			warnings, err := onEngine(t, s, nil)
			require.NoError(t, err)
			require.Empty(t, warnings)
		})
	}
}

func TestAttemptsAreRecorded(t *testing.T) {
	t.Parallel()
	s := suite(t, `
def test_a():
    cassette()
    r = agent("flaky").ask("q", retry = 3)
    assert.eq((r.value, r.attempts), ("x", 2))
`, nil)
	team := answers{"flaky": func(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
		if c.Attempt == 1 {
			return runtime.Answer{}, &runtime.Error{Code: runtime.Unavailable, Message: "busy", Retryable: true}
		}
		return says("x")(ctx, c)
	}}
	for _, agents := range []patterntest.Agents{team, nil, nil} {
		synctest.Test(t, func(t *testing.T) {
			warnings, err := onEngine(t, s, agents)
			require.NoError(t, err)
			require.Empty(t, warnings)
		})
	}
	require.Contains(t, recording(t, s), `"error":{"code":"unavailable","message":"busy","retryable":true}`)
	require.Contains(t, recording(t, s), `"at":"1","attempt":2,`)
}

func TestEqualQuestionsAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "x_test.star")
	write := func(text string) *patterntest.Suite {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		s, err := patterntest.Load(file, runtime.Environment{Builtins: builtins.All()}, pattern.Options{})
		require.NoError(t, err)
		return s
	}
	n := 0
	team := answers{"a": func(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
		n++
		return says(strings.Repeat("x", n))(ctx, c)
	}}
	_, err := onEngine(t, write("def test_a():\n    cassette()\n    [agent('a').ask('q') for i in range(3)]\n"), team)
	require.NoError(t, err)

	// An effect more moves all addresses by one.
	_, err = onEngine(t, write("def test_a():\n    cassette()\n    emit('x')\n    assert.eq([agent('a').ask('q').value for i in range(3)], ['x', 'xx', 'xxx'])\n"), nil)
	require.NoError(t, err)
	_, err = onEngine(t, write("def test_a():\n    cassette()\n    assert.eq(parallel(lambda i: agent('a').ask('q').value, [0, 1, 2]).values, ['x', 'xx', 'xxx'])\n"), nil)
	require.NoError(t, err)
}

func TestTheHostsTroubleIsNotRecorded(t *testing.T) {
	t.Parallel()
	s := suite(t, "def test_a():\n    cassette()\n    attempt(agent('a').ask, 'q')\n    agent('b').ask('q')\n", nil)
	gone := errors.New("no such program")
	_, err := onEngine(t, s, answers{"a": says("x"), "b": func(context.Context, runtime.Call) (runtime.Answer, error) { return runtime.Answer{}, gone }})
	require.ErrorIs(t, err, gone)
	_, err = os.Stat(filepath.Join(s.Loaded.Root, "x_test.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestALongQuestionIsComparedLineByLine(t *testing.T) {
	t.Parallel()
	s := suite(t, `
def test_a():
    cassette()
    for n in range(3):
        agent("a").ask("q", n = n, text = "".join(["line %d of the document\n" % (i * n) for i in range(20)]))
`, nil)
	_, err := onEngine(t, s, answers{"a": says("x")})
	require.NoError(t, err)
	changed := strings.Replace(recording(t, s), `line 20 of the document\nline 22`, `line twenty of the document\nline 22`, 1)
	require.NotEqual(t, recording(t, s), changed)
	require.NoError(t, os.WriteFile(filepath.Join(s.Loaded.Root, "x_test.json"), []byte(changed), 0o600))
	_, err = onEngine(t, s, nil)
	require.ErrorContains(t, err, "the nearest request is the one recorded at 3\n")
	require.ErrorContains(t, err, "\n  -     line twenty of the document\n  +     line 20 of the document\n")
}

// A child run's calls have places of their own.
func TestChildRunsAreRecorded(t *testing.T) {
	t.Parallel()
	s := suite(t, "def test_a():\n    cassette()\n    agent('a').ask('q')\n    assert.eq(run(':child.star'), 'x')\n", nil)
	child := "def main():\n    return agent('a').ask('q').value\n"
	require.NoError(t, os.WriteFile(filepath.Join(s.Loaded.Root, "child.star"), []byte(child), 0o600))
	s, err := patterntest.Load(s.Path(), runtime.Environment{Builtins: builtins.All()}, pattern.Options{})
	require.NoError(t, err)
	_, err = onEngine(t, s, answers{"a": says("x")})
	require.NoError(t, err)
	require.Contains(t, recording(t, s), `"run":"2"`)
	warnings, err := onEngine(t, s, nil)
	require.NoError(t, err)
	require.Empty(t, warnings)
}
