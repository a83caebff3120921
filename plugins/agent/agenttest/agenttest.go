// Package agenttest runs an agent inside a test, over the real protocol but without a process:
//
//	reply, err := agenttest.Run(t, agent.Define(info, fn), agenttest.Request{Input: In{Text: "a b"}})
//	require.NoError(t, err)
//	require.JSONEq(t, `{"words":2}`, string(reply.Output))
package agenttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Request is one call. The zero Request has no task and an empty input.
type Request struct {
	Task         string
	Input        any // written as JSON; nil means {}
	Messages     []agent.Message
	OutputSchema json.RawMessage
	Feedback     string
	Skill        string
	ID           string // of the call; "" means test/1
	Attempt      int    // zero means 1
	Answers      []any  // to the agent's questions, in order, written as JSON

	MaxOutputTokens int64 // budget of the call; zero means none

	Config  any // of the session, for Run; written as JSON; nil means {}
	Secrets map[string]string
}

// Reply is what the agent answered and what it said meanwhile.
type Reply struct {
	Output     json.RawMessage
	Confidence *float64
	Basis      agent.Basis
	Reasoning  string
	Finish     string
	Text       string // all it emitted
	Thinking   string
	Deltas     int      // messages in which Text and Thinking came
	Notes      []string // of its progress
	Tools      []string
	Questions  []string         // the prompts of Asked
	Asked      []agent.Question // whole
	Usage      agent.Usage
	Artifacts  []Artifact
}

// Artifact is a file the agent made.
type Artifact struct {
	Name, MediaType string
	Content         []byte
}

// Error is a failure as a host sees it.
type Error struct {
	Code       codes.Code
	Message    string
	Hint       string
	AgentCode  string
	Retryable  bool
	RetryAfter time.Duration
	Fields     map[string]string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// Agent is an agent with an open session, until the end of its test.
type Agent struct {
	rpc     agentpb.AgentServiceClient
	blobs   string
	workdir string
	open    *agentpb.OpenResponse
}

// Run opens a session and makes one call in it.
func Run(t testing.TB, def agent.Definition, r Request) (Reply, error) {
	t.Helper()
	a, err := Open(t, def, r.Config, r.Secrets)
	if err != nil {
		return Reply{}, err
	}
	return a.Run(t.Context(), r)
}

// Open serves an agent in memory and opens a session with a configuration that is written as JSON.
func Open(t testing.TB, def agent.Definition, config any, secrets map[string]string) (*Agent, error) {
	t.Helper()
	return OpenContext(t.Context(), t, def, config, secrets)
}

// OpenContext is Open for as long as ctx lasts.
func OpenContext(ctx context.Context, t testing.TB, def agent.Definition, config any, secrets map[string]string) (*Agent, error) {
	t.Helper()
	a := &Agent{rpc: serve(t, def), blobs: t.TempDir(), workdir: t.TempDir()}
	text, err := toJSON(config)
	if err != nil {
		return nil, err
	}
	open, err := a.rpc.Open(ctx, &agentpb.OpenRequest{
		SessionId: "test", Agent: def.Info.Name, Config: text, Secrets: secrets, BlobDir: a.blobs, Workdir: a.workdir,
	})
	if err != nil {
		return nil, toError(err)
	}
	a.open = open
	return a, nil
}

// Detail is what the session says it is bound to.
func (a *Agent) Detail() string { return a.open.GetDetail() }

// Offer is what opening the session told: its skills and capabilities, where its configuration decides them.
func (a *Agent) Offer() *agentpb.OpenResponse { return a.open }

// Workdir is where the agent may work.
func (a *Agent) Workdir() string { return a.workdir }

// Describe is what the agent offers.
func (a *Agent) Describe(ctx context.Context) (*agentpb.DescribeResponse, error) {
	d, err := a.rpc.Describe(ctx, &agentpb.DescribeRequest{})
	return d, toError(err)
}

// serve runs the service over a connection in memory.
func serve(t testing.TB, def agent.Definition) agentpb.AgentServiceClient {
	t.Helper()
	svc, end := def.Service(logWriter{t})
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	agentpb.RegisterAgentServiceServer(server, svc)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		end()
		server.Stop()
		<-served
	})
	return agentpb.NewAgentServiceClient(conn)
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Logf("agent: %s", p)
	return len(p), nil
}

// Run makes one call. Errors of the agent are *Error.
func (a *Agent) Run(ctx context.Context, r Request) (Reply, error) {
	req, err := a.request(r)
	if err != nil {
		return Reply{}, err
	}
	stream, err := a.rpc.Run(ctx, req)
	if err != nil {
		return Reply{}, toError(err)
	}
	var reply Reply
	done := false
	for {
		ev, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && done:
			return reply, nil
		case errors.Is(err, io.EOF):
			return reply, errors.New("the agent ended without a result")
		case err != nil:
			return reply, toError(err)
		}
		if err := a.take(ctx, &reply, r, ev); err != nil {
			return reply, err
		}
		done = done || ev.GetResult() != nil
	}
}

func (a *Agent) request(r Request) (*agentpb.RunRequest, error) {
	input, err := toJSON(r.Input)
	if err != nil {
		return nil, err
	}
	req := &agentpb.RunRequest{
		SessionId: "test", CallId: r.id(), Attempt: uint32(max(r.Attempt, 1)), Skill: r.Skill, Task: r.Task,
		Input: &agentpb.Value{Kind: &agentpb.Value_Json{Json: input}}, OutputSchema: r.OutputSchema, Feedback: r.Feedback,
	}
	if r.MaxOutputTokens > 0 {
		req.Budget = &agentpb.Budget{MaxOutputTokens: uint64(r.MaxOutputTokens)}
	}
	if len(r.Messages) > 0 {
		text, err := json.Marshal(r.Messages)
		if err != nil {
			return nil, err
		}
		req.Messages = &agentpb.Value{Kind: &agentpb.Value_Json{Json: text}}
	}
	return req, nil
}

func (r Request) id() string {
	if r.ID == "" {
		return "test/1"
	}
	return r.ID
}

func (a *Agent) take(ctx context.Context, reply *Reply, r Request, ev *agentpb.RunEvent) error {
	switch e := ev.GetEvent().(type) {
	case *agentpb.RunEvent_Delta:
		reply.Deltas++
		if e.Delta.GetChannel() == "" {
			reply.Text += e.Delta.GetText()
		} else {
			reply.Thinking += e.Delta.GetText()
		}
	case *agentpb.RunEvent_Progress:
		reply.Notes = append(reply.Notes, e.Progress.GetNote())
	case *agentpb.RunEvent_ToolCall:
		reply.Tools = append(reply.Tools, e.ToolCall.GetName())
	case *agentpb.RunEvent_Usage:
		reply.Usage = usageOf(e.Usage)
	case *agentpb.RunEvent_Artifact:
		b := e.Artifact.GetBlob()
		content, err := a.blob(b)
		reply.Artifacts = append(reply.Artifacts, Artifact{Name: b.GetName(), MediaType: b.GetMediaType(), Content: content})
		return err
	case *agentpb.RunEvent_Question:
		return a.answer(ctx, reply, r, e.Question)
	case *agentpb.RunEvent_Result:
		return a.finish(reply, e.Result)
	}
	return nil
}

func usageOf(u *agentpb.Usage) agent.Usage {
	return agent.Usage{
		InputTokens: int64(u.GetInputTokens()), OutputTokens: int64(u.GetOutputTokens()),
		CachedTokens: int64(u.GetCachedTokens()), ReasoningTokens: int64(u.GetReasoningTokens()),
		CostMicroUSD: u.GetCostMicrousd(), Model: u.GetModel(), Steps: int(u.GetSteps()),
	}
}

func (a *Agent) blob(b *agentpb.Blob) ([]byte, error) {
	path := filepath.Join(a.blobs, filepath.Base(b.GetPath()))
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return content, os.Remove(path)
}

// answer gives the next of the request's answers.
func (a *Agent) answer(ctx context.Context, reply *Reply, r Request, q *agentpb.Question) error {
	n := len(reply.Questions)
	reply.Questions = append(reply.Questions, q.GetPrompt())
	reply.Asked = append(reply.Asked, agent.Question{
		Prompt: q.GetPrompt(), Options: q.GetOptions(), Schema: q.GetAnswerSchema(), Context: q.GetContext(),
	})
	if n >= len(r.Answers) {
		return fmt.Errorf("the agent asks %q and the test has no answer", q.GetPrompt())
	}
	text, err := json.Marshal(r.Answers[n])
	if err != nil {
		return err
	}
	_, err = a.rpc.Answer(ctx, &agentpb.AnswerRequest{SessionId: "test", CallId: r.id(), QuestionId: q.GetId(), Json: text})
	return toError(err)
}

func (a *Agent) finish(reply *Reply, res *agentpb.Result) error {
	reply.Output = res.GetOutput().GetJson()
	if b := res.GetOutput().GetBlob(); b != nil {
		content, err := a.blob(b)
		if err != nil {
			return err
		}
		reply.Output = content
	}
	reply.Confidence, reply.Basis = res.Confidence, agent.Basis(res.GetConfidenceBasis())
	reply.Reasoning, reply.Finish = res.GetReasoning(), res.GetFinishReason()
	return nil
}

func toJSON(v any) ([]byte, error) {
	if v == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(v)
}

// toError reads a status as a host does.
func toError(err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	e := &Error{Code: st.Code(), Message: st.Message()}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *agentpb.AgentError:
			e.Hint, e.AgentCode, e.Retryable, e.Fields = d.GetHint(), d.GetCode(), d.GetRetryable(), d.GetFields()
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	return e
}
