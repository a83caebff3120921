package test_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/builtins"
	clitest "github.com/parallax-run/parallax/internal/cli/test"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// suite compiles x_test.star, with other files beside it.
func suite(t *testing.T, text string, beside map[string]string) *patterntest.Suite {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "x_test.star")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	for name, text := range beside {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	s, err := patterntest.Load(file, runtime.Environment{Builtins: builtins.All()}, pattern.Options{})
	require.NoError(t, err)
	return s
}

// one runs the only test of a suite, in virtual time.
func one(t *testing.T, s *patterntest.Suite, timeout time.Duration) clitest.Outcome {
	t.Helper()
	require.Len(t, s.Tests, 1)
	var out clitest.Outcome
	synctest.Test(t, func(t *testing.T) { out = clitest.One(t.Context(), s, s.Tests[0].Name, timeout) })
	return out
}

func TestABudgetOfTheFileBoundsATest(t *testing.T) {
	t.Parallel()
	s := suite(t, `
pattern(budget = budget(calls = 2))

def test_a():
    a = scripted("a", "x", cost = 0.5)
    a.ask("q")
    a.ask("q")
    assert.eq(budget.remaining("calls"), 0)
    assert.eq(assert.fails(a.ask, "q").code, "budget")
    assert.eq(len(calls()), 2)
`, nil)
	require.NoError(t, one(t, s, 0).Err)
}

func TestChildPatternsAskTheAgentsOfTheTest(t *testing.T) {
	t.Parallel()
	s := suite(t, `
def test_a():
    scripted("a", "x")
    agent("a").ask("before")
    assert.eq(run(":child.star", n = 3), "x3")
    agent("a").ask("after")
    assert.eq([c.task for c in calls("a")], ["before", "after", "inside"])
    assert.eq(emitted("child"), [{"n": 3}])
`, map[string]string{"child.star": "def main(n):\n    emit(\"child\", n = n)\n    return agent(\"a\").ask(\"inside\").value + str(n)\n"})
	out := one(t, s, 0)
	require.NoError(t, out.Err)
}

func TestRetriesAreCallsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := suite(t, `
def test_a():
    a = scripted("a", answers = [failure("unavailable"), failure("timeout"), "x"])
    r = a.ask("q", retry = 2)
    assert.eq((r.value, r.attempts, len(calls())), ("x", 3, 3))
    b = scripted("b", answers = [failure("unavailable"), "y"], idempotent = True, capabilities = ["c"])
    assert.eq(agents("c")[0].ask("q").value, "y")
`, nil)
	require.NoError(t, one(t, s, 0).Err)
}

func TestAPolicyTakesAnswersInInputOrder(t *testing.T) {
	t.Parallel()
	s := suite(t, `
def test_a():
    panel = [scripted("a%d" % i, i) for i in range(4)]
    r = parallel(lambda a: a.ask("q"), panel, until = first(2))
    assert.eq([o.value for o in r.values], [0, 1])
    slow = [scripted("b%d" % i, i, after = 10 - i) for i in range(4)]
    r = parallel(lambda a: a.ask("q"), slow, until = first(2))
    assert.eq([o.value for o in r.values], [2, 3])
    assert.eq([c.agent for c in calls() if c.agent[0] == "b"], ["b0", "b1", "b2", "b3"])
`, nil)
	for range 20 {
		require.NoError(t, one(t, s, 0).Err)
	}
}

func TestATestThatHangsEnds(t *testing.T) {
	t.Parallel()
	s := suite(t, "def test_a():\n    sleep(\"1h\")\n", nil)
	out := one(t, s, time.Minute)
	e, ok := out.Err.(*runtime.Error)
	require.True(t, ok)
	require.Equal(t, runtime.Limit, e.Code)
	require.Equal(t, "x_test.star:2:10: the test took longer than 1m0s (limit)\n        sleep(\"1h\")\n             ^\n  hint: give it more with --timeout", out.Failure(s))
}

func TestAFailureShowsTheWayThere(t *testing.T) {
	t.Parallel()
	s := suite(t, "def check(x):\n    assert.eq(x, 2)\n\ndef test_a():\n    check(1)\n", nil)
	out := one(t, s, 0)
	require.Equal(t, "x_test.star:2:14", out.Pos)
	require.Equal(t, `x_test.star:2:14: assert.eq: got 1, want 2
        assert.eq(x, 2)
                 ^
Traceback (most recent call last):
  x_test.star:5:10: in test_a
  x_test.star:2:14: in check
  <builtin>: in assert.eq`, out.Failure(s))
}

func TestASignalThatNeverComesIsTold(t *testing.T) {
	t.Parallel()
	s := suite(t, "def test_a():\n    wait_for(\"go\")\n", nil)
	out := one(t, s, 0)
	require.Contains(t, out.Failure(s), `the pattern waits for the signal "go", and the test did not send it`)
	require.Contains(t, out.Failure(s), `hint: add signals("go", VALUE) to the test`)
}

func TestSignalsAreTakenInOrder(t *testing.T) {
	t.Parallel()
	s := suite(t, `
def test_a():
    signals("go", 1, {"n": 2})
    signals("stop")
    assert.eq([wait_for("go"), wait_for("stop"), wait_for("go")], [1, None, {"n": 2}])
    late = attempt(wait_for, "go", timeout = "1h")
    assert.eq(late.error.code, "timeout")
    assert.fails(signals, "", matches = "names nothing")
    assert.fails(signals, "x", assert, matches = "module")
    got = gather(lambda: wait_for("go", timeout = "1m"), lambda: signals("go", "x"))
    assert.eq(got.values[0], "x")
`, nil)
	require.NoError(t, one(t, s, 0).Err)
}

func TestACallThatNeverCameFailsATest(t *testing.T) {
	t.Parallel()
	s := suite(t, "def test_a():\n    scripted(\"a\", \"x\", expects=[\"q\"])\n", nil)
	out := one(t, s, 0)
	require.Equal(t, "x_test.star:2:13", out.Pos)
	require.Contains(t, out.Failure(s), `agent "a" was asked 0 times, and the test expects 1; the next is: task="q"`)
}

// What a pattern says of itself holds where it is run, not where a test loads it.
func TestATestLoadsAPatternThatDescribesItself(t *testing.T) {
	t.Parallel()
	s := suite(t, `
load(":p.star", "main")

def test_a():
    scripted("a", "x")
    assert.eq([main() for i in range(3)], ["x", "x", "x"])
    assert.eq(budget.remaining("calls"), None)
`, map[string]string{"p.star": "pattern(description = \"d\", budget = budget(calls = 1))\ndef main():\n    return agent(\"a\").ask(\"q\").value\n"})
	require.NoError(t, one(t, s, 0).Err)
}
