package anthropic

import (
	"context"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"

	"github.com/parallax-run/parallax/plugins/agent"
)

// completion is what the model wrote, whether it came in one piece or as a stream.
type completion struct {
	text, input, thinking strings.Builder // input is that of the tool
	stop                  anthropic.StopReason
	ended                 bool
	model                 string
	usage                 agent.Usage
}

func (c *Config) ask(ctx context.Context, call *agent.Call[Config], p anthropic.MessageNewParams) (*completion, error) {
	if c.Stream != nil && !*c.Stream {
		return c.whole(ctx, p)
	}
	return c.stream(ctx, call, p)
}

func (c *Config) whole(ctx context.Context, p anthropic.MessageNewParams) (*completion, error) {
	res, err := c.messages.New(ctx, p)
	if err != nil {
		return nil, err
	}
	got := &completion{stop: res.StopReason, model: res.Model}
	got.count(res.Usage.InputTokens, res.Usage.CacheReadInputTokens, res.Usage.CacheCreationInputTokens, res.Usage.OutputTokens)
	for _, block := range res.Content {
		got.text.WriteString(block.Text)
		got.thinking.WriteString(block.Thinking)
		if block.Type == "tool_use" {
			got.input.Write(block.Input)
		}
	}
	return got, nil
}

func (c *Config) stream(ctx context.Context, call *agent.Call[Config], p anthropic.MessageNewParams) (*completion, error) {
	stream := c.messages.NewStreaming(ctx, p)
	defer stream.Close()
	got := &completion{}
	for stream.Next() {
		got.event(call, stream.Current())
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if !got.ended {
		return nil, c.provider.Cut()
	}
	return got, nil
}

// event takes in one event of a stream and shows what is new.
func (got *completion) event(call *agent.Call[Config], e anthropic.MessageStreamEventUnion) {
	switch e.Type {
	case "message_start":
		u := e.Message.Usage
		got.model = e.Message.Model
		got.count(u.InputTokens, u.CacheReadInputTokens, u.CacheCreationInputTokens, u.OutputTokens)
	case "content_block_delta":
		call.Emit(e.Delta.Text + e.Delta.PartialJSON)
		call.EmitThinking(e.Delta.Thinking)
		got.text.WriteString(e.Delta.Text)
		got.input.WriteString(e.Delta.PartialJSON)
		got.thinking.WriteString(e.Delta.Thinking)
	case "message_delta":
		got.stop = e.Delta.StopReason
		got.usage.OutputTokens = e.Usage.OutputTokens
	case "message_stop":
		got.ended = true
	}
}

// count takes over a usage; the API counts cached tokens apart from the others.
func (got *completion) count(fresh, cached, stored, out int64) {
	got.usage = agent.Usage{InputTokens: fresh + cached + stored, CachedTokens: cached, OutputTokens: out}
}

// words is the answer: the tool's input if it was called.
func (got *completion) words() string {
	if got.input.Len() > 0 {
		return got.input.String()
	}
	return got.text.String()
}

func (got *completion) finish() string {
	if got.stop == anthropic.StopReasonMaxTokens {
		return "length"
	}
	return "stop"
}

func (got *completion) usageOf(c *Config) agent.Usage {
	u := got.usage
	u.Model, u.Steps = orElse(got.model, c.Model), 1
	u.CostMicroUSD = c.Price.Cost(u)
	return u
}
