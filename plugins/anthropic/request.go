package anthropic

import (
	"encoding/json"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/llm"
)

// tool is the name of the tool whose input is the answer.
const tool = "answer"

// params is the request for one call.
func (c *Config) params(call *agent.Call[Config], input json.RawMessage, shape *llm.Shape) (anthropic.MessageNewParams, error) {
	p := anthropic.MessageNewParams{Model: c.Model, MaxTokens: c.MaxTokens}
	if budget := call.MaxOutputTokens(); budget > 0 {
		p.MaxTokens = min(p.MaxTokens, budget)
	}
	prompt, err := llm.Prompt(call.Task(), input, call.Feedback())
	if err != nil {
		return p, err
	}
	if shape != nil && c.Structured == "prompt" {
		prompt += "\n\n" + shape.Instruction()
	}
	turns, err := llm.Turns(c.System, call.Messages(), prompt)
	if err != nil {
		return p, err
	}
	say(&p, turns)
	if c.Temperature != nil {
		p.Temperature = anthropic.Float(*c.Temperature)
	}
	if c.TopP != nil {
		p.TopP = anthropic.Float(*c.TopP)
	}
	if c.TopK != nil {
		p.TopK = anthropic.Int(*c.TopK)
	}
	return p, c.form(&p, shape)
}

func say(p *anthropic.MessageNewParams, turns []llm.Turn) {
	for _, t := range turns {
		block := anthropic.NewTextBlock(t.Text)
		switch t.Role {
		case "system":
			p.System = append(p.System, anthropic.TextBlockParam{Text: t.Text})
		case "assistant":
			p.Messages = append(p.Messages, anthropic.NewAssistantMessage(block))
		default:
			p.Messages = append(p.Messages, anthropic.NewUserMessage(block))
		}
	}
}

// form asks for the shape of the answer.
func (c *Config) form(p *anthropic.MessageNewParams, shape *llm.Shape) error {
	if shape == nil {
		return nil
	}
	switch c.Structured {
	case "tool":
		p.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{
			Name: tool, Description: anthropic.String("Gives the answer."),
			InputSchema: param.Override[anthropic.ToolInputSchemaParam](shape.Schema),
		}}}
		p.ToolChoice = anthropic.ToolChoiceParamOfTool(tool)
	case "format":
		var schema map[string]any
		if err := json.Unmarshal(shape.Schema, &schema); err != nil {
			return agent.BadInput("the schema of the answer: %w", err)
		}
		p.OutputConfig.Format.Schema = schema
	}
	return nil
}
