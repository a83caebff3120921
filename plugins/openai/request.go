package openai

import (
	"encoding/json"
	"net/url"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/llm"
)

// params is the request for one call.
func (c *Config) params(call *agent.Call[Config], input json.RawMessage, shape *llm.Shape) (openai.ChatCompletionNewParams, error) {
	p := openai.ChatCompletionNewParams{Model: c.Model}
	prompt, err := llm.Prompt(call.Task(), input, call.Feedback())
	if err != nil {
		return p, err
	}
	if shape != nil && c.Structured != "schema" {
		prompt += "\n\n" + shape.Instruction()
	}
	turns, err := llm.Turns(c.System, call.Messages(), prompt)
	if err != nil {
		return p, err
	}
	p.Messages = messages(turns)
	if c.Temperature != nil {
		p.Temperature = openai.Float(*c.Temperature)
	}
	if c.TopP != nil {
		p.TopP = openai.Float(*c.TopP)
	}
	if c.Seed != nil {
		p.Seed = openai.Int(*c.Seed)
	}
	if (c.Confidence == "auto" && !c.noLogprobs.Load()) || c.Confidence == "logprob" {
		p.Logprobs = openai.Bool(true)
	}
	c.limit(&p, call.MaxOutputTokens())
	c.form(&p, shape)
	return p, nil
}

func messages(turns []llm.Turn) []openai.ChatCompletionMessageParamUnion {
	list := make([]openai.ChatCompletionMessageParamUnion, len(turns))
	for i, t := range turns {
		switch t.Role {
		case "system":
			list[i] = openai.SystemMessage(t.Text)
		case "assistant":
			list[i] = openai.AssistantMessage(t.Text)
		default:
			list[i] = openai.UserMessage(t.Text)
		}
	}
	return list
}

// limit bounds the answer. OpenAI's newer models refuse the old name of the field; other servers know only that.
func (c *Config) limit(p *openai.ChatCompletionNewParams, budget int64) {
	most := c.MaxTokens
	if budget > 0 && (most == 0 || budget < most) {
		most = budget
	}
	if most == 0 {
		return
	}
	if u, err := url.Parse(c.BaseURL); err == nil && u.Hostname() == "api.openai.com" {
		p.MaxCompletionTokens = openai.Int(most)
		return
	}
	p.MaxTokens = openai.Int(most)
}

// form asks for the shape of the answer.
func (c *Config) form(p *openai.ChatCompletionNewParams, shape *llm.Shape) {
	switch {
	case shape == nil || c.Structured == "text":
	case c.Structured == "prompt":
		p.ResponseFormat.OfJSONObject = &shared.ResponseFormatJSONObjectParam{}
	default:
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
				Name: "answer", Schema: shape.Schema, Strict: openai.Bool(shape.Strict()),
			},
		}
	}
}
