package modelserver_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/modelserver"
)

func claude(t *testing.T, o modelserver.Options) (*modelserver.Server, anthropic.Client) {
	t.Helper()
	o.Key = key
	srv, url := start(t, o)
	return srv, anthropic.NewClient(option.WithBaseURL(url), option.WithAPIKey(key), option.WithMaxRetries(0))
}

func message(model string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: model, MaxTokens: 50, Temperature: anthropic.Float(0),
		System:   []anthropic.TextBlockParam{{Text: "You review software."}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("What is a good review?"))},
	}
}

func withTool(p anthropic.MessageNewParams) anthropic.MessageNewParams {
	p.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "answer", InputSchema: anthropic.ToolInputSchemaParam{
		Properties: map[string]any{"verdict": map[string]any{"enum": []string{"approve", "reject"}}}, Required: []string{"verdict"},
	}}}}
	p.ToolChoice = anthropic.ToolChoiceParamOfTool("answer")
	return p
}

func collect(t *testing.T, client anthropic.Client, p anthropic.MessageNewParams) (anthropic.Message, error) {
	t.Helper()
	stream := client.Messages.NewStreaming(t.Context(), p)
	defer func() { require.NoError(t, stream.Close()) }()
	var acc anthropic.Message
	for stream.Next() {
		require.NoError(t, acc.Accumulate(stream.Current()))
	}
	return acc, stream.Err()
}

func TestAnthropicClientGetsAnAnswer(t *testing.T) {
	t.Parallel()
	srv, client := claude(t, modelserver.Options{})
	got, err := client.Messages.New(t.Context(), message("ngram-4"))
	require.NoError(t, err)
	require.NotEmpty(t, got.Content[0].Text)
	require.Equal(t, int64(len(srv.Model().Tokenize("You review software.\n\nWhat is a good review?\n\n"))), got.Usage.InputTokens)
	streamed, err := collect(t, client, message("ngram-4"))
	require.NoError(t, err)
	require.Equal(t, got.Content[0].Text, streamed.Content[0].Text)
	require.Equal(t, got.StopReason, streamed.StopReason)
	require.Equal(t, got.Usage.OutputTokens, streamed.Usage.OutputTokens)
}

func TestAnthropicClientGetsAToolCall(t *testing.T) {
	t.Parallel()
	_, client := claude(t, modelserver.Options{})
	got, err := client.Messages.New(t.Context(), withTool(message("ngram-4")))
	require.NoError(t, err)
	require.Equal(t, anthropic.StopReasonToolUse, got.StopReason)
	var value struct{ Verdict string }
	require.NoError(t, json.Unmarshal(got.Content[0].Input, &value))
	require.Contains(t, []string{"approve", "reject"}, value.Verdict)
	streamed, err := collect(t, client, withTool(message("ngram-4")))
	require.NoError(t, err)
	require.JSONEq(t, string(got.Content[0].Input), string(streamed.Content[0].Input))
}

func TestAnthropicClientGetsAnOutputFormat(t *testing.T) {
	t.Parallel()
	_, client := claude(t, modelserver.Options{})
	p := message("ngram-4")
	p.OutputConfig.Format.Schema = map[string]any{"type": "object", "properties": map[string]any{"ok": map[string]any{"type": "boolean"}}}
	got, err := client.Messages.New(t.Context(), p)
	require.NoError(t, err)
	require.Contains(t, []string{`{"ok":true}`, `{"ok":false}`}, got.Content[0].Text)
}

func TestAnthropicClientStopsAtASequence(t *testing.T) {
	t.Parallel()
	_, client := claude(t, modelserver.Options{})
	p := message("ngram-4")
	p.StopSequences = []string{" is"}
	got, err := client.Messages.New(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, anthropic.StopReasonStopSequence, got.StopReason)
	require.Equal(t, " is", got.StopSequence)
}

func TestAnthropicClientSeesFaults(t *testing.T) {
	t.Parallel()
	_, client := claude(t, modelserver.Options{})
	for model, status := range map[string]int{
		"ngram-4+rate_limit=3s": 429, "ngram-4+server_error": 500, "ngram-4+overloaded": 529, "gpt": 404,
	} {
		_, err := client.Messages.New(t.Context(), message(model))
		e, ok := errors.AsType[*anthropic.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, status, e.StatusCode)
	}
	for _, fault := range []string{"cut", "malformed"} {
		_, err := collect(t, client, message("ngram-4+"+fault))
		require.Error(t, err, fault)
		_, err = client.Messages.New(t.Context(), message("ngram-4+"+fault))
		require.Error(t, err, fault)
	}
	got, err := client.Messages.New(t.Context(), withTool(message("ngram-4+refuse")))
	require.NoError(t, err)
	require.Equal(t, anthropic.StopReasonRefusal, got.StopReason)
}
