package anthropic_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/testkit/modelserver"
	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
	"github.com/parallax-run/parallax/plugins/anthropic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-ant-test-0123456789"

type config = map[string]any

// session opens a session and closes it when the test ends.
func session(t *testing.T, config config, secrets map[string]string) *agenttest.Agent {
	t.Helper()
	a, err := agenttest.Open(t, anthropic.Agent(), config, secrets)
	require.NoError(t, err)
	return a
}

// failure is the agent's own error.
func failure(t *testing.T, err error) *agenttest.Error {
	t.Helper()
	e, ok := errors.AsType[*agenttest.Error](err)
	require.True(t, ok, "want an error of the agent, got %v", err)
	return e
}

func open(t *testing.T, more config, script ...modelserver.Fault) (*modelserver.Server, *agenttest.Agent) {
	t.Helper()
	srv := modelserver.New(modelserver.Options{Key: key, Script: script})
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	c := config{"model": "ngram-4", "base_url": web.URL, "temperature": 0}
	maps.Copy(c, more)
	return srv, session(t, c, map[string]string{"ANTHROPIC_API_KEY": key})
}

func sent(t *testing.T, srv *modelserver.Server) map[string]any {
	t.Helper()
	all := srv.Requests()
	require.NotEmpty(t, all)
	var body map[string]any
	require.NoError(t, json.Unmarshal(all[len(all)-1].Body, &body))
	return body
}

func TestAnswersInWords(t *testing.T) {
	t.Parallel()
	srv, a := open(t, config{"system": "Be brief.", "top_k": 40, "extra": config{"metadata": config{"user_id": "ci"}}})
	r, err := a.Run(t.Context(), agenttest.Request{
		Task: "What is a review?", Input: config{"lang": "go"}, Feedback: "too long",
		Messages: []agent.Message{{Role: "system", Content: json.RawMessage(`"More."`)}, {Role: "user", Content: json.RawMessage(`"one"`)}, {Role: "assistant", Content: json.RawMessage(`"Two."`)}},
	})
	require.NoError(t, err)
	var text string
	require.NoError(t, json.Unmarshal(r.Output, &text))
	require.NotEmpty(t, text)
	require.Equal(t, text, r.Text, "the deltas are the answer")
	require.Nil(t, r.Confidence)
	require.Equal(t, "stop", r.Finish)

	body := sent(t, srv)
	require.Len(t, body["system"], 2)
	require.Len(t, body["messages"], 3)
	require.Equal(t, map[string]any{"user_id": "ci"}, body["metadata"])
	require.InDelta(t, 40, body["top_k"], 0)
	require.InDelta(t, 4096, body["max_tokens"], 0)
}

func TestStreamAndWholeAnswerAgree(t *testing.T) {
	t.Parallel()
	_, streaming := open(t, config{"price": config{"input": 1.0, "output": 5.0}})
	_, whole := open(t, config{"stream": false})
	for _, schema := range []string{"", review} {
		a, err := streaming.Run(t.Context(), agenttest.Request{Task: "Go on.", OutputSchema: json.RawMessage(schema)})
		require.NoError(t, err)
		b, err := whole.Run(t.Context(), agenttest.Request{Task: "Go on.", OutputSchema: json.RawMessage(schema)})
		require.NoError(t, err)
		require.JSONEq(t, string(a.Output), string(b.Output))
		require.Equal(t, a.Usage.InputTokens, b.Usage.InputTokens)
		require.Equal(t, a.Usage.OutputTokens, b.Usage.OutputTokens)
		require.Equal(t, a.Usage.InputTokens+5*a.Usage.OutputTokens, a.Usage.CostMicroUSD)
		require.Zero(t, b.Usage.CostMicroUSD)
	}
}

const review = `{"type":"object","properties":{"verdict":{"enum":["approve","reject"]},"why":{"type":"string"}},
	"required":["verdict","why"],"additionalProperties":false}`

func TestAnswersToASchema(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"tool", "format", "prompt"} {
		srv, a := open(t, config{"structured": way})
		r, err := a.Run(t.Context(), agenttest.Request{Task: "Review this.", OutputSchema: json.RawMessage(review)})
		require.NoError(t, err)
		var v struct{ Verdict, Why string }
		require.NoError(t, json.Unmarshal(r.Output, &v), string(r.Output))
		require.Contains(t, []string{"approve", "reject"}, v.Verdict)
		require.NotEmpty(t, v.Why)
		require.Equal(t, "stop", r.Finish)
		require.Equal(t, way == "tool", sent(t, srv)["tools"] != nil)
		require.Equal(t, way == "format", sent(t, srv)["output_config"] != nil)
	}
}

func TestSchemaThatIsNoObjectIsUnwrapped(t *testing.T) {
	t.Parallel()
	_, a := open(t, config{"confidence": "self_report"})
	r, err := a.Run(t.Context(), agenttest.Request{Task: "Approve?", OutputSchema: json.RawMessage(`{"enum":["approve","reject"]}`)})
	require.NoError(t, err)
	require.Contains(t, []string{`"approve"`, `"reject"`}, string(r.Output))
	require.Equal(t, agent.SelfReport, r.Basis)
}

func TestLengthIsSurfaced(t *testing.T) {
	t.Parallel()
	_, a := open(t, config{"max_tokens": 3})
	r, err := a.Run(t.Context(), agenttest.Request{Task: "Go on."})
	require.NoError(t, err)
	require.Equal(t, "length", r.Finish)
	r, err = a.Run(t.Context(), agenttest.Request{Task: "Go on.", OutputSchema: json.RawMessage(review)})
	require.NoError(t, err)
	require.Equal(t, "length", r.Finish)
	var text string
	require.NoError(t, json.Unmarshal(r.Output, &text), "half an object is a string, which the script's check refuses")
}

func TestRefusalIsAnError(t *testing.T) {
	t.Parallel()
	_, a := open(t, nil, modelserver.Fault{Kind: modelserver.Refuse})
	_, err := a.Run(t.Context(), agenttest.Request{Task: "Do it.", OutputSchema: json.RawMessage(review)})
	require.Equal(t, "refusal", failure(t, err).AgentCode)
}

func TestFaultsOfTheServer(t *testing.T) {
	t.Parallel()
	srv, a := open(t, nil, modelserver.Fault{Kind: modelserver.RateLimit, For: 7 * time.Second},
		modelserver.Fault{Kind: modelserver.Overloaded, For: 3 * time.Second}, modelserver.Fault{Kind: modelserver.ServerError},
		modelserver.Fault{Kind: modelserver.Cut}, modelserver.Fault{Kind: modelserver.Malformed})
	for _, want := range []struct {
		code string
		wait time.Duration
	}{{"rate_limit", 7 * time.Second}, {"529", 3 * time.Second}, {"500", 0}, {"cut_off", 0}} {
		_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
		e := failure(t, err)
		require.Equal(t, want.code, e.AgentCode)
		require.Equal(t, want.wait, e.RetryAfter)
	}
	_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	require.NotEmpty(t, failure(t, err).Message)
	require.Len(t, srv.Requests(), 5, "the agent itself does not retry")
}

func TestWrongKeyNamesItsVariableAndNotItsValue(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(modelserver.New(modelserver.Options{Key: key}))
	t.Cleanup(web.Close)
	a := session(t, config{"model": "ngram-4", "base_url": web.URL, "api_key_env": "MY_KEY"}, map[string]string{"MY_KEY": "sk-wrong-987654321"})
	_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	e := failure(t, err)
	require.Equal(t, "bad_key", e.AgentCode)
	require.Contains(t, e.Message, "MY_KEY")
	require.NotContains(t, e.Message+e.Hint+a.Detail(), "sk-wrong")
}

func TestCancellationReachesTheServer(t *testing.T) {
	t.Parallel()
	srv, a := open(t, nil, modelserver.Fault{Kind: modelserver.Stall})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := a.Run(ctx, agenttest.Request{Task: "x"})
		done <- err
	}()
	require.NoError(t, srv.AwaitHeld(t.Context(), 1))
	cancel()
	require.ErrorContains(t, <-done, "Canceled")
	require.NoError(t, srv.AwaitLeft(t.Context(), 1))
}

func TestWrongConfigurationsAreNamed(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]config{
		"model is missing":          {"base_url": "http://localhost"},
		`structured is "magic"`:     {"model": "m", "structured": "magic"},
		`confidence is "logprob"`:   {"model": "m", "confidence": "logprob"},
		"max_tokens":                {"model": "m", "max_tokens": -1},
		"PARALLAX_TEST_NO_SUCH_KEY": {"model": "m", "api_key_env": "PARALLAX_TEST_NO_SUCH_KEY"},
	} {
		_, err := agenttest.Open(t, anthropic.Agent(), c, nil)
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, []string{"ANTHROPIC_API_KEY"}, anthropic.Secrets(nil))
	require.Equal(t, []string{"K"}, anthropic.Secrets(json.RawMessage(`{"api_key_env":"K"}`)))
}
