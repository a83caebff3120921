package mcp

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/plugins/agent"
)

// server is where a server is, and how to get there.
type server interface {
	// dial gives a way to speak to the server, which lasts longer than ctx.
	dial(ctx context.Context) (line, error)
	// name is what to call it in messages.
	name() string
}

// line is one way to a server.
type line interface {
	transport() mcp.Transport
	// hangUp ends it, after the session on it has been closed, and waits until nothing of it is left.
	hangUp()
	// broken explains why the connection broke, if the line knows; nil if it does not. It may wait a little to find out.
	broken() error
}

// link is one connection to a server.
type link struct {
	server  server
	line    line
	session *mcp.ClientSession
	allowed []string      // names of tools; empty means all
	gone    chan struct{} // closed when the connection is
	changed atomic.Bool   // the server says that its tools are others now

	mu     sync.Mutex
	listed []*mcp.Tool
	calls  map[string]*agent.Call[Config] // by progress token
}

// connected gives the open link, or opens one.
func (c *Config) connected(ctx context.Context) (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		select {
		case <-c.link.gone:
			c.link.close()
			c.link = nil
		default:
			return c.link, nil
		}
	}
	l, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	c.link = l
	return l, nil
}

func (c *Config) connect(ctx context.Context) (*link, error) {
	line, err := c.server.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{server: c.server, line: line, allowed: c.Tools, gone: make(chan struct{}), calls: make(map[string]*agent.Call[Config])}
	l.changed.Store(true)
	client := mcp.NewClient(&mcp.Implementation{Name: "parallax", Version: "1"}, &mcp.ClientOptions{
		Capabilities:                &mcp.ClientCapabilities{}, // no roots
		ToolListChangedHandler:      func(context.Context, *mcp.ToolListChangedRequest) { l.changed.Store(true) },
		ProgressNotificationHandler: l.progress,
		ElicitationHandler:          l.elicit,
	})
	if l.session, err = client.Connect(ctx, line.transport(), nil); err != nil {
		close(l.gone)
		err = c.explain(ctx, l, err)
		line.hangUp()
		return nil, err
	}
	go func() {
		defer close(l.gone)
		_ = l.session.Wait()
	}()
	return l, nil
}

// close ends the connection and waits for what belongs to it.
func (l *link) close() {
	_ = l.session.Close()
	l.line.hangUp()
	<-l.gone
}

// began notes a call, so that what the server says meanwhile finds it.
func (l *link) began(token string, c *agent.Call[Config]) (ended func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[token] = c
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.calls, token)
	}
}

// progress passes the server's on.
func (l *link) progress(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
	token, _ := req.Params.ProgressToken.(string)
	l.mu.Lock()
	c := l.calls[token]
	l.mu.Unlock()
	if c == nil {
		return
	}
	fraction := 0.0
	if req.Params.Total > 0 {
		fraction = min(max(req.Params.Progress/req.Params.Total, 0), 1)
	}
	c.Progress(fraction, req.Params.Message)
}

// only is the call that is under way, if there is just one.
func (l *link) only() *agent.Call[Config] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) != 1 {
		return nil
	}
	for _, c := range l.calls {
		return c
	}
	return nil
}
