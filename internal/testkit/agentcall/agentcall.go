// Package agentcall calls agents that are written with the SDK, in the test's own process.
package agentcall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Agent is an agent with an open session.
type Agent struct {
	local *agent.Local
	log   *lockedBuffer
}

// Setup is how a session is opened. The zero value has no settings.
type Setup struct {
	Config  any // marshalled to JSON; nil means {}
	Secrets map[string]string
	Workdir string
}

// Ask is one call.
type Ask struct {
	Task     string
	Input    any // marshalled to JSON; nil means {}
	Messages any
	Schema   string // of the output
	Feedback string
	Tokens   uint64                               // budget of output tokens
	Person   func(*agentpb.Question) (answer any) // answers questions; nil leaves them open
	ID       string                               // "" means run/1
}

// Reply is what came of a call.
type Reply struct {
	Value  json.RawMessage
	Result *agentpb.Result
	Usage  *agentpb.Usage // the last one
	Text   string         // of all deltas of the answer
	Deltas int
	Thinks string // of all deltas of thinking
}

// Open opens a session and closes it when the test ends.
func Open(t *testing.T, def agent.Definition, s Setup) *Agent {
	t.Helper()
	a, err := TryOpen(t, def, s)
	require.NoError(t, err)
	return a
}

// TryOpen is Open for a configuration that may be wrong.
func TryOpen(t *testing.T, def agent.Definition, s Setup) (*Agent, error) {
	t.Helper()
	log := &lockedBuffer{}
	local, err := agent.OpenLocal(t.Context(), def, &agentpb.OpenRequest{
		SessionId: "s", Agent: "it", Config: marshal(t, s.Config), Secrets: s.Secrets, Workdir: s.Workdir, BlobDir: t.TempDir(),
	}, log)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { require.NoError(t, local.Close()) })
	return &Agent{local, log}, nil
}

// Log is what the agent logged so far.
func (a *Agent) Log() string { return a.log.String() }

// Detail is what the session described itself as.
func (a *Agent) Detail() string { return a.local.Detail() }

// Call asks and waits for the answer.
func (a *Agent) Call(ctx context.Context, t *testing.T, ask Ask) (Reply, error) {
	t.Helper()
	if ask.ID == "" {
		ask.ID = "run/1"
	}
	req := &agentpb.RunRequest{
		SessionId: "s", CallId: ask.ID, Attempt: 1, Task: ask.Task, OutputSchema: []byte(ask.Schema), Feedback: ask.Feedback,
		Input: value(marshal(t, ask.Input)), Budget: &agentpb.Budget{MaxOutputTokens: ask.Tokens},
	}
	if ask.Messages != nil {
		req.Messages = value(marshal(t, ask.Messages))
	}
	var r Reply
	var people sync.WaitGroup
	defer people.Wait()
	err := a.local.Run(ctx, req, func(ev *agentpb.RunEvent) error {
		if q := ev.GetQuestion(); q != nil && ask.Person != nil {
			people.Go(func() { a.local.Answer(ask.ID, q.GetId(), marshal(t, ask.Person(q))) })
		}
		r.take(ev)
		return nil
	})
	return r, err
}

// take keeps what an event says. Events come one at a time.
func (r *Reply) take(ev *agentpb.RunEvent) {
	if d := ev.GetDelta(); d != nil {
		r.Deltas++
		if d.GetChannel() == "" {
			r.Text += d.GetText()
		} else {
			r.Thinks += d.GetText()
		}
	}
	if u := ev.GetUsage(); u != nil {
		r.Usage = u
	}
	if res := ev.GetResult(); res != nil {
		r.Result, r.Value = res, res.GetOutput().GetJson()
	}
}

// Error is the agent's own error in err.
func Error(t *testing.T, err error) *agent.Error {
	t.Helper()
	e, ok := errors.AsType[*agent.Error](err)
	require.True(t, ok, "want an error of the agent, got %v", err)
	return e
}

func value(raw []byte) *agentpb.Value { return &agentpb.Value{Kind: &agentpb.Value_Json{Json: raw}} }

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	if v == nil {
		return []byte("{}")
	}
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return raw
}

// lockedBuffer takes log lines from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Clone(l.b.String())
}
