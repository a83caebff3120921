package openai_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/testkit/agentcall"
	"github.com/parallax-run/parallax/internal/testkit/modelserver"
	"github.com/parallax-run/parallax/plugins/openai"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-test-0123456789"

type config = map[string]any

// open starts a model server and opens an agent on it.
func open(t *testing.T, more config, script ...modelserver.Fault) (*modelserver.Server, *agentcall.Agent) {
	t.Helper()
	srv := modelserver.New(modelserver.Options{Key: key, Script: script})
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	c := config{"model": "ngram-4", "base_url": web.URL + "/v1", "seed": 1}
	maps.Copy(c, more)
	return srv, agentcall.Open(t, openai.Agent(), agentcall.Setup{Config: c, Secrets: map[string]string{"OPENAI_API_KEY": key}})
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
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "What is a review?", Input: config{"lang": "go"}})
	require.NoError(t, err)
	var text string
	require.NoError(t, json.Unmarshal(r.Value, &text))
	require.NotEmpty(t, text)
	require.Equal(t, text, r.Text, "the deltas are the answer")
	require.Equal(t, "logprob", r.Result.GetConfidenceBasis())
	require.Greater(t, r.Result.GetConfidence(), 0.0)
	require.Less(t, r.Result.GetConfidence(), 1.0)

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
	a, err := streaming.Call(t.Context(), t, agentcall.Ask{Task: "Go on."})
	require.NoError(t, err)
	b, err := whole.Call(t.Context(), t, agentcall.Ask{Task: "Go on."})
	require.NoError(t, err)
	require.Equal(t, string(a.Value), string(b.Value))
	require.Equal(t, a.Usage.GetOutputTokens(), b.Usage.GetOutputTokens())
	require.InDelta(t, a.Result.GetConfidence(), b.Result.GetConfidence(), 1e-9)
	require.Empty(t, b.Text)
}

func TestUsageAndCostAreCounted(t *testing.T) {
	t.Parallel()
	srv, a := open(t, config{"price": config{"input": 0.5, "output": 2.0}})
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "What is a review?"})
	require.NoError(t, err)
	require.Equal(t, uint64(len(srv.Model().Tokenize("What is a review?\n\n"))), r.Usage.GetInputTokens())
	require.Positive(t, r.Usage.GetOutputTokens())
	want := float64(r.Usage.GetInputTokens())*0.5 + float64(r.Usage.GetOutputTokens())*2
	require.InDelta(t, want, float64(r.Usage.GetCostMicrousd()), 0.5)
	require.Equal(t, "ngram-4", r.Usage.GetModel())
}

const review = `{"type":"object","properties":{"verdict":{"enum":["approve","reject"]},"why":{"type":"string"}},
	"required":["verdict","why"],"additionalProperties":false}`

func TestAnswersToASchema(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"schema", "prompt"} {
		srv, a := open(t, config{"structured": way})
		r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Review this.", Schema: review})
		require.NoError(t, err)
		var v struct{ Verdict, Why string }
		require.NoError(t, json.Unmarshal(r.Value, &v), string(r.Value))
		require.Contains(t, []string{"approve", "reject"}, v.Verdict)
		require.NotEmpty(t, v.Why)
		require.Equal(t, "logprob", r.Result.GetConfidenceBasis())
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
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Approve?", Schema: `{"enum":["approve","reject"]}`})
	require.NoError(t, err)
	require.Contains(t, []string{`"approve"`, `"reject"`}, string(r.Value))
	require.GreaterOrEqual(t, r.Result.GetConfidence(), 0.5, "the likelier of two")
	require.Less(t, r.Result.GetConfidence(), 1.0)
}

func TestSchemaThatIsNoObjectIsUnwrapped(t *testing.T) {
	t.Parallel()
	_, a := open(t, nil)
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Name some.", Schema: `{"type":"array","items":{"type":"string"},"minItems":2}`})
	require.NoError(t, err)
	var list []string
	require.NoError(t, json.Unmarshal(r.Value, &list))
	require.GreaterOrEqual(t, len(list), 2)
}

func TestSelfReportedConfidence(t *testing.T) {
	t.Parallel()
	srv, a := open(t, config{"confidence": "self_report"})
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Approve?", Schema: `{"enum":["approve","reject"]}`})
	require.NoError(t, err)
	require.Contains(t, []string{`"approve"`, `"reject"`}, string(r.Value))
	require.Equal(t, "self_report", r.Result.GetConfidenceBasis())
	require.NotContains(t, sent(t, srv), "logprobs")
	_, a = open(t, config{"confidence": "none"})
	r, err = a.Call(t.Context(), t, agentcall.Ask{Task: "Approve?"})
	require.NoError(t, err)
	require.Nil(t, r.Result.Confidence)
}

func TestAnswerThatBreaksTheSchemaIsPassedOn(t *testing.T) {
	t.Parallel()
	_, a := open(t, nil, modelserver.Fault{Kind: modelserver.Violate}, modelserver.Fault{Kind: modelserver.Prose})
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Review.", Schema: review})
	require.NoError(t, err)
	require.JSONEq(t, `{"unexpected":[true]}`, string(r.Value))
	r, err = a.Call(t.Context(), t, agentcall.Ask{Task: "Review.", Schema: review})
	require.NoError(t, err)
	var text string
	require.NoError(t, json.Unmarshal(r.Value, &text), "words are a string, which the script's check refuses")
}

func TestConversationAndFeedbackReachTheModel(t *testing.T) {
	t.Parallel()
	srv, a := open(t, nil)
	_, err := a.Call(t.Context(), t, agentcall.Ask{
		Task: "Again.", Feedback: "no verdict",
		Messages: []config{{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}},
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
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Go on.", Tokens: 3})
	require.NoError(t, err)
	require.Equal(t, "length", r.Result.GetFinishReason())
	require.Equal(t, uint64(3), r.Usage.GetOutputTokens())
}

func TestRefusalIsAnError(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		_, a := open(t, config{"stream": stream}, modelserver.Fault{Kind: modelserver.Refuse})
		_, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Do it."})
		e := agentcall.Error(t, err)
		require.Equal(t, "refusal", e.Code)
		require.ErrorContains(t, err, "declined")
	}
}

func TestRateLimitCarriesTheWait(t *testing.T) {
	t.Parallel()
	srv, a := open(t, nil, modelserver.Fault{Kind: modelserver.RateLimit, For: 7 * time.Second}, modelserver.Fault{Kind: modelserver.ServerError})
	_, err := a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
	e := agentcall.Error(t, err)
	require.Equal(t, "rate_limit", e.Code)
	require.Equal(t, 7*time.Second, e.RetryAfter)
	_, err = a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
	require.Equal(t, "500", agentcall.Error(t, err).Code)
	require.Len(t, srv.Requests(), 2, "the agent itself does not retry")
}

func TestCutOffAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		_, a := open(t, config{"stream": stream}, modelserver.Fault{Kind: modelserver.Cut}, modelserver.Fault{Kind: modelserver.Malformed})
		_, err := a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
		require.Equal(t, "cut_off", agentcall.Error(t, err).Code)
		_, err = a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
		require.Error(t, err)
		agentcall.Error(t, err)
	}
}

func TestWrongKeyNamesItsVariableAndNotItsValue(t *testing.T) {
	t.Parallel()
	srv := modelserver.New(modelserver.Options{Key: key})
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	a := agentcall.Open(t, openai.Agent(), agentcall.Setup{
		Config:  config{"model": "ngram-4", "base_url": web.URL + "/v1", "api_key_env": "MY_KEY"},
		Secrets: map[string]string{"MY_KEY": "sk-wrong-987654321"},
	})
	_, err := a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
	e := agentcall.Error(t, err)
	require.Contains(t, e.Message, "MY_KEY")
	require.NotContains(t, e.Message+e.Hint+a.Log()+a.Detail(), "sk-wrong")
	require.Equal(t, "bad_key", e.Code)
}

func TestUnknownModelIsNamed(t *testing.T) {
	t.Parallel()
	_, a := open(t, config{"model": "gpt-99"})
	_, err := a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
	require.Equal(t, "no_model", agentcall.Error(t, err).Code)
	require.ErrorContains(t, err, "gpt-99")
}

func TestServerThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close()
	a := agentcall.Open(t, openai.Agent(), agentcall.Setup{Config: config{"model": "m", "base_url": web.URL}})
	_, err := a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
	require.ErrorContains(t, err, "cannot reach "+strings.TrimPrefix(web.URL, "http://"))
	require.Contains(t, agentcall.Error(t, err).Hint, "base_url")
}

func TestRedirectIsRefused(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.RedirectHandler("http://localhost:1/", http.StatusTemporaryRedirect))
	t.Cleanup(web.Close)
	a := agentcall.Open(t, openai.Agent(), agentcall.Setup{Config: config{"model": "m", "base_url": web.URL}})
	_, err := a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
	require.ErrorContains(t, err, "redirect")
}

func TestCancellationReachesTheServer(t *testing.T) {
	t.Parallel()
	for _, kind := range []modelserver.FaultKind{modelserver.Hold, modelserver.Stall} {
		srv, a := open(t, nil, modelserver.Fault{Kind: kind})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := a.Call(ctx, t, agentcall.Ask{Task: "x"})
			done <- err
		}()
		require.NoError(t, srv.AwaitHeld(t.Context(), 1))
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
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
	a := agentcall.Open(t, openai.Agent(), agentcall.Setup{Config: config{"model": "ngram-4", "base_url": web.URL + "/v1"}})
	for range 2 {
		r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "x"})
		require.NoError(t, err)
		require.Nil(t, r.Result.Confidence)
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
		_, err := agentcall.TryOpen(t, openai.Agent(), agentcall.Setup{Config: c})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "pw")
	}
}

func TestSecretsAreTheKeysName(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"OPENAI_API_KEY"}, openai.Secrets(json.RawMessage(`{}`)))
	require.Equal(t, []string{"K"}, openai.Secrets(json.RawMessage(`{"api_key_env":"K"}`)))
}
