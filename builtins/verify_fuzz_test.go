package builtins

import (
	"math"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// FuzzReading reads whatever an agent may answer: it is a score in [0, 1] or no evidence, never a panic, and the same each time.
func FuzzReading(f *testing.F) {
	for _, answer := range []string{
		`true`, `0.5`, `-0.0`, `1e400`, `null`, `"fine"`, `"0.75"`, "\"```json\\n{\\\"score\\\": 1}\\n```\"", `[1]`, `{}`, `{"score":0.9}`,
		`{"score":"0.9","reasons":["a",{"b":[1]},null]}`, `{"passed":9,"failed":1,"skipped":2}`, `{"passed":0,"failed":0}`,
		`{"passed":9007199254740993,"failed":1.5,"errors":-1}`, `{"ok":false,"passed":true,"failed":3,"score":7}`,
		`{"exit_code":1,"stderr":"é","stdout":"` + "\\ufffd" + `"}`, "not JSON", "```",
		`{"passed":3,"failures":["a"],"error":{"b":1},"total":9,"exit_code":0}`, `{"score":1,"errors":"3","exit_code":1.5}`, `{"passed":9e15,"total":1}`, "``````", "```\n1\n```", "\xff",
	} {
		f.Add([]byte(answer), 0.5, true)
		f.Add([]byte(answer), math.NaN(), true)
		f.Add([]byte(answer), 1.0, false)
	}
	f.Fuzz(func(t *testing.T, answer []byte, confidence float64, verifies bool) {
		v, err := runtime.Decode(answer)
		if err != nil {
			v = starlark.String(answer)
		}
		r := &Result{value: v}
		if verifies {
			r.answer = runtime.Answer{Confidence: &confidence, Basis: verifierBasis}
		}
		for _, v := range []starlark.Value{v, r, &tried{value: r}, &Verdict{candidate: candidate{value: v}}} {
			first := mustRead(t, v)
			require.Equal(t, first, mustRead(t, v))
			checkEvidence(t, first.evidence("oracle"))
			if first.sense != scored {
				require.Zero(t, first.score)
			}
		}
		if said := mustRead(t, r); verifies && said.score > 0 {
			require.LessOrEqual(t, said.score, confidence)
		}
	})
}

func mustRead(t *testing.T, v starlark.Value) reading {
	t.Helper()
	r := reader{}
	said, err := r.read(v)
	require.NoError(t, err)
	return said
}

// checkEvidence checks what holds of all evidence.
func checkEvidence(t *testing.T, e evidence) {
	t.Helper()
	require.False(t, math.IsNaN(e.score))
	require.True(t, isShare(e.score), "score %v", e.score)
	require.False(t, math.Signbit(e.score))
	require.LessOrEqual(t, len(e.reasons), maxReasons)
	for _, reason := range e.reasons {
		require.True(t, utf8.ValidString(reason))
		require.LessOrEqual(t, len(reason), maxReasonBytes+len("no evidence: "))
	}
	if !e.known || e.score < 1 {
		require.NotEmpty(t, e.reasons, "doubt has a reason")
	}
}

func TestAnswersWithinAnswersAreReadToADepth(t *testing.T) {
	t.Parallel()
	var v starlark.Value = starlark.Bool(true)
	for range maxHeld - 1 {
		v = &Result{value: v}
	}
	require.Equal(t, scored, mustRead(t, v).sense)
	require.Equal(t, unusable, mustRead(t, &Result{value: v}).sense)
	for range 100_000 {
		v = &tried{value: v}
	}
	require.Equal(t, unusable, mustRead(t, v).sense)
	inner, trouble := held(v)
	require.Nil(t, inner)
	require.Equal(t, "a value within more than 8 answers", trouble)
}

func TestTheLesserOfTwoReadingsCounts(t *testing.T) {
	t.Parallel()
	none, bad := reading{why: "none"}, notUsable("bad")
	zero, half, one := scoreOf(0, "zero"), scoreOf(0.5, "half"), scoreOf(1, "one")
	for _, tt := range []struct{ a, b, want reading }{
		{none, none, none},
		{none, bad, bad},
		{none, half, half},
		{none, zero, zero},
		{bad, half, bad},
		{bad, one, bad},
		{bad, zero, zero},
		{zero, half, zero},
		{half, one, half},
		{one, one, one},
	} {
		for _, got := range []reading{tt.a.least(tt.b), tt.b.least(tt.a)} {
			require.Equal(t, tt.want.sense, got.sense, "%v and %v", tt.a, tt.b)
			require.InDelta(t, tt.want.score, got.score, 0, "%v and %v", tt.a, tt.b)
			require.Equal(t, tt.want.why, got.why)
		}
	}
}
