package builtins_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/fakefx"
	"github.com/parallax-run/parallax/runtime"
)

// panel is a world of agents that give their answers in order; one that runs out is unavailable.
func panel(answers map[string][]runtime.Answer) *fakefx.World {
	var mu sync.Mutex
	given := make(map[string]int)
	return &fakefx.World{
		Approve: func(a runtime.Approval) (runtime.Payload, error) {
			return runtime.Payload(fmt.Sprintf(`{"by":"ada","choice":%q}`, a.Options[0])), nil
		},
		Ask: func(_ context.Context, _ runtime.Address, c runtime.AgentCall) (runtime.Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			n := given[c.Agent]
			given[c.Agent]++
			if n >= len(answers[c.Agent]) {
				return runtime.Answer{}, runtime.Errorf(runtime.Unavailable, "%s is not there", c.Agent)
			}
			return answers[c.Agent][n], nil
		},
	}
}

// says is an answer without a confidence.
func says(value string) runtime.Answer { return runtime.Answer{Value: runtime.Payload(value)} }

// ran is what a command came to, as the exec agent answers it.
func ran(value string, confidence float64) runtime.Answer {
	return runtime.Answer{Value: runtime.Payload(value), Confidence: &confidence, Basis: "verifier"}
}

// asked lists the effects of a world in short: agents by name, people, events.
func asked(w *fakefx.World) []string {
	var all []string
	for _, e := range w.Effects() {
		if c, ok := e.Effect.(runtime.AgentCall); ok {
			all = append(all, c.Agent)
		}
		if a, ok := e.Effect.(runtime.Approval); ok {
			all = append(all, "approve "+a.Title)
		}
		if e, ok := e.Effect.(runtime.Emit); ok {
			all = append(all, string(e.Kind)+" "+e.Name)
		}
	}
	return all
}

func TestVerifyAsksNobodyThatItDoesNotNeed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		scores  []string // of the judge, in order
		want    []string
		verdict string
	}{
		{"accepted", []string{"0.8"}, []string{"tests", "judge", "gate verify"}, "accepted 0.8 False given"},
		{"accepted with a warning", []string{"0.6"}, []string{"tests", "judge", "gate verify"}, "accepted 0.6 True given"},
		{
			"mended once",
			[]string{"0.4", "0.9"},
			[]string{"tests", "judge", "fixer", "tests", "judge", "gate verify"},
			"accepted 0.9 False retry",
		},
		{
			"mended in vain, then by the senior",
			[]string{"0.5", "0.5", "0.7"},
			[]string{"tests", "judge", "fixer", "tests", "judge", "senior", "tests", "judge", "gate verify"},
			"accepted 0.7 True senior",
		},
		{
			"escalated at once",
			[]string{"0.39", "0.8"},
			[]string{"tests", "judge", "senior", "tests", "judge", "gate verify"},
			"accepted 0.8 False senior",
		},
		{
			"escalated for want of evidence",
			[]string{`"lovely"`, "0.8"},
			[]string{"tests", "judge", "senior", "tests", "judge", "gate verify"},
			"accepted 0.8 False senior",
		},
		{
			"decided by a person",
			[]string{"0.1", "0.3"},
			[]string{"tests", "judge", "senior", "tests", "judge", "approve Publish?", "gate verify"},
			"accepted 0.3 False ada",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answers := map[string][]runtime.Answer{
				"tests":  {says("1.0"), says("1.0"), says("1.0")},
				"fixer":  {says(`"mended"`)},
				"senior": {says(`"mended by the senior"`)},
			}
			for _, s := range tt.scores {
				answers["judge"] = append(answers["judge"], says(s))
			}
			w := panel(answers)
			got, err := play(t, w, `
def main():
    v = verify("draft", agent("tests"), agent("judge"), retry=agent("fixer"), escalate=[
        agent("senior"), lambda x, v: approve("Publish?"), agent("never"),
    ])
    return "%s %s %s %s" % (v.status, v.score, v.warning, v.by)
`)
			require.NoError(t, err)
			require.Equal(t, tt.want, asked(w))
			require.Equal(t, fmt.Sprintf("%q", tt.verdict), got.String())
		})
	}
}

func TestVerifySkipsTheOraclesThatAreLeft(t *testing.T) {
	t.Parallel()
	for name, first := range map[string][]runtime.Answer{
		"refuted":             {says("0.1")},
		"no evidence":         {says("null")},
		"an agent that fails": nil,
		"a failed command":    {ran(`{"exit_code":1,"stderr":"no","stdout":""}`, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := panel(map[string][]runtime.Answer{"vet": first})
			got, err := play(t, w, `
def main():
    v = verify("code", agent("vet"), agent("judge"), lambda x: approve("Good?"), {"costly": lambda x: agent("costly").ask("?")})
    return [v.status, [e.skipped for e in v.evidence]]
`)
			require.NoError(t, err)
			require.Equal(t, []string{"vet", "gate verify"}, asked(w))
			require.JSONEq(t, `["surfaced", [false, true, true, true]]`, got.String())
		})
	}
}

func TestVerifyAsksAgentsAsTheirAskDoes(t *testing.T) {
	t.Parallel()
	w := panel(map[string][]runtime.Answer{"judge": {says("0.5"), says("0.9")}, "fixer": {says(`{"points": 3}`), says(`{"points": ["b"]}`)}})
	_, err := play(t, w, `
Text = record(points=[str])
def main():
    verify(
        {"points": ["a"]}, Text, agent("judge", timeout="3m", retry=1), retry=agent("fixer", timeout="5m"),
    )
`)
	require.NoError(t, err)
	got := effects(w)
	require.Len(t, got, 5)
	judge := got["1"].(runtime.AgentCall)
	require.Contains(t, judge.Task, "Check the value.")
	require.JSONEq(t, `{"value":{"points":["a"]}}`, judge.Input.String())
	require.Nil(t, judge.Returns)
	require.Equal(t, 3*time.Minute, judge.Timeout)
	require.Equal(t, 2, judge.Retry.Attempts)
	require.Equal(t, "p.star:4:11", judge.Pos)

	fixer := got["2"].(runtime.AgentCall)
	require.Contains(t, fixer.Task, "Mend the value")
	require.JSONEq(t, `{"value":{"points":["a"]},"reasons":["judge: its score is 0.5"]}`, fixer.Input.String())
	require.JSONEq(t, `{"type":"object","properties":{"points":{"type":"array","items":{"type":"string"}}},"required":["points"],"additionalProperties":false}`,
		fixer.Returns.String())
	require.Equal(t, 5*time.Minute, fixer.Timeout)
	require.Empty(t, fixer.Feedback)
	require.Equal(t, `$.points: want array, got 3`, got["3"].(runtime.AgentCall).Feedback, "an answer of the wrong shape is sent back")
	require.JSONEq(t, `{"value":{"points":["b"]}}`, got["4"].(runtime.AgentCall).Input.String())
}

func TestAMendedRecordIsOneOfItsType(t *testing.T) {
	t.Parallel()
	w := panel(map[string][]runtime.Answer{"fixer": {says(`{"points":["b"]}`)}, "senior": {says(`{"points":["c"]}`)}})
	got, err := play(t, w, `
Text = record(points=[str])
def main():
    scores = {"a": 0.5, "b": 0.55, "c": 1}
    v = verify(Text(points=["a"]), lambda x: scores[x.points[0]], retry=agent("fixer"), escalate=[agent("senior")])
    return [type(v.value), v.value, v.by]
`)
	require.NoError(t, err)
	require.JSONEq(t, `["record", {"points":["c"]}, "senior"]`, got.String())
}

func TestACommandIsAnOracle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answer  runtime.Answer
		score   string
		reasons string
	}{
		{"success", ran(`{"exit_code":0,"stderr":"warming up","stdout":"ok"}`, 1), "1.0", `[]`},
		{"failure", ran(`{"exit_code":1,"stderr":"1 test failed\n","stdout":""}`, 0), "0.0", `["tests: 1 test failed"]`},
		{"text", ran(`"This is completely wrong"`, 1), "null", `["tests: no evidence: the answer is text that is no JSON object","tests: This is completely wrong"]`},
		{"a number in text", ran(`"1"`, 1), "null", `["tests: no evidence: the answer is text that is no JSON object","tests: 1"]`},
		{"an object in text", ran(`"{\"score\": 0.75}"`, 1), "0.75", `["tests: its score is 0.75"]`},
		{"an object in text without a score", ran(`"{\"exit_code\": 0}"`, 1), "null", ``},
		{"a bare number", ran(`1`, 1), "null", `["tests: no evidence: a command printed 1, which is no score; want an object with score"]`},
		{"a bare number of a failure", ran(`1`, 0), "0.0", ``},
		{"a bare yes", ran(`true`, 1), "1.0", `[]`},
		{"nothing", ran(`null`, 1), "null", `["tests: no evidence: the answer is None, which says nothing of a score"]`},
		{"a list", ran(`["wrong"]`, 1), "null", ``},
		{"an object of something else", ran(`{"verdict":"wrong"}`, 1), "null", ``},
		{"an exit code that means yes", ran(`{"exit_code":3,"stderr":"","stdout":""}`, 1), "1.0", `[]`},
		{"an exit code beside counts", ran(`{"exit_code":3,"passed":9,"failed":0}`, 1), "0.0", `["tests: its exit code is 3"]`},
		{"text of a failure", ran(`"x.go:3: undefined: y"`, 0), "0.0", `["tests: x.go:3: undefined: y"]`},
		{"counts", ran(`{"passed":9,"failed":1,"skipped":2}`, 1), "0.75", `["tests: 9 passed, 1 failed, 2 skipped"]`},
		{"counts of a failure", ran(`{"passed":9,"failed":1,"skipped":2}`, 0), "0.0", `["tests: 9 passed, 1 failed, 2 skipped, and its confidence is 0.0"]`},
		{"no tests", ran(`{"passed":0,"failed":0}`, 1), "null", `["tests: no evidence: no tests ran"]`},
		{"half sure", ran(`{"score":0.9}`, 0.5), "0.5", `["tests: its score is 0.9, and its confidence is 0.5"]`},
		{"sure of a bad score", ran(`{"score":0.5}`, 1), "0.5", `["tests: its score is 0.5"]`},
		{"a confidence beyond 1", ran(`{"score":0.5}`, 2), "null", `["tests: no evidence: its score is 0.5, and the confidence is 2.0, want a number from 0 to 1"]`},
		{"no confidence", runtime.Answer{Value: runtime.Payload(`{"exit_code":0}`), Basis: "verifier"}, "null", ``},
		{"a number of a judge", says(`0.9`), "0.9", `["tests: its score is 0.9"]`},
		{"a number in text of a judge", says(`"0.9"`), "null", ``},
		{"not a verifier", says(`{"exit_code":0,"stderr":"","stdout":"ok"}`), "null", ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := panel(map[string][]runtime.Answer{"tests": {tt.answer}})
			got, err := play(t, w, `
def main():
    v = verify("code", agent("tests"))
    return {"score": v.score, "reasons": v.reasons}
`)
			require.NoError(t, err)
			require.Contains(t, got.String(), `"score":`+tt.score+"}")
			if tt.reasons != "" {
				require.JSONEq(t, `{"score":`+tt.score+`,"reasons":`+tt.reasons+`}`, got.String())
			}
		})
	}
}

func TestAVerificationIsAnEvent(t *testing.T) {
	t.Parallel()
	w := panel(nil)
	_, err := play(t, w, `
def main():
    verify("x", lambda x: 0.7, name="draft")
    verify("x", lambda x: None)
    verify("x", lambda x: 0.1, escalate=[lambda x, v: approve("?")])
`)
	require.NoError(t, err)
	got := effects(w)
	require.Equal(t, runtime.Emit{
		Kind: runtime.GateChecked, Name: "draft",
		Data: runtime.Payload(`{"by":"given","passed":true,"score":0.7,"status":"accepted","warning":true}`),
	}, got["1"])
	require.Equal(t, runtime.Emit{
		Kind: runtime.GateChecked, Name: "verify",
		Data: runtime.Payload(`{"by":"given","passed":false,"score":null,"status":"surfaced","warning":false}`),
	}, got["2"])
	require.Equal(t, runtime.Emit{
		Kind: runtime.GateChecked, Name: "verify",
		Data: runtime.Payload(`{"by":"ada","passed":true,"score":0.1,"status":"accepted","warning":false}`),
	}, got["4"])
}

func TestVerifyDoesNotHideTheEndOfItsBranch(t *testing.T) {
	t.Parallel()
	start := time.Time{}
	w := &fakefx.World{Ask: func(ctx context.Context, _ runtime.Address, _ runtime.AgentCall) (runtime.Answer, error) {
		fakefx.Wait(ctx, 30*time.Second)
		return says("0.1"), nil
	}}
	prog, err := compile("p.star", `
def main():
    attempt(verify, "x", agent("slow"), lambda x: sleep("1h"), escalate=[agent("slower")])
    fail("went on")
`)
	require.NoError(t, err)
	stop := errors.New("somebody pressed Ctrl-C")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		start = time.Now()
		time.AfterFunc(3*time.Second, func() { cancel(stop) })
		_, err := w.Run(ctx, prog, nil, runtime.Config{})
		var e *runtime.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, runtime.Cancelled, e.Code)
		require.ErrorIs(t, e, stop)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
	require.Equal(t, []string{"slow"}, asked(w))
}

func TestVerifyDoesNotHideTroubleOfTheHost(t *testing.T) {
	t.Parallel()
	disk := errors.New("no space left on device")
	for _, call := range []string{
		`verify("x", agent("judge"))`,
		`verify("x", lambda x: agent("judge").ask("?"))`,
		`verify("x", lambda x: 0.1, escalate=[agent("senior")])`,
		`verify("x", lambda x: 0.5, retry=lambda x, r: sleep(1))`,
		`verify("x", lambda x: 1)`,
	} {
		w := panel(nil)
		w.Broken = disk
		_, err := play(t, w, "def main():\n    "+call+"\n    fail('went on')\n")
		var host *runtime.HostError
		require.ErrorAs(t, err, &host, call)
		require.ErrorIs(t, err, disk, call)
	}
}

func TestABugInAnOracleShowsWhereItIs(t *testing.T) {
	t.Parallel()
	_, err := play(t, panel(nil), `
def check(x):
    return x[9]
def main():
    verify("x", check)
`)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Script, e.Code)
	require.Equal(t, "Traceback (most recent call last):\n  p.star:5:11: in main\n  <builtin>: in verify\n  p.star:3:13: in check\n", e.Backtrace())
}

func TestASpentBudgetIsNoEvidence(t *testing.T) {
	t.Parallel()
	w := &fakefx.World{Ask: func(context.Context, runtime.Address, runtime.AgentCall) (runtime.Answer, error) {
		return runtime.Answer{}, runtime.Errorf(runtime.BudgetSpent, "the calls are used up")
	}}
	got, err := play(t, w, `
def main():
    v = verify("x", agent("judge"), escalate=[agent("senior")])
    return [v.status, v.value, [s.result for s in v.stages], [s.reasons for s in v.stages]]
`)
	require.NoError(t, err)
	require.JSONEq(t, `["surfaced", "x", ["no_evidence", "failed"], [
		["judge: no evidence: budget: the calls are used up"], ["budget: the calls are used up"]]]`, got.String())
}

func TestVerdictsOfBranches(t *testing.T) {
	t.Parallel()
	src := `
def check(n):
    return verify(n, lambda x: (x % 10) / 10, retry=lambda x, r: x + 2, name="n%d" % n)
def main():
    done = parallel(check, range(200))
    return [[v.value, v.status, v.by, v.score] for v in done]
`
	first, err := play(t, panel(nil), src)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(first.String(), `[[0,"surfaced","given",0.0],[1,"surfaced","given",0.1]`), first.String())
	require.Contains(t, first.String(), `[6,"accepted","retry",0.6],[7,"accepted","retry",0.7],[6,"accepted","given",0.6]`)
	again, err := play(t, panel(nil), src)
	require.NoError(t, err)
	require.Equal(t, first, again)
}

func TestWhatOraclesSayIsCharged(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"reasons": `kept = [verify("x", lambda x: {"ok": False, "reasons": ["because " * 300] * 20}) for _ in range(1000)]`,
		"JSON":    `verify("x", lambda x: "[" + "{}," * 100000 + "1]")`,
		"values":  `verify([{}] * 100000, [dict])`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prog, err := compile("p.star", "def main():\n    "+body+"\n    fail('went on')\n")
			require.NoError(t, err)
			_, err = panel(nil).Run(t.Context(), prog, nil, runtime.Config{Limits: runtime.Limits{Bytes: 32 << 20}})
			var e *runtime.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, runtime.Limit, e.Code, e.Message)
		})
	}
}
