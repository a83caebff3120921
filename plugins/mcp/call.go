package mcp

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/plugins/agent"
)

// answer is the agent.
func answer(ctx context.Context, c *agent.Call[Config], input json.RawMessage) (json.RawMessage, error) {
	l, err := c.Config.connected(ctx)
	if err != nil {
		return nil, err
	}
	tools, err := l.tools(ctx)
	if err != nil {
		return nil, err
	}
	tool, words, err := c.Config.choose(c.Task(), tools)
	if err != nil {
		return nil, err
	}
	task := ""
	if words {
		task = c.Task()
	}
	args, err := arguments(tool, input, task)
	if err != nil {
		return nil, err
	}
	token := fmt.Sprintf("%s/%d", c.ID(), c.Attempt())
	params := &mcp.CallToolParams{Name: tool.Name, Arguments: args}
	params.SetProgressToken(token)
	defer l.began(token, c)()
	c.Progress(0, tool.Name)
	result, err := l.session.CallTool(ctx, params)
	if err != nil {
		return nil, c.Config.explain(ctx, l, err)
	}
	return c.Config.read(ctx, c, l, result)
}

// arguments are the inputs, and the words of the task where the tool has a place for them.
func arguments(tool *mcp.Tool, input json.RawMessage, task string) (json.RawMessage, error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(input, &given); err != nil {
		return nil, agent.BadInput("the inputs must be a JSON object: %w", err)
	}
	name := place(tool.InputSchema, given)
	if task == "" || name == "" {
		return input, nil
	}
	text, err := json.Marshal(task)
	if err != nil {
		return nil, err
	}
	if given == nil {
		given = make(map[string]json.RawMessage)
	}
	given[name] = text
	return json.Marshal(given)
}

// place is the argument into which the words of a task go: "task", or the only text that is required and was not given.
func place(schema any, given map[string]json.RawMessage) string {
	object, _ := schema.(map[string]any)
	properties, _ := object["properties"].(map[string]any)
	if _, there := given["task"]; !there && properties["task"] != nil {
		return "task"
	}
	required, _ := object["required"].([]any)
	found := ""
	for _, r := range required {
		name, _ := r.(string)
		property, _ := properties[name].(map[string]any)
		if _, there := given[name]; there || property["type"] != "string" {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}
