package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// user is who asked for a run: a client, and the person in front of it.
type user struct {
	session *mcp.ServerSession
	token   any         // of the progress that the client wants to be told; nil for none
	news    chan string // what it is told
}

func newUser(req *mcp.CallToolRequest) *user {
	return &user{session: req.Session, token: req.Params.GetProgressToken(), news: make(chan string, 256)}
}

// listen passes news on until stop is called, which waits until all that was told before is on its way.
func (u *user) listen(ctx context.Context) (stop func()) {
	if u.token == nil {
		return func() {}
	}
	var work sync.WaitGroup
	work.Go(func() {
		n := 0.0
		for text := range u.news {
			n++
			_ = u.session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: u.token, Progress: n, Message: text})
		}
	})
	return func() {
		close(u.news)
		work.Wait()
	}
}

// tell tells the client what happens. What comes faster than it can be told is left out: the run does not wait.
func (u *user) tell(e runtime.Event) {
	text := news(e)
	if u.token == nil || text == "" {
		return
	}
	select {
	case u.news <- text:
	default:
	}
}

// news is an event in words, "" when it is none for clients.
func news(e runtime.Event) string {
	switch e.Kind {
	case runtime.PhaseStarted:
		return e.Name
	case runtime.Logged:
		return line(e.Name)
	case runtime.AgentCalled:
		return line(e.Agent + ": " + e.Text)
	case runtime.AgentAnswered:
		return e.Agent + " answered"
	case runtime.AgentFailed:
		return line(e.Agent + " failed: " + message(e.Error))
	case runtime.AgentRetrying:
		return line(e.Agent + " is asked again: " + message(e.Error))
	case runtime.ApprovalAsked:
		return line("waiting for a person: " + e.Name)
	case runtime.ApprovalDecided:
		return line("decided: " + e.Name)
	case runtime.ChildStarted:
		return line("pattern " + e.Name)
	case runtime.BudgetWarned:
		return "80 % of the budget of " + e.Name + " is spent"
	default:
		return ""
	}
}

func message(e *runtime.Error) string {
	if e == nil {
		return ""
	}
	return e.Message
}

// line is a text on one line, not too long.
func line(text string) string {
	const most = 200 // bytes
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "")
}

// canAnswer says whether the client can put questions to a person.
func (u *user) canAnswer() bool {
	p := u.session.InitializeParams()
	return p != nil && p.Capabilities != nil && p.Capabilities.Elicitation != nil
}

// Decide implements local.People.
func (u *user) Decide(ctx context.Context, a runtime.Approval) (runtime.Payload, error) {
	title := a.Title
	if a.By != "" {
		title += " (for " + a.By + ")"
	}
	properties := map[string]any{
		"choice":  map[string]any{"type": "string", "enum": a.Options},
		"comment": map[string]any{"type": "string"},
	}
	fields, err := u.elicit(ctx, title, a.Context, properties, "choice")
	if err != nil {
		return nil, err
	}
	choice, _ := fields["choice"].(string)
	comment, _ := fields["comment"].(string)
	return payload(map[string]string{"by": "client", "choice": choice, "comment": comment})
}

// Answer puts an agent's question.
func (u *user) Answer(ctx context.Context, q host.Question) (runtime.Payload, error) {
	answer := map[string]any{"type": "string"}
	if len(q.Options) > 0 {
		answer["enum"] = q.Options
	}
	fields, err := u.elicit(ctx, q.Agent+": "+q.Prompt, q.Context, map[string]any{"answer": answer}, "answer")
	if err != nil {
		return nil, err
	}
	text, _ := fields["answer"].(string)
	if q.Schema != nil {
		if v, err := runtime.Canonical([]byte(text)); err == nil {
			return v, nil
		}
	}
	return payload(text)
}

// elicit asks the client's user for some fields, one of which must be given.
func (u *user) elicit(ctx context.Context, title string, about runtime.Payload, properties map[string]any, required string) (map[string]any, error) {
	if len(about) > 0 && about.String() != "null" {
		title += "\n\n" + about.String()
	}
	res, err := u.session.Elicit(ctx, &mcp.ElicitParams{
		Message:         title,
		RequestedSchema: map[string]any{"type": "object", "properties": properties, "required": []string{required}},
	})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &engine.NeedsPerson{What: fmt.Sprintf("%q needs a person, and the client could not ask one: %v", title, err)}
	case res.Action != "accept":
		return nil, &engine.NeedsPerson{What: fmt.Sprintf("%q was left without an answer (%s)", title, res.Action)}
	}
	return res.Content, nil
}

func payload(v any) (runtime.Payload, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}
