package a2a

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/parallax-run/parallax/plugins/agent"
)

// exchange is one call: a message, and what comes back, until there is an answer.
type exchange struct {
	call   *agent.Call[Config]
	config *Config

	task  a2a.TaskInfo // of the task that the message began; empty for none
	state a2a.TaskState
	said  string // with the state
	parts []*piece
	reply a2a.ContentParts // of a message that is the answer
	bytes int              // of all that came
	done  bool             // there is an answer, or none to be had
}

// piece is an artifact of a task.
type piece struct {
	id, name string
	parts    a2a.ContentParts
}

// answer is the agent.
func answer(ctx context.Context, c *agent.Call[Config], input json.RawMessage) (json.RawMessage, error) {
	message, err := messageOf(c, input)
	if err != nil {
		return nil, err
	}
	x := &exchange{call: c, config: c.Config}
	defer x.cancel(ctx)
	for n := 2; ; n++ {
		if err := x.send(ctx, message); err != nil {
			return nil, c.Config.explain(ctx, err)
		}
		if x.state != a2a.TaskStateInputRequired || x.reply != nil {
			return x.outcome()
		}
		text, err := x.ask(ctx)
		if err != nil {
			return nil, err
		}
		message = a2a.NewMessageForTask(a2a.MessageRoleUser, x.task, a2a.NewTextPart(text))
		message.ID = fmt.Sprintf("%s/%d", c.ID(), n)
		x.state, x.done = a2a.TaskStateUnspecified, false
	}
}

// messageOf is what is asked.
func messageOf(c *agent.Call[Config], input json.RawMessage) (*a2a.Message, error) {
	var fields map[string]any
	if err := json.Unmarshal(input, &fields); err != nil {
		return nil, agent.BadInput("the inputs must be a JSON object: %w", err)
	}
	var parts []*a2a.Part
	for _, m := range c.Messages() {
		parts = append(parts, a2a.NewTextPart(m.Role+": "+m.Text()))
	}
	if c.Task() != "" {
		parts = append(parts, a2a.NewTextPart(c.Task()))
	}
	if len(fields) > 0 {
		parts = append(parts, a2a.NewDataPart(json.RawMessage(input)))
	}
	if c.Feedback() != "" {
		parts = append(parts, a2a.NewTextPart("The previous answer was not accepted: "+c.Feedback()))
	}
	if len(parts) == 0 {
		return nil, agent.BadInput("there is nothing to ask: the task is empty")
	}
	m := a2a.NewMessage(a2a.MessageRoleUser, parts...)
	m.ID = c.ID()
	if slices.ContainsFunc(c.Config.card.Skills, func(k a2a.AgentSkill) bool { return k.ID == c.Task() }) {
		m.Metadata = map[string]any{"skillId": c.Task()}
	}
	return m, nil
}

// send sends a message and follows what becomes of it until the task is over or wants something.
func (x *exchange) send(ctx context.Context, m *a2a.Message) error {
	req := &a2a.SendMessageRequest{Message: m, Config: &a2a.SendMessageConfig{ReturnImmediately: true}}
	if len(x.call.OutputSchema()) > 0 {
		req.Config.AcceptedOutputModes = []string{"application/json", "text/plain"}
	}
	if x.config.streams() {
		req.Config.ReturnImmediately = false
		for event, err := range x.config.client.SendStreamingMessage(ctx, req) {
			if err != nil {
				return err
			}
			if err := x.take(event); err != nil {
				return err
			}
			if x.done {
				return nil
			}
		}
	} else {
		result, err := x.config.client.SendMessage(ctx, req)
		if err != nil {
			return err
		}
		if err := x.take(result); err != nil {
			return err
		}
	}
	return x.poll(ctx)
}

// How often a task is looked at.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// poll looks at the task until it is over or wants something.
func (x *exchange) poll(ctx context.Context) error {
	for pause := firstPause; !x.done; pause = min(pause*3/2, mostPause) {
		if x.task.TaskID == "" {
			return agent.Refuse("%s ended its answer without a message or a task", x.config.site.Host).WithCode("no_answer")
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		task, err := x.config.client.GetTask(ctx, &a2a.GetTaskRequest{ID: x.task.TaskID})
		if err != nil {
			return err
		}
		if err := x.take(task); err != nil {
			return err
		}
	}
	return nil
}

// take takes in what the other agent says.
func (x *exchange) take(event a2a.Event) error {
	switch e := event.(type) {
	case *a2a.Message:
		x.reply, x.done = e.Parts, true
		return x.weigh(e.Parts)
	case *a2a.Task:
		x.parts = nil
		for _, a := range e.Artifacts {
			x.gather(a, false)
			if err := x.weigh(a.Parts); err != nil {
				return err
			}
		}
		return x.enter(e.TaskInfo(), e.Status)
	case *a2a.TaskStatusUpdateEvent:
		return x.enter(e.TaskInfo(), e.Status)
	case *a2a.TaskArtifactUpdateEvent:
		if e.Artifact == nil {
			return nil
		}
		x.task = e.TaskInfo()
		x.gather(e.Artifact, e.Append)
		for _, p := range e.Artifact.Parts {
			x.call.Emit(p.Text())
		}
		return x.weigh(e.Artifact.Parts)
	}
	return nil
}

// enter notes how a task stands.
func (x *exchange) enter(task a2a.TaskInfo, s a2a.TaskStatus) error {
	said := ""
	if s.Message != nil {
		said = textOf(s.Message.Parts)
		if err := x.weigh(s.Message.Parts); err != nil {
			return err
		}
	}
	if said != "" && (said != x.said || s.State != x.state) && !s.State.Terminal() {
		x.call.Progress(0, said)
	}
	x.task, x.state, x.said = task, s.State, said
	x.done = s.State.Terminal() || s.State == a2a.TaskStateInputRequired || s.State == a2a.TaskStateAuthRequired
	return nil
}

// gather keeps an artifact, or more of one.
func (x *exchange) gather(a *a2a.Artifact, more bool) {
	i := slices.IndexFunc(x.parts, func(p *piece) bool { return p.id == string(a.ID) })
	switch {
	case i < 0:
		x.parts = append(x.parts, &piece{string(a.ID), a.Name, a.Parts})
	case more:
		x.parts[i].parts = append(x.parts[i].parts, a.Parts...)
	default:
		x.parts[i].parts = a.Parts
	}
}

// weigh counts what came. Each body is bounded by the site, streams are here.
func (x *exchange) weigh(parts a2a.ContentParts) error {
	for _, p := range parts {
		x.bytes += len(p.Text()) + len(p.Raw()) + len(p.URL()) + 64
	}
	if x.config.streams() && x.bytes > x.config.MaxResponse {
		return agent.Refuse("%s answered with more than %d bytes", x.config.site.Host, x.config.MaxResponse).
			WithCode("too_long").WithHint("raise max_response in parallax.toml")
	}
	return nil
}

// ask puts what the task wants to know to a person.
func (x *exchange) ask(ctx context.Context) (string, error) {
	prompt := x.said
	if prompt == "" {
		prompt = "the agent wants to know more, and does not say what"
	}
	raw, err := x.call.Ask(ctx, agent.Question{Prompt: prompt})
	if err != nil {
		return "", err
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	return strings.TrimSpace(text), nil
}

// cancelTime is how long the other agent gets to take note of a cancellation.
const cancelTime = time.Second

// cancel tells the other agent that nobody waits for its task any more.
func (x *exchange) cancel(ctx context.Context) {
	if x.task.TaskID == "" || x.state.Terminal() || x.reply != nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	_, _ = x.config.client.CancelTask(ctx, &a2a.CancelTaskRequest{ID: x.task.TaskID})
}
