package llm

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/agent"
)

func TestPromptShowsTaskInputsAndFeedback(t *testing.T) {
	t.Parallel()
	got, err := Prompt(" Is it right? ", json.RawMessage(`{"diff":"-a\n+b","files":["a.go"],"n":9007199254740993}`), "no verdict")
	require.NoError(t, err)
	require.Equal(t, `Is it right?

<diff>
-a
+b
</diff>

<files>
["a.go"]
</files>

<n>
9007199254740993
</n>

Your previous answer was not accepted: no verdict
Answer again and avoid this.`, got)
	_, err = Prompt("", json.RawMessage(`{}`), "")
	require.ErrorContains(t, err, "nothing to ask")
	_, err = Prompt("x", json.RawMessage(`[]`), "")
	require.ErrorContains(t, err, "object")
}

func TestTurnsKeepTheConversation(t *testing.T) {
	t.Parallel()
	earlier := []agent.Message{{Role: "user", Content: []byte(`"hi"`)}, {Role: "assistant", Content: []byte(`{"a":1}`)}}
	got, err := Turns("be kind", earlier, "go on")
	require.NoError(t, err)
	require.Equal(t, []Turn{{"system", "be kind"}, {"user", "hi"}, {"assistant", `{"a":1}`}, {"user", "go on"}}, got)
	_, err = Turns("", []agent.Message{{Role: "tool"}}, "x")
	require.ErrorContains(t, err, `"tool"`)
}

func TestShapeEnvelopesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	s, err := NewShape(json.RawMessage(`{"$defs":{"v":{"enum":["a","b"]}},"type":"array","items":{"$ref":"#/$defs/v"}}`), false)
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"object","additionalProperties":false,"required":["answer"],"$defs":{"v":{"enum":["a","b"]}},
		"properties":{"answer":{"type":"array","items":{"$ref":"#/$defs/v"}}}}`, string(s.Schema))
	require.True(t, s.Strict())
	got, reported := s.Read(`{"answer":["a"]}`)
	require.JSONEq(t, `["a"]`, string(got))
	require.Nil(t, reported)
}

func TestShapeAsksForAReport(t *testing.T) {
	t.Parallel()
	s, err := NewShape(nil, true)
	require.NoError(t, err)
	got, reported := s.Read(`{"answer":"yes","confidence":0.75}`)
	require.JSONEq(t, `"yes"`, string(got))
	require.InDelta(t, 0.75, *reported, 0)
	_, reported = s.Read(`{"answer":"yes","confidence":7}`)
	require.Nil(t, reported, "not a probability")
	none, err := NewShape(nil, false)
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestReadFindsJSONAmongWords(t *testing.T) {
	t.Parallel()
	s, err := NewShape(json.RawMessage(`{"type":"object"}`), false)
	require.NoError(t, err)
	for _, text := range []string{
		` {"a":1} `, "Sure!\n```json\n{\"a\":1}\n```\nDone.", "```\n{\"a\":1}\n```", `The answer is {"a":1}, I think.`,
		`See [1] and {x}: {"a":1}`, "<think>Is it {\"b\":2}?</think>\n{\"a\":1}",
	} {
		got, _ := s.Read(text)
		require.JSONEq(t, `{"a":1}`, string(got), text)
	}
	got, _ := s.Read(`no {json here`)
	require.JSONEq(t, `"no {json here"`, string(got))
}

func TestOnlyClosedSchemasAreStrict(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`:                          true,
		`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`:                                           false,
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`:                                                       false,
		`{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"],"additionalProperties":false}`: false,
		`{"type":"object","properties":{"a":{"enum":[{"type":"object"}]}},"required":["a"],"additionalProperties":false}`:               true,
	} {
		s, err := NewShape(json.RawMessage(text), false)
		require.NoError(t, err)
		require.Equal(t, want, s.Strict(), text)
	}
}

func TestPriceIsExact(t *testing.T) {
	t.Parallel()
	cached := 0.025
	u := agent.Usage{InputTokens: 1000, CachedTokens: 400, OutputTokens: 100}
	require.Equal(t, int64(600*0.25+400*0.025+100*2), (&Price{Input: 0.25, Output: 2, Cached: &cached}).Cost(u))
	require.Equal(t, int64(1000*0.25+100*2), (&Price{Input: 0.25, Output: 2}).Cost(u))
	require.Zero(t, (*Price)(nil).Cost(u))
	require.Error(t, (&Price{Input: -1}).Check())
	require.NoError(t, (*Price)(nil).Check())
}

func TestRetryAfterIsReadInAllItsForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	header := func(name, value string) http.Header { h := http.Header{}; h.Set(name, value); return h }
	require.Equal(t, 7*time.Second, RetryAfter(header("Retry-After", "7"), now))
	require.Equal(t, 1500*time.Millisecond, RetryAfter(header("Retry-After-Ms", "1500"), now))
	require.Equal(t, 10*time.Second, RetryAfter(header("Retry-After", now.Add(10*time.Second).Format(http.TimeFormat)), now))
	require.Equal(t, 24*time.Hour, RetryAfter(header("Retry-After", "1e300"), now))
	for _, bad := range []string{"", "soon", "-3", "NaN", now.Add(-time.Hour).Format(http.TimeFormat)} {
		require.Zero(t, RetryAfter(header("Retry-After", bad), now), bad)
	}
}

func tokens(pairs ...any) (list []TokenProb) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, TokenProb{pairs[i].(string), math.Log(pairs[i+1].(float64))})
	}
	return list
}

func TestConfidenceOfTextIsTheGeometricMean(t *testing.T) {
	t.Parallel()
	p, ok := (*Shape)(nil).Confidence("Yes it", tokens("Yes", 0.5, " it", 0.02))
	require.True(t, ok)
	require.InDelta(t, 0.1, p, 1e-9)
	_, ok = (*Shape)(nil).Confidence("other", tokens("Yes", 0.5))
	require.False(t, ok, "tokens of another text")
	_, ok = (*Shape)(nil).Confidence("", nil)
	require.False(t, ok)
}

func TestConfidenceOfAChoiceIsItsProbability(t *testing.T) {
	t.Parallel()
	shape := func(text string) *Shape {
		s, err := NewShape(json.RawMessage(text), false)
		require.NoError(t, err)
		return s
	}
	s := shape(`{"type":"object","properties":{"v":{"$ref":"#/$defs/verdict"},"why":{"type":"string"},"ok":{"type":"boolean"}},
		"$defs":{"verdict":{"enum":["approve","reject"]}}}`)
	text := `{"v":"approve","why":"x","ok":true}`
	p, ok := s.Confidence(text, tokens(`{"`, 0.9, `v`, 0.9, `":"app`, 0.8, `rove`, 0.5, `",`, 1.0, `"why":"`, 0.9, `x`, 0.01, `","ok":`, 1.0, `true`, 0.6, `}`, 1.0))
	require.True(t, ok)
	require.InDelta(t, 0.4, p, 1e-9, "the least sure choice, over all of its tokens")

	s = shape(`{"enum":["a","b"]}`)
	p, ok = s.Confidence(`{"answer":"b"}`, tokens(`{"answer":"`, 0.1, `b`, 0.7, `"`, 1.0, `}`, 0.2))
	require.True(t, ok)
	require.InDelta(t, 0.7, p, 1e-9)

	s = shape(`{"type":"object","properties":{"why":{"type":"string"},"n":{"type":"integer"}}}`)
	p, ok = s.Confidence(`{"why":"x","n":12}`, tokens(`{"why":"`, 0.1, `x`, 0.5, `"`, 1.0, `,"n":`, 0.1, `12`, 0.25, `}`, 0.1))
	require.True(t, ok)
	require.InDelta(t, math.Cbrt(0.5*1*0.25), p, 1e-9, "the values' tokens only")

	_, ok = s.Confidence(`{"why":`, tokens(`{"why":`, 0.5))
	require.False(t, ok, "a cut answer")
	loop := shape(`{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"$ref":"#/$defs/a"}}}`)
	_, ok = loop.Confidence(`{"a":1}`, tokens(`{"a":1}`, 0.5))
	require.True(t, ok)
}

func TestErrorsDoNotShowTheKey(t *testing.T) {
	t.Parallel()
	p := &Provider{BaseURL: "https://models.example/v1", Model: "m", KeyEnv: "MY_KEY", Key: "sk-very-secret"}
	for _, status := range []int{400, 401, 403, 404, 409, 422, 429, 500, 503, 529} {
		err := p.Explain(t.Context(), &StatusError{
			Status: status, Header: http.Header{"Retry-After": {"3"}}, Message: "bad key sk-very-secret in\nrequest",
		})
		e, ok := errors.AsType[*agent.Error](err)
		require.True(t, ok)
		require.NotContains(t, e.Message+e.Hint, "sk-very")
		require.Contains(t, e.Message, "models.example")
		if status == 429 || status >= 500 {
			require.Equal(t, 3*time.Second, e.RetryAfter, status)
		}
	}
	require.ErrorContains(t, p.Explain(t.Context(), &StatusError{Status: 401}), "MY_KEY")
	require.NotContains(t, p.Explain(t.Context(), errors.New("odd sk-very-secret")).Error(), "sk-very")
}

func TestErrorsOfManyProvidersAreRead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]StatusError{
		`{"error":{"message":"m","type":"t","code":"c","param":"p"}}`: {Message: "m", Code: "c", Param: "p"},
		`{"type":"error","error":{"type":"t","message":"m"}}`:         {Message: "m", Code: "t"},
		`{"error":{"message":"m","type":"t","code":null}}`:            {Message: "m", Code: "t"},
		`{"error":{"message":"m","code":400}}`:                        {Message: "m", Code: "400"},
		`{"error":"model not found"}`:                                 {Message: "model not found"},
		`{"object":"error","message":"m","code":400}`:                 {Message: "m"},
		`{"detail":[{"msg":"field required"}]}`:                       {Message: `[{"msg":"field required"}]`},
		"<html>bad gateway</html>":                                    {Message: "<html>bad gateway</html>"},
		``:                                                            {},
		`[]`:                                                          {Message: `[]`},
	} {
		res := &http.Response{StatusCode: 400, Body: io.NopCloser(strings.NewReader(body))}
		want.Status = 400
		require.Equal(t, want, *readStatus(res), body)
	}
}
