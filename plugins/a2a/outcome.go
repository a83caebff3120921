package a2a

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/parallax-run/parallax/plugins/agent"
)

// outcome is what came of the exchange.
func (x *exchange) outcome() (json.RawMessage, error) {
	host := x.config.site.Host
	words := func(otherwise string) string {
		if x.said != "" {
			return x.said
		}
		return otherwise
	}
	switch {
	case x.reply != nil:
		return x.value([]*piece{{parts: x.reply}}, "")
	case x.state == a2a.TaskStateCompleted:
		return x.value(x.parts, x.said)
	case x.state == a2a.TaskStateRejected:
		return nil, agent.Refuse("%s", words(host+" rejected the task and does not say why")).WithCode("rejected")
	case x.state == a2a.TaskStateCanceled:
		return nil, agent.Refuse("%s", words("the task was cancelled at "+host)).WithCode("canceled")
	case x.state == a2a.TaskStateAuthRequired:
		return nil, agent.Refuse("%s", words(host+" wants to know on whose behalf the task is done")).WithCode("auth_required").
			WithHint("give it credentials with header_env; what it asks for in the middle of a task cannot be given")
	}
	return nil, agent.Refuse("%s", words("the task failed at "+host+", which does not say why")).WithCode("failed")
}

// value takes what the other agent made apart: data, text and files. said stands for text where there is none.
func (x *exchange) value(made []*piece, said string) (json.RawMessage, error) {
	var data []any
	var texts []string
	files := 0
	for _, m := range made {
		text := textOf(m.parts)
		if text != "" {
			texts = append(texts, text)
		}
		for _, p := range m.parts {
			if d, ok := p.Content.(a2a.Data); ok {
				data = append(data, d.Value)
			}
			if raw, ok := p.Content.(a2a.Raw); ok {
				files++
				if err := x.call.Artifact(fileName(p, m, files), p.MediaType, bytes.NewReader(raw)); err != nil {
					return nil, err
				}
			}
		}
	}
	text := strings.Join(texts, "\n")
	if text == "" {
		text = said
	}
	switch {
	case len(data) == 1:
		x.call.Reasoning(text)
		return json.Marshal(data[0])
	case len(data) > 1:
		x.call.Reasoning(text)
		return json.Marshal(data)
	case text == "":
		return json.RawMessage("null"), nil
	case len(x.call.OutputSchema()) > 0 && json.Valid([]byte(text)):
		return json.RawMessage(text), nil
	}
	return json.Marshal(x.config.site.Secrets.Clean(text))
}

func fileName(p *a2a.Part, m *piece, n int) string {
	switch {
	case p.Filename != "":
		return p.Filename
	case m.name != "":
		return m.name
	}
	return fmt.Sprintf("file-%d", n)
}

// textOf is the text of some parts, with the addresses of files that are only linked. Parts of one text follow one another as they came.
func textOf(parts a2a.ContentParts) string {
	var b strings.Builder
	for _, p := range parts {
		if p == nil {
			continue
		}
		b.WriteString(p.Text())
		if u := p.URL(); u != "" {
			b.WriteString("\n" + string(u) + "\n")
		}
	}
	return strings.ToValidUTF8(strings.TrimSpace(b.String()), "\uFFFD")
}

// explain turns an error of the library into one that a script may see.
func (c *Config) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*agent.Error](err); ok {
		return e
	}
	text := c.site.Secrets.Clean(short(err.Error()))
	switch {
	case errors.Is(err, a2a.ErrInvalidParams), errors.Is(err, a2a.ErrInvalidRequest), errors.Is(err, a2a.ErrUnsupportedContentType):
		return agent.BadInput("%s: %s", c.site.Host, text).WithCode(a2a.ErrorReason(err))
	case errors.Is(err, a2a.ErrUnauthenticated), errors.Is(err, a2a.ErrUnauthorized):
		return agent.Refuse("%s: %s", c.site.Host, text).WithCode("no_key").WithHint("name a variable with the credentials in header_env")
	case errors.Is(err, a2a.ErrInternalError), errors.Is(err, a2a.ErrServerError):
		return agent.Unavailable(0, "%s has a problem: %s", c.site.Host, text).WithCode(a2a.ErrorReason(err))
	}
	for _, known := range []error{
		a2a.ErrTaskNotFound, a2a.ErrTaskNotCancelable, a2a.ErrUnsupportedOperation, a2a.ErrMethodNotFound, a2a.ErrExtensionSupportRequired,
		a2a.ErrVersionNotSupported, a2a.ErrInvalidAgentResponse,
	} {
		if errors.Is(err, known) {
			return agent.Refuse("%s: %s", c.site.Host, text).WithCode(a2a.ErrorReason(err))
		}
	}
	return agent.Refuse("%s answered with something that is not A2A: %s", c.site.Host, text).WithCode("not_a2a")
}

// short is a text on one line, not too long.
func short(text string) string {
	const most = 300 // bytes
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "")
}
