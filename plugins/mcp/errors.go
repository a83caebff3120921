package mcp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/parallax-run/parallax/plugins/agent"
)

// explain turns an error of the library into one that a script may see, without the values of secrets.
func (c *Config) explain(ctx context.Context, l *link, err error) error {
	err = explain(ctx, l, err)
	if e, ok := errors.AsType[*agent.Error](err); ok {
		e.Message = c.secrets.Clean(e.Message)
	}
	return err
}

func explain(ctx context.Context, l *link, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*agent.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*jsonrpc.Error](err); ok {
		return refused(l.server, e)
	}
	if !l.over() {
		return agent.Refuse("%s answered with something that is not MCP: %s", l.server.name(), shorten(err.Error(), 300)).WithCode("not_mcp")
	}
	if why := l.line.broken(); why != nil {
		return why
	}
	return agent.Unavailable(0, "the connection to %s broke: %s", l.server.name(), shorten(reason(err), 300)).WithCode("broken").
		WithHint("it may not speak MCP, or not only MCP, where it should")
}

// reason is what an error of the library says without what it was doing.
func reason(err error) string {
	_, why, found := strings.Cut(err.Error(), " is closing: ")
	if !found {
		return err.Error()
	}
	return why
}

// refused is the server's own no.
func refused(s server, e *jsonrpc.Error) error {
	code := fmt.Sprint(e.Code)
	if e.Code == jsonrpc.CodeInvalidParams {
		return agent.BadInput("%s: %s", s.name(), shorten(e.Message, 2000)).WithCode(code)
	}
	return agent.Refuse("%s refused the call: %s", s.name(), shorten(e.Message, 2000)).WithCode(code)
}

// over says whether the connection is, which shows a moment after the errors of its calls.
func (l *link) over() bool {
	wait := time.NewTimer(shows)
	defer wait.Stop()
	select {
	case <-l.gone:
		return true
	case <-wait.C:
		return false
	}
}

// shows is how long it takes at most until one sees that a connection is over, or that a program has ended.
const shows = 200 * time.Millisecond
