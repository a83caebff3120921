package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/cli/run"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// crew is the agents of a project.
type crew struct{ crew *run.Crew }

// handler runs a pattern for each call of its tool.
func (s *service) handler(t *tool) mcp.ToolHandler {
	return func(asked context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		ctx, cancel := s.during(asked)
		defer cancel()
		select {
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-ctx.Done():
			return failed(context.Cause(ctx).Error()), nil
		}
		result, err := s.call(ctx, t, req)
		if err != nil {
			return failed(explained(s.App.Dir, err)), nil
		}
		return done(result), nil
	}
}

// errGone ends runs that nobody waits for any more.
var errGone = errors.New("the client is gone")

// during gives a run the time of its request, whose cancellation ends it for good, and of the client and the command, whose end ends it for now.
func (s *service) during(asked context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(asked))
	gone := context.AfterFunc(asked, func() {
		switch {
		case s.gone.Load():
			cancel(errGone)
		case s.root.Err() == nil:
			cancel(runtime.ErrCancelled())
		}
	})
	over := context.AfterFunc(s.root, func() { cancel(context.Cause(s.root)) })
	return ctx, func() {
		gone()
		over()
		cancel(nil)
	}
}

// call makes a run.
func (s *service) call(ctx context.Context, t *tool, req *mcp.CallToolRequest) (runtime.Payload, error) {
	crew, store, err := s.shared(ctx, t.project)
	if err != nil {
		return nil, err
	}
	u := newUser(req)
	told := u.listen(ctx)
	defer told()
	c := run.Call{Inputs: runtime.Payload(req.Params.Arguments), Store: store, Tell: func(e runtime.Event) {
		if e.Kind == runtime.RunStarted {
			s.know(e.Run, u)
		}
		u.tell(e)
	}}
	if u.canAnswer() {
		c.People = people(u)
	}
	id, result, err := s.Run.Call(ctx, t.project, crew, c)
	s.know(id, nil)
	return result, err
}

func people(u *user) local.People { return u }

// know notes on whose behalf a run goes on, for questions of its agents; nil forgets it.
func (s *service) know(run string, u *user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u == nil {
		delete(s.users, run)
		return
	}
	s.users[run] = u
}

// ask puts a question of an agent to the user for whom it works.
func (s *service) ask(ctx context.Context, q host.Question) (runtime.Payload, error) {
	s.mu.Lock()
	u := s.users[q.Run]
	s.mu.Unlock()
	if u == nil || !u.canAnswer() {
		return nil, &host.NeedsPersonError{Agent: q.Agent, Prompt: q.Prompt}
	}
	return u.Answer(ctx, q)
}

// shared gives the agents of a project and the store of its runs, which is nil where they are not recorded.
func (s *service) shared(ctx context.Context, p *project.Project) (*run.Crew, *badger.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := p.Manifest.Path
	store, known := s.store[key]
	if !known {
		var err error
		if store, err = s.Run.KeepIn(ctx, p); err != nil {
			return nil, nil, err
		}
		s.store[key] = store
	}
	c := s.crews[key]
	if c == nil {
		c = &crew{s.Run.Crew(p, s.App.Err, s.ask)}
		s.crews[key] = c
	}
	return c.crew, store, nil
}

// done is a pattern's result as that of a tool: an object as it is, anything else as the field "result" of one.
func done(result runtime.Payload) *mcp.CallToolResult {
	if len(result) == 0 {
		result = runtime.Payload("null")
	}
	text := result.String()
	var words string
	if json.Unmarshal(result, &words) == nil {
		text = words
	}
	structured := json.RawMessage(result)
	if result[0] != '{' {
		structured = json.RawMessage(`{"result":` + result.String() + `}`)
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}, StructuredContent: structured}
}

// failed is the result of a call that came to nothing.
func failed(why string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: why}}, IsError: true}
}

// explained is what a person is told of an error.
func explained(dir string, err error) string {
	e, failed := errors.AsType[*runtime.Error](err)
	_, suspended := errors.AsType[*cli.SuspendedError](err)
	if failed && !suspended && e.Code == runtime.Failed {
		return e.Message // the pattern's own words
	}
	var said []string
	for _, f := range cli.Explain(dir, err) {
		text := strings.TrimSpace(f.What)
		if f.Hint != "" {
			text += "\nhint: " + f.Hint
		}
		said = append(said, text)
	}
	if len(said) == 0 {
		return err.Error()
	}
	return strings.ReplaceAll(strings.Join(said, "\n"), dir+string(filepath.Separator), "")
}
