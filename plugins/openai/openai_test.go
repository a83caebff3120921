package openai_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/testkit/modelserver"
	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
	"github.com/parallax-run/parallax/plugins/openai"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-test-0123456789"

type config = map[string]any

// session opens a session and closes it when the test ends.
func session(t *testing.T, config config, secrets map[string]string) *agenttest.Agent {
	t.Helper()
	a, err := agenttest.Open(t, openai.Agent(), config, secrets)
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

// open starts a model server and opens an agent on it.
func open(t *testing.T, more config, script ...modelserver.Fault) (*modelserver.Server, *agenttest.Agent) {
	t.Helper()
	srv := modelserver.New(modelserver.Options{Key: key, Script: script})
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	c := config{"model": "ngram-4", "base_url": web.URL + "/v1", "seed": 1}
	maps.Copy(c, more)
	return srv, session(t, c, map[string]string{"OPENAI_API_KEY": key})
}

// sent is the body of the last request.
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
	srv, a := open(t, config{"system": "Be brief.", "temperature": 0, "max_tokens": 30, "extra": config{"user": "ci"}})
	r, err := a.Run(t.Context(), agenttest.Request{Task: "What is a review?", Input: config{"lang": "go"}})
	require.NoError(t, err)
	var text string
	require.NoError(t, json.Unmarshal(r.Output, &text))
	require.NotEmpty(t, text)
	require.Equal(t, text, r.Text, "the deltas are the answer")
	require.Equal(t, agent.LogProb, r.Basis)
	require.Greater(t, *r.Confidence, 0.0)
	require.Less(t, *r.Confidence, 1.0)

	body := sent(t, srv)
	require.Equal(t, "ngram-4", body["model"])
	require.Equal(t, "ci", body["user"])
	require.InDelta(t, 30, body["max_tokens"], 0)
	messages := body["messages"].([]any)
	require.Equal(t, map[string]any{"role": "system", "content": "Be brief."}, messages[0])
	require.Equal(t, map[string]any{"role": "user", "content": "What is a review?\n\n<lang>\ngo\n</lang>"}, messages[1])
}

func TestStreamAndWholeAnswerAgree(t *testing.T) {
	t.Parallel()
	_, streaming := open(t, nil)
	_, whole := open(t, config{"stream": false})
	a, err := streaming.Run(t.Context(), agenttest.Request{Task: "Go on."})
	require.NoError(t, err)
	b, err := whole.Run(t.Context(), agenttest.Request{Task: "Go on."})
	require.NoError(t, err)
	require.Equal(t, string(a.Output), string(b.Output))
	require.Equal(t, a.Usage.OutputTokens, b.Usage.OutputTokens)
	require.InDelta(t, *a.Confidence, *b.Confidence, 1e-9)
	require.Empty(t, b.Text)
}

func TestUsageAndCostAreCounted(t *testing.T) {
	t.Parallel()
	srv, a := open(t, config{"price": config{"input": 0.5, "output": 2.0}})
	r, err := a.Run(t.Context(), agenttest.Request{Task: "What is a review?"})
	require.NoError(t, err)
	require.Equal(t, int64(len(srv.Model().Tokenize("What is a review?\n\n"))), r.Usage.InputTokens)
	require.Positive(t, r.Usage.OutputTokens)
	want := float64(r.Usage.InputTokens)*0.5 + float64(r.Usage.OutputTokens)*2
	require.InDelta(t, want, float64(r.Usage.CostMicroUSD), 0.5)
	require.Equal(t, "ngram-4", r.Usage.Model)
}

const review = `{"type":"object","properties":{"verdict":{"enum":["approve","reject"]},"why":{"type":"string"}},
	"required":["verdict","why"],"additionalProperties":false}`

func TestAnswersToASchema(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"schema", "prompt"} {
		srv, a := open(t, config{"structured": way})
		r, err := a.Run(t.Context(), agenttest.Request{Task: "Review this.", OutputSchema: json.RawMessage(review)})
		require.NoError(t, err)
		var v struct{ Verdict, Why string }
		require.NoError(t, json.Unmarshal(r.Output, &v), string(r.Output))
		require.Contains(t, []string{"approve", "reject"}, v.Verdict)
		require.NotEmpty(t, v.Why)
		require.Equal(t, agent.LogProb, r.Basis)
		format := sent(t, srv)["response_format"].(map[string]any)
		if way == "prompt" {
			require.Equal(t, "json_object", format["type"])
			continue
		}
		require.Equal(t, "json_schema", format["type"])
		require.Equal(t, true, format["json_schema"].(map[string]any)["strict"])
	}
}

func TestConfidenceOfAChoiceIsItsShare(t *testing.T) {
	t.Parallel()
	_, a := open(t, config{"temperature": 0})
	r, err := a.Run(t.Context(), agenttest.Request{Task: "Approve?", OutputSchema: json.RawMessage(`{"enum":["approve","reject"]}`)})
	require.NoError(t, err)
	require.Contains(t, []string{`"approve"`, `"reject"`}, string(r.Output))
	require.GreaterOrEqual(t, *r.Confidence, 0.5, "the likelier of two")
	require.Less(t, *r.Confidence, 1.0)
}

func TestSchemaThatIsNoObjectIsUnwrapped(t *testing.T) {
	t.Parallel()
	_, a := open(t, nil)
	r, err := a.Run(t.Context(), agenttest.Request{Task: "Name some.", OutputSchema: json.RawMessage(`{"type":"array","items":{"type":"string"},"minItems":2}`)})
	require.NoError(t, err)
	var list []string
	require.NoError(t, json.Unmarshal(r.Output, &list))
	require.GreaterOrEqual(t, len(list), 2)
}

func TestSelfReportedConfidence(t *testing.T) {
	t.Parallel()
	srv, a := open(t, config{"confidence": "self_report"})
	r, err := a.Run(t.Context(), agenttest.Request{Task: "Approve?", OutputSchema: json.RawMessage(`{"enum":["approve","reject"]}`)})
	require.NoError(t, err)
	require.Contains(t, []string{`"approve"`, `"reject"`}, string(r.Output))
	require.Equal(t, agent.SelfReport, r.Basis)
	require.NotContains(t, sent(t, srv), "logprobs")
	_, a = open(t, config{"confidence": "none"})
	r, err = a.Run(t.Context(), agenttest.Request{Task: "Approve?"})
	require.NoError(t, err)
	require.Nil(t, r.Confidence)
}

func TestAnswerThatBreaksTheSchemaIsPassedOn(t *testing.T) {
	t.Parallel()
	_, a := open(t, nil, modelserver.Fault{Kind: modelserver.Violate}, modelserver.Fault{Kind: modelserver.Prose})
	r, err := a.Run(t.Context(), agenttest.Request{Task: "Review.", OutputSchema: json.RawMessage(review)})
	require.NoError(t, err)
	require.JSONEq(t, `{"unexpected":[true]}`, string(r.Output))
	r, err = a.Run(t.Context(), agenttest.Request{Task: "Review.", OutputSchema: json.RawMessage(review)})
	require.NoError(t, err)
	var text string
	require.NoError(t, json.Unmarshal(r.Output, &text), "words are a string, which the script's check refuses")
}

func TestConversationAndFeedbackReachTheModel(t *testing.T) {
	t.Parallel()
	srv, a := open(t, nil)
	_, err := a.Run(t.Context(), agenttest.Request{
		Task: "Again.", Feedback: "no verdict",
		Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"one"`)}, {Role: "assistant", Content: json.RawMessage(`"two"`)}},
	})
	require.NoError(t, err)
	messages := sent(t, srv)["messages"].([]any)
	require.Len(t, messages, 3)
	require.Equal(t, "assistant", messages[1].(map[string]any)["role"])
	require.Contains(t, messages[2].(map[string]any)["content"], "no verdict")
}

func TestLengthIsSurfaced(t *testing.T) {
	t.Parallel()
	_, a := open(t, nil)
	r, err := a.Run(t.Context(), agenttest.Request{Task: "Go on.", MaxOutputTokens: 3})
	require.NoError(t, err)
	require.Equal(t, "length", r.Finish)
	require.Equal(t, int64(3), r.Usage.OutputTokens)
}

func TestRefusalIsAnError(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		_, a := open(t, config{"stream": stream}, modelserver.Fault{Kind: modelserver.Refuse})
		_, err := a.Run(t.Context(), agenttest.Request{Task: "Do it."})
		e := failure(t, err)
		require.Equal(t, "refusal", e.AgentCode)
		require.ErrorContains(t, err, "declined")
	}
}

func TestRateLimitCarriesTheWait(t *testing.T) {
	t.Parallel()
	srv, a := open(t, nil, modelserver.Fault{Kind: modelserver.RateLimit, For: 7 * time.Second}, modelserver.Fault{Kind: modelserver.ServerError})
	_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	e := failure(t, err)
	require.Equal(t, "rate_limit", e.AgentCode)
	require.Equal(t, 7*time.Second, e.RetryAfter)
	_, err = a.Run(t.Context(), agenttest.Request{Task: "x"})
	require.Equal(t, "500", failure(t, err).AgentCode)
	require.Len(t, srv.Requests(), 2, "the agent itself does not retry")
}

func TestCutOffAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		_, a := open(t, config{"stream": stream}, modelserver.Fault{Kind: modelserver.Cut}, modelserver.Fault{Kind: modelserver.Malformed})
		_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
		require.Equal(t, "cut_off", failure(t, err).AgentCode)
		_, err = a.Run(t.Context(), agenttest.Request{Task: "x"})
		require.Error(t, err)
		require.NotEmpty(t, failure(t, err).Message)
	}
}

func TestWrongKeyNamesItsVariableAndNotItsValue(t *testing.T) {
	t.Parallel()
	srv := modelserver.New(modelserver.Options{Key: key})
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	a := session(t, config{"model": "ngram-4", "base_url": web.URL + "/v1", "api_key_env": "MY_KEY"}, map[string]string{"MY_KEY": "sk-wrong-987654321"})
	_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	e := failure(t, err)
	require.Contains(t, e.Message, "MY_KEY")
	require.NotContains(t, e.Message+e.Hint+a.Detail(), "sk-wrong")
	require.Equal(t, "bad_key", e.AgentCode)
}

func TestUnknownModelIsNamed(t *testing.T) {
	t.Parallel()
	_, a := open(t, config{"model": "gpt-99"})
	_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	require.Equal(t, "no_model", failure(t, err).AgentCode)
	require.ErrorContains(t, err, "gpt-99")
}

func TestServerThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close()
	a := session(t, config{"model": "m", "base_url": web.URL}, nil)
	_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	require.ErrorContains(t, err, "cannot reach "+strings.TrimPrefix(web.URL, "http://"))
	require.Contains(t, failure(t, err).Hint, "base_url")
}

func TestRedirectIsRefused(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.RedirectHandler("http://localhost:1/", http.StatusTemporaryRedirect))
	t.Cleanup(web.Close)
	a := session(t, config{"model": "m", "base_url": web.URL}, nil)
	_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	require.ErrorContains(t, err, "redirect")
}

func TestCancellationReachesTheServer(t *testing.T) {
	t.Parallel()
	for _, kind := range []modelserver.FaultKind{modelserver.Hold, modelserver.Stall} {
		srv, a := open(t, nil, modelserver.Fault{Kind: kind})
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
}

// A model without log-probabilities refuses requests for them, as reasoning models do.
func TestModelWithoutLogprobsIsAskedWithoutThem(t *testing.T) {
	t.Parallel()
	srv := modelserver.New(modelserver.Options{})
	refusals := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		if bytes.Contains(raw, []byte(`"logprobs"`)) {
			refusals++
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":{"message":"logprobs are not supported with this model","type":"invalid_request_error","param":"logprobs","code":null}}`))
			return
		}
		srv.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	a := session(t, config{"model": "ngram-4", "base_url": web.URL + "/v1"}, nil)
	for range 2 {
		r, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
		require.NoError(t, err)
		require.Nil(t, r.Confidence)
	}
	require.Equal(t, 1, refusals, "it is remembered")
}

func TestWrongConfigurationsAreNamed(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]config{
		"model is missing":          {"base_url": "http://localhost"},
		"base_url must be":          {"model": "m", "base_url": "ftp://x"},
		"name or password":          {"model": "m", "base_url": "https://me:pw@x"},
		`structured is "magic"`:     {"model": "m", "structured": "magic"},
		`confidence is "high"`:      {"model": "m", "confidence": "high"},
		"price":                     {"model": "m", "price": config{"input": -1}},
		`no field "modle"`:          {"modle": "m"},
		"PARALLAX_TEST_NO_SUCH_KEY": {"model": "m", "api_key_env": "PARALLAX_TEST_NO_SUCH_KEY"},
	} {
		_, err := agenttest.Open(t, openai.Agent(), c, nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "pw")
	}
}

func TestSecretsAreTheKeysName(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"OPENAI_API_KEY"}, openai.Secrets(json.RawMessage(`{}`)))
	require.Equal(t, []string{"K"}, openai.Secrets(json.RawMessage(`{"api_key_env":"K"}`)))
}
