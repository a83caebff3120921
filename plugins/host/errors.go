package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/runtime"
)

// ErrClosed is the error of every method after Close.
var ErrClosed = errors.New("the agents are being shut down")

// StartError says that an agent could not be started.
type StartError struct {
	Agent   string
	Problem string // what happened, without the agent's name: "exited (status 1) before it was ready"
	Printed string // what it printed on stdout instead of the handshake, or ""
	Stderr  string // the last lines of its stderr, or ""
	Hint    string // the next step
	Cause   error

	retryable  bool
	retryAfter time.Duration
}

// Error gives everything but the hint.
func (e *StartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "agent %q: %s", e.Agent, e.Problem)
	quote(&b, "it printed", e.Printed)
	quote(&b, "its last stderr", e.Stderr)
	return b.String()
}

func (e *StartError) Unwrap() error { return e.Cause }

// OfProcess says that the trouble is with the agent's process on this machine, not with somebody whom the agent asks.
func (e *StartError) OfProcess() bool { return true }

// exitError is what a call fails with whose process ended.
type exitError struct{ error }

// OfProcess says that the trouble is with the agent's process on this machine.
func (exitError) OfProcess() bool { return true }

func (e exitError) Unwrap() error { return e.error }

// forCall is the error as a call sees it that found its agent not running.
func (e *StartError) forCall() *runtime.Error {
	var b strings.Builder
	fmt.Fprintf(&b, "agent %q could not be started: %s", e.Agent, e.Problem)
	quote(&b, "it printed", e.Printed)
	quote(&b, "its last stderr", e.Stderr)
	call := &runtime.Error{
		Code: runtime.Unavailable, Message: b.String(), Hint: e.Hint, Agent: e.Agent, Retryable: e.retryable, Cause: e,
	}
	if e.retryAfter > 0 {
		call.Details = details(map[string]any{"retry_after_ms": e.retryAfter.Milliseconds()})
	}
	return call
}

// quote adds a few lines of output below a message.
func quote(b *strings.Builder, what, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	if !strings.Contains(text, "\n") {
		fmt.Fprintf(b, "; %s: %s", what, text)
		return
	}
	fmt.Fprintf(b, "; %s:\n  %s", what, strings.ReplaceAll(text, "\n", "\n  "))
}

// NeedsPersonError says that an agent has a question and there is nobody to ask. It is the Cause of the call's *runtime.Error.
type NeedsPersonError struct {
	Agent  string
	Prompt string
}

func (e *NeedsPersonError) Error() string {
	return fmt.Sprintf("agent %q needs a person to answer: %s", e.Agent, e.Prompt)
}

// NeedsPerson tells what the person is needed for.
func (e *NeedsPersonError) NeedsPerson() string { return e.Error() }

// ended is the error of a call whose context is over: the cause if that is the script's, else cancellation.
func ended(ctx context.Context, agent string) error {
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*runtime.Error](cause); ok {
		return e
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return &runtime.Error{
			Code: runtime.Timeout, Message: fmt.Sprintf("agent %q gave no answer in time", agent), Agent: agent, Retryable: true,
		}
	}
	return runtime.ErrCancelled()
}

// fromStatus turns an agent's gRPC status into the script's error.
func fromStatus(agent string, err error) *runtime.Error {
	st := status.Convert(err)
	if st.Code() == codes.ResourceExhausted && strings.HasPrefix(st.Message(), "grpc: received message larger than max") {
		return tooLarge(agent, 0)
	}
	code, retryable, verb := classify(st.Code())
	e := &runtime.Error{
		Code: code, Retryable: retryable, Agent: agent, Cause: err,
		Message: fmt.Sprintf("agent %q %s: %s", agent, verb, st.Message()),
	}
	addDetails(e, st)
	return e
}

// classify says what a status code means to a script, and what the agent did in words.
func classify(c codes.Code) (code runtime.Code, retryable bool, verb string) {
	switch c {
	case codes.DeadlineExceeded:
		return runtime.Timeout, true, "ran out of time"
	case codes.Unavailable:
		return runtime.Unavailable, true, "is unavailable"
	case codes.ResourceExhausted:
		return runtime.Unavailable, true, "is overloaded"
	case codes.NotFound:
		return runtime.Refused, false, "found nothing"
	case codes.InvalidArgument:
		return runtime.Refused, false, "refused the input"
	case codes.Internal:
		return runtime.Refused, false, "failed"
	default:
		return runtime.Refused, false, "refused"
	}
}

// addDetails takes over what the agent said beside its message.
func addDetails(e *runtime.Error, st *status.Status) {
	facts := make(map[string]any)
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *agentpb.AgentError:
			e.Hint = d.GetHint()
			e.Retryable = e.Retryable || d.GetRetryable()
			if d.GetCode() != "" {
				facts["code"] = d.GetCode()
			}
			if len(d.GetFields()) > 0 {
				facts["fields"] = d.GetFields()
			}
		case *errdetails.RetryInfo:
			facts["retry_after_ms"] = d.GetRetryDelay().AsDuration().Milliseconds()
		}
	}
	e.Details = details(facts)
}

// details makes facts a payload; none are nil.
func details(facts map[string]any) runtime.Payload {
	if len(facts) == 0 {
		return nil
	}
	raw, err := json.Marshal(facts)
	if err != nil {
		return nil
	}
	p, err := runtime.Canonical(raw)
	if err != nil {
		return nil
	}
	return p
}

// statusText is what a status says, without the words gRPC puts around it.
func statusText(err error) string {
	if st, ok := status.FromError(err); ok {
		return st.Message()
	}
	return err.Error()
}

// fromAgent says whether a status was sent by an agent that is alive, and not made up by a broken connection.
func fromAgent(err error) bool {
	for _, d := range status.Convert(err).Details() {
		if _, ok := d.(*agentpb.AgentError); ok {
			return true
		}
	}
	return false
}

// tooLarge is the error of an answer over MaxAnswer; size is zero when it is not known.
func tooLarge(agent string, size uint64) *runtime.Error {
	of := ""
	if size > 0 {
		of = fmt.Sprintf(" of %d bytes", size)
	}
	return &runtime.Error{
		Code: runtime.Refused, Agent: agent,
		Message: fmt.Sprintf("agent %q gave an answer%s that goes on after byte %d, the most there may be", agent, of, MaxAnswer),
		Hint:    "let it answer with less, or hand large things over as artifacts",
	}
}

// badAnswer is the error of an answer that is not JSON.
func badAnswer(agent string, err error) *runtime.Error {
	return &runtime.Error{
		Code: runtime.Refused, Agent: agent, Cause: err,
		Message: fmt.Sprintf("agent %q gave an answer that is not JSON: %s", agent, err),
		Hint:    "this is a bug in the agent",
	}
}
