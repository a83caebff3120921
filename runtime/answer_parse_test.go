package runtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func fullAnswer() runtime.Answer {
	c := 0.75
	return runtime.Answer{
		Value: runtime.Payload(`{"a":["x\"]},{",1.5,null],"b":"\\"}`), Confidence: &c, Basis: "logprob", Reasoning: "because\nso",
		Agent: "critic", Version: "1.2", Finish: "stop", Attempts: 3,
		Usage: runtime.Usage{InputTokens: 7, OutputTokens: 9, CachedTokens: 1, ReasoningTokens: 2, CostMicroUSD: 1234, Model: "m"},
		Artifacts: []runtime.Artifact{
			{Name: "a.txt", MediaType: "text/plain", SHA256: "ab", Size: 12, Path: "out/a.txt"},
			{Name: "b"},
		},
	}
}

func TestParseAnswerReadsWhatPayloadWrote(t *testing.T) {
	t.Parallel()
	for _, want := range []runtime.Answer{fullAnswer(), {Value: runtime.Null}, {Value: runtime.Payload(`"x"`), Agent: "a", Attempts: 1}} {
		got, err := runtime.ParseAnswer(want.Payload())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestParseAnswerRefusesBrokenOutcomes(t *testing.T) {
	t.Parallel()
	for _, p := range []string{
		``, `null`, `{}`, `{"value":}`, `{"value"`, `{"value":1`, `{"value":"x}`, `{"agent":1,"value":2}`, `{"attempts":1.5,"value":2}`,
		`{"usage":[],"value":2}`, `{"artifacts":{},"value":2}`, `{"agent":"x" "value":1}`, `{"value":[1}`,
	} {
		_, err := runtime.ParseAnswer(runtime.Payload(p))
		var wrong *runtime.PayloadError
		require.ErrorAs(t, err, &wrong, p)
	}
}

func TestEncodeFieldsSortsAndNamesTheField(t *testing.T) {
	t.Parallel()
	fields := []starlark.Tuple{
		{starlark.String("b"), starlark.MakeInt(1)},
		{starlark.String("a"), starlark.NewList([]starlark.Value{starlark.None})},
	}
	p, err := runtime.EncodeFields(fields)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":[null],"b":1}`, p.String())
	require.Equal(t, `{"a":[null],"b":1}`, p.String())
	require.Equal(t, starlark.String("b"), fields[0][0], "the caller's order stays")

	fields[0][1] = starlark.NewList([]starlark.Value{new(starlark.Set)})
	_, err = runtime.EncodeFields(fields)
	require.EqualError(t, err, "$.b[0]: a set has no JSON form, write sorted(x) or list(x)")
}

func FuzzParseAnswer(f *testing.F) {
	full := fullAnswer()
	f.Add([]byte(full.Payload()))
	f.Add([]byte(`{"value":"\\\""}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := runtime.Canonical(raw)
		if err != nil {
			_, _ = runtime.ParseAnswer(raw) // must not panic on anything
			return
		}
		a, err := runtime.ParseAnswer(p)
		if err != nil {
			return
		}
		v, err := runtime.Canonical(a.Value)
		require.NoError(t, err)
		require.Equal(t, v, a.Value)
	})
}

func BenchmarkParseAnswer(b *testing.B) {
	c := 0.75
	a := runtime.Answer{Value: runtime.Payload(`"yes"`), Confidence: &c, Agent: "critic", Attempts: 1, Usage: runtime.Usage{InputTokens: 7, OutputTokens: 9}}
	p := a.Payload()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := runtime.ParseAnswer(p); err != nil {
			b.Fatal(err)
		}
	}
}
