package openai

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/llm"
)

// completion is what the model wrote, whether it came in one piece or as a stream.
type completion struct {
	text, refusal, thinking string
	finish                  string // "" until the model said that it is done
	tokens                  []openai.ChatCompletionTokenLogprob
	usage                   openai.CompletionUsage
	model                   string
}

// ask sends the request. A model that does not give log-probabilities is asked without them, now and from now on.
func (c *Config) ask(ctx context.Context, call *agent.Call[Config], p openai.ChatCompletionNewParams) (*completion, error) {
	got, err := c.send(ctx, call, p)
	if c.Confidence == "auto" && refusesLogprobs(err) {
		c.noLogprobs.Store(true)
		p.Logprobs = openai.ChatCompletionNewParams{}.Logprobs
		got, err = c.send(ctx, call, p)
	}
	if err != nil {
		return nil, c.provider.Explain(ctx, err)
	}
	return got, nil
}

func refusesLogprobs(err error) bool {
	e, ok := errors.AsType[*llm.StatusError](err)
	return ok && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity) &&
		(strings.Contains(e.Message, "logprobs") || e.Param == "logprobs")
}

func (c *Config) send(ctx context.Context, call *agent.Call[Config], p openai.ChatCompletionNewParams) (*completion, error) {
	if c.Stream != nil && !*c.Stream {
		return c.whole(ctx, p)
	}
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	return c.stream(ctx, call, p)
}

func (c *Config) whole(ctx context.Context, p openai.ChatCompletionNewParams) (*completion, error) {
	res, err := c.chat.New(ctx, p)
	if err != nil {
		return nil, err
	}
	if len(res.Choices) == 0 {
		return nil, errors.New("it has no choices")
	}
	choice := res.Choices[0]
	return &completion{
		text: choice.Message.Content, refusal: choice.Message.Refusal, finish: choice.FinishReason,
		thinking: thinkingOf(choice.Message.RawJSON()), tokens: choice.Logprobs.Content, usage: res.Usage, model: res.Model,
	}, nil
}

func (c *Config) stream(ctx context.Context, call *agent.Call[Config], p openai.ChatCompletionNewParams) (*completion, error) {
	stream := c.chat.NewStreaming(ctx, p)
	defer stream.Close()
	got := &completion{}
	var text, refusal, thinking strings.Builder
	for stream.Next() {
		chunk := stream.Current()
		if chunk.Usage.TotalTokens > 0 {
			got.usage = chunk.Usage
		}
		got.model = orElse(chunk.Model, got.model)
		if len(chunk.Choices) == 0 {
			continue
		}
		choice := chunk.Choices[0]
		call.Emit(choice.Delta.Content)
		text.WriteString(choice.Delta.Content)
		refusal.WriteString(choice.Delta.Refusal)
		if thought := thinkingOf(choice.Delta.RawJSON()); thought != "" {
			call.EmitThinking(thought)
			thinking.WriteString(thought)
		}
		got.tokens = append(got.tokens, choice.Logprobs.Content...)
		got.finish = orElse(choice.FinishReason, got.finish)
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if got.finish == "" {
		return nil, c.provider.Cut()
	}
	got.text, got.refusal, got.thinking = text.String(), refusal.String(), thinking.String()
	return got, nil
}

// thinkingOf reads what some servers send beside the answer, under one of two names that OpenAI's format does not have.
func thinkingOf(raw string) string {
	if !strings.Contains(raw, `"reasoning`) {
		return ""
	}
	var fields struct {
		Content string `json:"reasoning_content"`
		Plain   any    `json:"reasoning"`
	}
	if json.Unmarshal([]byte(raw), &fields) != nil {
		return ""
	}
	plain, _ := fields.Plain.(string)
	return orElse(fields.Content, plain)
}

// refused says whether the model declined.
func (got *completion) refused() bool { return got.refusal != "" || got.finish == "content_filter" }

func (got *completion) usageOf(c *Config) agent.Usage {
	u := agent.Usage{
		InputTokens:     got.usage.PromptTokens,
		OutputTokens:    got.usage.CompletionTokens,
		CachedTokens:    got.usage.PromptTokensDetails.CachedTokens,
		ReasoningTokens: got.usage.CompletionTokensDetails.ReasoningTokens,
		Model:           orElse(got.model, c.Model),
		Steps:           1,
	}
	u.CostMicroUSD = c.Price.Cost(u)
	return u
}

// confidence is how likely the answer was under the model, if the model said so.
func (got *completion) confidence(shape *llm.Shape) (float64, bool) {
	tokens := make([]llm.TokenProb, len(got.tokens))
	for i, t := range got.tokens {
		tokens[i] = llm.TokenProb{Text: t.Token, Logprob: t.Logprob}
	}
	return shape.Confidence(got.text, tokens)
}
