package agent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Call is one attempt at one call of the agent. Its methods may be used by several goroutines, until the agent's function
// returns.
type Call[C any] struct {
	*call

	// Config is the session's configuration. Calls share it, so it is only read, or guards itself.
	Config *C
}

// Message is an earlier message of the conversation.
type Message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"` // a string, or whatever the script put there
}

// Text is the content as text: a string as it is, anything else as JSON.
func (m Message) Text() string {
	var s string
	if json.Unmarshal(m.Content, &s) == nil {
		return s
	}
	return string(m.Content)
}

// Usage is what a call has cost so far.
type Usage struct {
	InputTokens, OutputTokens, CachedTokens, ReasoningTokens int64

	CostMicroUSD int64 // millionths of a US dollar
	Model        string
	Steps        int // model and tool calls
}

// Basis says where a confidence comes from.
type Basis string

// Bases of a confidence.
const (
	SelfReport Basis = "self_report" // the model said so
	LogProb    Basis = "logprob"     // from the probabilities of its tokens
	Verifier   Basis = "verifier"    // something checked the answer
)

// call is a Call without its configuration's type.
type call struct {
	req      *agentpb.RunRequest
	session  *Session
	events   *events
	messages []Message
	log      *slog.Logger
	parent   string // W3C traceparent

	mu     sync.Mutex
	result agentpb.Result // all but its output
	asked  int
}

// ID is the same over attempts and replays of one call: use it as idempotency key.
func (c *call) ID() string { return c.req.GetCallId() }

// Attempt counts from 1.
func (c *call) Attempt() int { return int(c.req.GetAttempt()) }

// Agent is the name that the project gave this agent.
func (c *call) Agent() string { return c.session.Agent }

// Task is what to do, in words.
func (c *call) Task() string { return c.req.GetTask() }

// Feedback is why the previous answer to this question was refused, or "".
func (c *call) Feedback() string { return c.req.GetFeedback() }

// OutputSchema is the JSON Schema that the answer has to satisfy, or nil when anything goes.
func (c *call) OutputSchema() json.RawMessage { return c.req.GetOutputSchema() }

// Messages are the earlier messages of the conversation, oldest first.
func (c *call) Messages() []Message { return c.messages }

// Timeout is how long the host waits for the answer, counted from the start of the call; zero means no bound. The context
// ends then: this is for agents that want to plan.
func (c *call) Timeout() time.Duration { return time.Duration(c.req.GetTimeoutMs()) * time.Millisecond }

// Metadata is labels for the agent's own records.
func (c *call) Metadata() map[string]string { return c.req.GetMetadata() }

// Traceparent is the W3C trace context of this call, or "" when the run is not traced. An agent that makes spans of its own puts them below it.
func (c *call) Traceparent() string { return c.parent }

// MaxOutputTokens is the budget of this call; zero means none.
func (c *call) MaxOutputTokens() int64 { return int64(c.req.GetBudget().GetMaxOutputTokens()) }

// Workdir is where the agent may work, or "" for its current directory.
func (c *call) Workdir() string { return c.session.Workdir }

// Secret is the value of a secret that the project's configuration grants to this agent, or "".
func (c *call) Secret(name string) string { return c.session.Secret(name) }

// Log writes to the host's log.
func (c *call) Log() *slog.Logger { return c.log }

// Emit shows the next piece of the answer's text while the agent works. Pieces may be as small as they come.
func (c *call) Emit(text string) { c.events.emit("", text) }

// EmitThinking shows the next piece of what a model thinks.
func (c *call) EmitThinking(text string) { c.events.emit("thinking", text) }

// Progress says what the agent is doing and how much of it is done: 0..1, zero when unknown.
func (c *call) Progress(fraction float64, note string) {
	c.events.put(&agentpb.RunEvent{Event: &agentpb.RunEvent_Progress{
		Progress: &agentpb.Progress{Fraction: fraction, Note: validUTF8(note)},
	}})
}

// ToolCall reports that the agent used a tool of its own.
func (c *call) ToolCall(id, name string, arguments, output json.RawMessage, failed bool) {
	c.events.put(&agentpb.RunEvent{Event: &agentpb.RunEvent_ToolCall{ToolCall: &agentpb.ToolCall{
		Id: validUTF8(id), Name: validUTF8(name), Arguments: arguments, Output: output, Failed: failed,
	}}})
}

// Usage says what the call has cost so far, all in all.
func (c *call) Usage(u Usage) {
	c.events.put(&agentpb.RunEvent{Event: &agentpb.RunEvent_Usage{Usage: &agentpb.Usage{
		InputTokens:     uint64(max(u.InputTokens, 0)),
		OutputTokens:    uint64(max(u.OutputTokens, 0)),
		CachedTokens:    uint64(max(u.CachedTokens, 0)),
		ReasoningTokens: uint64(max(u.ReasoningTokens, 0)),
		CostMicrousd:    u.CostMicroUSD,
		Model:           validUTF8(u.Model),
		Steps:           uint32(max(u.Steps, 0)),
	}}})
}

// Confidence states how sure the answer is, 0..1, and on what basis. An agent that does not know does not call it.
func (c *call) Confidence(v float64, basis Basis) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v = min(max(v, 0), 1)
	c.result.Confidence, c.result.ConfidenceBasis = &v, string(basis)
}

// Reasoning says why the answer is what it is, for people.
func (c *call) Reasoning(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Reasoning = validUTF8(text)
}

// Finish says why the answer ended: "stop", "length", "refusal" or "budget".
func (c *call) Finish(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.FinishReason = validUTF8(reason)
}

// Artifact hands over a file made beside the answer.
func (c *call) Artifact(name, mediaType string, content io.Reader) error {
	if c.session.blobDir == "" {
		return &Error{kind: internal, Message: "the host takes no artifacts: it gave no blob directory"}
	}
	blob, err := writeBlob(c.session.blobDir, content)
	if err != nil {
		return err
	}
	blob.Name, blob.MediaType = validUTF8(name), validUTF8(mediaType)
	c.events.put(&agentpb.RunEvent{Event: &agentpb.RunEvent_Artifact{Artifact: &agentpb.Artifact{Blob: blob}}})
	return nil
}

// ArtifactFile hands over a copy of a file.
func (c *call) ArtifactFile(name, mediaType, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.Artifact(name, mediaType, f)
}

// Question asks a person.
type Question struct {
	Prompt  string
	Options []string        // to choose from; empty means free text
	Schema  json.RawMessage // of the answer; nil means a string
	Context json.RawMessage // what the person should see; may be nil
}

// Ask asks a person and waits for the answer, which is JSON. The agent's Info must say Interactive.
func (c *call) Ask(ctx context.Context, q Question) (json.RawMessage, error) {
	c.mu.Lock()
	c.asked++
	id := strconv.Itoa(c.asked)
	c.mu.Unlock()
	answer := c.session.expect(c.ID(), id)
	defer c.session.forget(c.ID(), id)
	c.events.put(&agentpb.RunEvent{Event: &agentpb.RunEvent_Question{Question: &agentpb.Question{
		Id: id, Prompt: validUTF8(q.Prompt), Options: q.Options, AnswerSchema: q.Schema, Context: q.Context,
	}}})
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close ends the call's events with its result.
func (c *call) close(output *agentpb.Value) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.events.close(&agentpb.RunEvent{Event: &agentpb.RunEvent_Result{Result: &agentpb.Result{
		Output:          output,
		Confidence:      c.result.Confidence,
		ConfidenceBasis: c.result.GetConfidenceBasis(),
		Reasoning:       c.result.GetReasoning(),
		FinishReason:    c.result.GetFinishReason(),
	}}})
}
