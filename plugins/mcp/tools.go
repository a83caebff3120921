package mcp

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/runtime"
)

// How many tools a server may have, and in how many pages.
const (
	maxTools = 1000
	maxPages = 100
)

// tools gives the server's tools, which are asked for again when the server has said that they have changed.
func (l *link) tools(ctx context.Context) ([]*mcp.Tool, error) {
	if l.changed.Swap(false) {
		list, err := l.list(ctx)
		if err != nil {
			l.changed.Store(true)
			return nil, err
		}
		l.mu.Lock()
		l.listed = list
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listed, nil
}

func (l *link) list(ctx context.Context) ([]*mcp.Tool, error) {
	var list []*mcp.Tool
	params := &mcp.ListToolsParams{}
	for range maxPages {
		page, err := l.session.ListTools(ctx, params)
		if err != nil {
			return nil, explain(ctx, l, err)
		}
		for _, t := range page.Tools {
			if t != nil && (len(l.allowed) == 0 || slices.Contains(l.allowed, t.Name)) {
				list = append(list, t)
			}
		}
		if len(list) > maxTools {
			return nil, agent.Refuse("%s offers more than %d tools", l.server.name(), maxTools).WithCode("too_many_tools").
				WithHint("name those that you need: tools = [...]")
		}
		if page.NextCursor == "" {
			return list, nil
		}
		params = &mcp.ListToolsParams{Cursor: page.NextCursor}
	}
	return nil, agent.Refuse("%s lists its tools in more than %d pages", l.server.name(), maxPages).WithCode("too_many_tools").
		WithHint("this is a fault of the server")
}

// offer tells the host what the tools are.
func (c *Config) offer(s *agent.Session, tools []*mcp.Tool) error {
	names := namesOf(tools)
	for _, want := range append(slices.Clone(c.Tools), c.Tool) {
		if want != "" && !slices.Contains(names, want) {
			_ = c.Close()
			return unknown(c.server, want, names)
		}
	}
	if len(tools) == 0 {
		_ = c.Close()
		return agent.Refuse("%s offers no tools", c.server.name()).WithCode("no_tools").WithHint("check its configuration, or tools in parallax.toml")
	}
	idempotent := true
	for _, t := range tools {
		idempotent = idempotent && t.Annotations != nil && (t.Annotations.IdempotentHint || t.Annotations.ReadOnlyHint)
		s.Offer(t.Name, describe(t), schema(t.InputSchema), schema(t.OutputSchema))
	}
	s.Promise(agent.Info{Interactive: true, Idempotent: idempotent})
	return nil
}

func describe(t *mcp.Tool) string {
	switch {
	case t.Description != "":
		return t.Description
	case t.Title != "":
		return t.Title
	case t.Annotations != nil:
		return t.Annotations.Title
	}
	return ""
}

func schema(s any) json.RawMessage {
	if s == nil {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return text
}

func namesOf(tools []*mcp.Tool) []string {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	return names
}

// choose finds the tool for a task. words says that the task is not its name.
func (c *Config) choose(task string, tools []*mcp.Tool) (t *mcp.Tool, words bool, err error) {
	named := func(name string) *mcp.Tool {
		if i := slices.IndexFunc(tools, func(t *mcp.Tool) bool { return t.Name == name }); i >= 0 {
			return tools[i]
		}
		return nil
	}
	if t := named(task); t != nil {
		return t, false, nil
	}
	if c.Tool != "" {
		if t := named(c.Tool); t != nil {
			return t, true, nil
		}
		return nil, false, unknown(c.server, c.Tool, namesOf(tools))
	}
	if len(tools) == 1 {
		return tools[0], true, nil
	}
	return nil, false, unknown(c.server, task, namesOf(tools))
}

// unknown is the error for a tool that is not there.
func unknown(s server, name string, names []string) error {
	slices.Sort(names)
	err := agent.NotFound("%s has no tool %q", s.name(), shorten(name, 80)).WithCode("no_tool")
	if near := runtime.Nearest(name, names); near != "" {
		return err.WithHint("did you mean \"" + near + "\"?")
	}
	if len(names) == 0 {
		return err
	}
	const most = 10
	shown := make([]string, min(len(names), most))
	for i := range shown {
		shown[i] = shorten(names[i], 80)
	}
	hint := "its tools are " + strings.Join(shown, ", ")
	if len(names) > most {
		hint += ", and more; parallax agents describe lists them"
	}
	return err.WithHint(hint)
}
