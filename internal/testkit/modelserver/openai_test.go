package modelserver_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/modelserver"
)

const key = "test-key"

func start(t *testing.T, o modelserver.Options) (*modelserver.Server, string) {
	t.Helper()
	srv := modelserver.New(o)
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	return srv, web.URL
}

func openAI(t *testing.T, o modelserver.Options) (*modelserver.Server, openai.Client) {
	t.Helper()
	o.Key = key
	srv, url := start(t, o)
	return srv, openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

func ask(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model,
		Seed:  openai.Int(3),
		Messages: []openai.ChatCompletionMessageParamUnion{
			openai.SystemMessage("You review software."), openai.UserMessage("What is a good review?"),
		},
	}
}

func TestOpenAIClientGetsAnAnswer(t *testing.T) {
	t.Parallel()
	srv, client := openAI(t, modelserver.Options{})
	params := ask("ngram-4")
	params.N = openai.Int(3)
	params.MaxTokens = openai.Int(40)
	got, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.Len(t, got.Choices, 3)
	require.NotEqual(t, got.Choices[0].Message.Content, got.Choices[1].Message.Content)
	require.Equal(t, int64(len(srv.Model().Tokenize("You review software.\n\nWhat is a good review?\n\n"))), got.Usage.PromptTokens)
	again, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	for i := range got.Choices {
		require.Equal(t, got.Choices[i].Message.Content, again.Choices[i].Message.Content)
	}
	require.Len(t, srv.Requests(), 2)
	require.Equal(t, "/v1/chat/completions", srv.Requests()[0].Path)
}

func TestOpenAIClientGetsLogProbabilities(t *testing.T) {
	t.Parallel()
	srv, client := openAI(t, modelserver.Options{})
	params := ask("ngram-4")
	params.Logprobs, params.TopLogprobs = openai.Bool(true), openai.Int(3)
	params.MaxCompletionTokens = openai.Int(20)
	params.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage("?")}
	got, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	choice := got.Choices[0]
	text, past := "", []int(nil)
	for _, tok := range choice.Logprobs.Content {
		require.InDelta(t, srv.Model().Logprob(past, tok.Token), tok.Logprob, 1e-9)
		require.Len(t, tok.TopLogprobs, 3)
		require.GreaterOrEqual(t, tok.TopLogprobs[0].Logprob, tok.TopLogprobs[1].Logprob)
		past = append(past, srv.Model().Tokenize(tok.Token)[0].ID)
		text += tok.Token
	}
	require.Equal(t, choice.Message.Content, text)
	require.Equal(t, got.Usage.CompletionTokens, int64(len(choice.Logprobs.Content)))
}

func TestOpenAIClientStreams(t *testing.T) {
	t.Parallel()
	_, client := openAI(t, modelserver.Options{})
	params := ask("ngram-3")
	whole, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	var acc openai.ChatCompletionAccumulator
	chunks := 0
	for stream.Next() {
		require.True(t, acc.AddChunk(stream.Current()))
		chunks++
	}
	require.NoError(t, stream.Err())
	require.NoError(t, stream.Close())
	require.Equal(t, whole.Choices[0].Message.Content, acc.Choices[0].Message.Content)
	require.Equal(t, whole.Choices[0].FinishReason, acc.Choices[0].FinishReason)
	require.Equal(t, whole.Usage.TotalTokens, acc.Usage.TotalTokens)
	require.Greater(t, chunks, 5)
}

func TestOpenAIClientGetsStructuredOutput(t *testing.T) {
	t.Parallel()
	_, client := openAI(t, modelserver.Options{})
	params := ask("ngram-4")
	params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "review", Strict: openai.Bool(true), Schema: map[string]any{
			"type": "object", "additionalProperties": false, "required": []string{"verdict"},
			"properties": map[string]any{"verdict": map[string]any{"type": "string", "enum": []string{"approve", "reject"}}},
		}},
	}
	got, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.Contains(t, []string{`{"verdict":"approve"}`, `{"verdict":"reject"}`}, got.Choices[0].Message.Content)
	params.MaxTokens = openai.Int(2)
	got, err = client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.Equal(t, "length", got.Choices[0].FinishReason)
	require.False(t, json.Valid([]byte(got.Choices[0].Message.Content)))
}

func TestOpenAIClientSeesFaults(t *testing.T) {
	t.Parallel()
	_, client := openAI(t, modelserver.Options{Script: []modelserver.Fault{{Kind: modelserver.ServerError}}})
	status := func(model string) *openai.Error {
		_, err := client.Chat.Completions.New(t.Context(), ask(model))
		e, ok := errors.AsType[*openai.Error](err)
		require.True(t, ok, "%v", err)
		return e
	}
	require.Equal(t, 500, status("ngram-4").StatusCode)
	limited := status("ngram-4+rate_limit=7s")
	require.Equal(t, 429, limited.StatusCode)
	require.Equal(t, "7", limited.Response.Header.Get("Retry-After"))
	require.Equal(t, 503, status("ngram-4+overloaded").StatusCode)
	missing := status("gpt-99")
	require.Equal(t, 404, missing.StatusCode)
	require.Equal(t, "model_not_found", missing.Code)
	require.Equal(t, 400, status("ngram-4+nonsense").StatusCode)

	for _, fault := range []string{"cut", "malformed"} {
		_, err := client.Chat.Completions.New(t.Context(), ask("ngram-4+"+fault))
		require.Error(t, err, fault)
		stream := client.Chat.Completions.NewStreaming(t.Context(), ask("ngram-4+"+fault))
		for stream.Next() {
		}
		require.Error(t, stream.Err(), fault)
		require.NoError(t, stream.Close())
	}
	refused, err := client.Chat.Completions.New(t.Context(), ask("ngram-4+refuse"))
	require.NoError(t, err)
	require.NotEmpty(t, refused.Choices[0].Message.Refusal)
	odd, err := client.Chat.Completions.New(t.Context(), ask("ngram-4"), option.WithHeader(modelserver.FaultHeader, "violate"))
	require.NoError(t, err)
	require.JSONEq(t, `{"unexpected":[true]}`, odd.Choices[0].Message.Content)
}

func TestWrongKeyIsUnauthorized(t *testing.T) {
	t.Parallel()
	_, url := start(t, modelserver.Options{Key: key})
	client := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("wrong"), option.WithMaxRetries(0))
	_, err := client.Chat.Completions.New(t.Context(), ask("ngram-4"))
	e, ok := errors.AsType[*openai.Error](err)
	require.True(t, ok)
	require.Equal(t, 401, e.StatusCode)
	require.Equal(t, "invalid_api_key", e.Code)
}

func TestModelsAreListed(t *testing.T) {
	t.Parallel()
	_, client := openAI(t, modelserver.Options{Models: []string{"reviewer"}})
	page, err := client.Models.List(t.Context())
	require.NoError(t, err)
	var names []string
	for _, m := range page.Data {
		names = append(names, m.ID)
	}
	require.Equal(t, []string{"ngram-4", "ngram-3", "ngram-2", "ngram-1", "reviewer"}, names)
}

func TestHeldRequestAnswersWhenReleased(t *testing.T) {
	t.Parallel()
	for _, fault := range []modelserver.FaultKind{modelserver.Hold, modelserver.Stall} {
		srv, client := openAI(t, modelserver.Options{Script: []modelserver.Fault{{Kind: fault}}})
		done := make(chan error, 1)
		go func() {
			_, err := client.Chat.Completions.New(t.Context(), ask("ngram-4"))
			done <- err
		}()
		require.NoError(t, srv.AwaitHeld(t.Context(), 1))
		require.Empty(t, done)
		srv.Release()
		require.NoError(t, <-done)
	}
}

func TestSettingsOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	_, url := start(t, modelserver.Options{})
	for _, body := range []string{
		`{`, `{"model":"ngram-4","messages":[]}`,
		`{"model":"ngram-4","messages":[{"role":"user","content":"x"}],"temperature":2.5}`,
		`{"model":"ngram-4","messages":[{"role":"user","content":"x"}],"top_p":-1}`,
		`{"model":"ngram-4","messages":[{"role":"user","content":"x"}],"n":0}`,
		`{"model":"ngram-4","messages":[{"role":"user","content":"x"}],"max_tokens":0}`,
		`{"model":"ngram-4","messages":[{"role":"user","content":"x"}],"top_logprobs":2}`,
		`{"model":"ngram-4","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`,
		`{"model":"ngram-4","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema"}}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 400, res.StatusCode, body)
		require.Contains(t, string(text), "invalid_request_error")
	}
}

func TestAnswersWithoutASeedDiffer(t *testing.T) {
	t.Parallel()
	_, client := openAI(t, modelserver.Options{})
	params := ask("ngram-4")
	params.Seed = openai.ChatCompletionNewParams{}.Seed
	params.Temperature = openai.Float(1.5)
	a, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	b, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.NotEqual(t, a.Choices[0].Message.Content, b.Choices[0].Message.Content)
}
