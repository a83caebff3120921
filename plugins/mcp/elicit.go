package mcp

import (
	"context"
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/plugins/agent"
)

// elicit puts a question of the server to a person. The protocol does not say for which call it is, so it is asked when there is just one.
func (l *link) elicit(ctx context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	c := l.only()
	if c == nil || req.Params.URL != "" {
		return &mcp.ElicitResult{Action: "decline"}, nil
	}
	text, err := c.Ask(ctx, agent.Question{Prompt: req.Params.Message, Schema: schema(req.Params.RequestedSchema)})
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if json.Unmarshal(text, &fields) != nil {
		return &mcp.ElicitResult{Action: "cancel"}, nil //nolint:nilerr // the protocol's word for an answer of another kind
	}
	return &mcp.ElicitResult{Action: "accept", Content: fields}, nil
}
