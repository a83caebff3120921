package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/runtime"
)

// Call is one attempt at an agent call. It waits until the agent has room (MaxConcurrency), and from then on for c.Timeout or
// else the agent's own default; starting the agent has a bound of its own, Options.StartTimeout. It returns as soon as ctx
// ends, whatever an agent process does. Errors are *runtime.Error, with a *StartError or *NeedsPersonError as Cause where
// that is the reason, or ErrClosed.
func (h *Host) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	m, ok := h.agents[c.Agent]
	if !ok {
		return runtime.Answer{}, &runtime.Error{
			Code: runtime.NotFound, Agent: c.Agent, Message: fmt.Sprintf("there is no agent %q", c.Agent),
			Hint: "add [agents." + c.Agent + "] to parallax.toml",
		}
	}
	leave, err := h.enter()
	if err != nil {
		return runtime.Answer{}, err
	}
	defer leave()
	if a := m.instant(); a != nil {
		return answerAtOnce(ctx, a, c)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.ctx, func() { cancel(runtime.ErrCancelled()) })() //nolint:contextcheck // the host's own end
	if c.Timeout <= 0 {
		c.Timeout = m.cfg.Timeout
	}
	var a runtime.Answer
	if _, ok := m.factory(); ok {
		a, err = m.callLocal(ctx, c, cancel)
	} else {
		a, err = m.callRemote(ctx, c, cancel)
	}
	if err != nil {
		return runtime.Answer{}, asCallError(ctx, c.Agent, err)
	}
	a.Agent, a.Attempts = c.Agent, c.Attempt
	return a, nil
}

// instant gives the agent if it is in this process and never waits: then nothing needs to be able to end a call.
func (m *member) instant() InProcessAgent {
	if _, local := m.factory(); !local || m.queue != nil {
		return nil
	}
	a, err := m.local()
	if err != nil {
		return nil // the ordinary way says what is wrong
	}
	if !isInstant(a) {
		return nil
	}
	return a
}

func isInstant(a InProcessAgent) bool {
	i, ok := a.(interface{ Instant() bool })
	return ok && i.Instant()
}

func answerAtOnce(ctx context.Context, agent InProcessAgent, c runtime.Call) (runtime.Answer, error) {
	a, err := agent.Call(ctx, c)
	if err != nil {
		return runtime.Answer{}, asCallError(ctx, c.Agent, err)
	}
	a.Agent, a.Attempts = c.Agent, c.Attempt
	return a, nil
}

// asCallError makes any error one that a script may see.
func asCallError(ctx context.Context, agent string, err error) error {
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*StartError](err); ok {
		return e.forCall()
	}
	if ctx.Err() != nil {
		return ended(ctx, agent)
	}
	if errors.Is(err, ErrClosed) {
		return err
	}
	return &runtime.Error{Code: runtime.Refused, Agent: agent, Message: fmt.Sprintf("agent %q failed: %s", agent, err), Cause: err}
}

// startClock ends a call that takes too long. It does so without a deadline in ctx: gRPC would tell the agent, which
// costs a tenth of a call, and the cancelled stream tells it as well.
func startClock(c runtime.Call, fail context.CancelCauseFunc) (stop func() bool) {
	if c.Timeout <= 0 {
		return func() bool { return true }
	}
	return time.AfterFunc(c.Timeout, func() {
		fail(&runtime.Error{
			Code: runtime.Timeout, Agent: c.Agent, Retryable: true,
			Message: fmt.Sprintf("agent %q gave no answer within %s", c.Agent, c.Timeout),
			Hint:    "give the call more time: ask(..., timeout=...)",
		})
	}).Stop
}

// take waits for room in a queue.
func take(ctx context.Context, queue chan struct{}) (release func(), err error) {
	if queue == nil {
		return func() {}, nil
	}
	select {
	case queue <- struct{}{}:
		return func() { <-queue }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// callLocal calls an in-process agent. fail ends ctx.
func (m *member) callLocal(ctx context.Context, c runtime.Call, fail context.CancelCauseFunc) (runtime.Answer, error) {
	a, err := m.local()
	if err != nil {
		return runtime.Answer{}, err
	}
	release, err := take(ctx, m.queue)
	if err != nil {
		return runtime.Answer{}, err
	}
	defer release()
	defer startClock(c, fail)()
	ans, err := a.Call(ctx, c)
	if err != nil && ctx.Err() != nil {
		return ans, ended(ctx, c.Agent)
	}
	return ans, err
}

// callRemote calls an agent process. fail ends ctx.
func (m *member) callRemote(ctx context.Context, c runtime.Call, fail context.CancelCauseFunc) (runtime.Answer, error) {
	s, release, err := m.enter(ctx)
	if err != nil {
		return runtime.Answer{}, err
	}
	defer release()
	defer startClock(c, fail)()
	heard := s.inst.runner.stderr.size()
	a, err := s.run(ctx, c, fail)
	if err != nil {
		return a, s.explain(ctx, c, heard, err)
	}
	return a, nil
}

// enter gives a session with room for a call. While a call waits for room the process may end: then it goes to the next one.
func (m *member) enter(ctx context.Context) (*session, func(), error) {
	for {
		s, err := m.join(ctx)
		if err != nil {
			return nil, nil, err
		}
		release, err := take(ctx, s.queue)
		if err != nil {
			return nil, nil, err
		}
		if s.queue == nil || s.inst.alive() {
			return s, release, nil
		}
		release()
	}
}

// run sends the request and receives its events.
func (s *session) run(ctx context.Context, c runtime.Call, fail context.CancelCauseFunc) (runtime.Answer, error) {
	req, drop, err := s.request(c)
	if err != nil {
		return runtime.Answer{}, err
	}
	defer drop()
	if t := s.inst.proc.host.traceparent(ctx); t != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", t)
	}
	stream, err := s.inst.rpc.Run(ctx, req)
	if err != nil {
		return runtime.Answer{}, err
	}
	r := &reply{session: s, call: c, fail: fail}
	s.inst.add(r)
	defer r.end()
	for {
		ev, err := stream.Recv()
		if err == nil {
			err = r.take(ctx, ev)
		}
		switch {
		case err == nil:
		case r.result != nil && (errors.Is(err, io.EOF) || ctx.Err() != nil):
			return r.answer()
		case errors.Is(err, io.EOF):
			return runtime.Answer{}, &runtime.Error{
				Code: runtime.Refused, Agent: c.Agent, Message: fmt.Sprintf("agent %q ended without a result", c.Agent),
				Hint: "this is a bug in the agent: its last event must be `result`",
			}
		case ctx.Err() != nil:
			return runtime.Answer{}, context.Cause(ctx)
		default:
			return runtime.Answer{}, err
		}
	}
}

// request is the call as it travels. drop removes blobs that the agent did not take.
func (s *session) request(c runtime.Call) (req *agentpb.RunRequest, drop func(), err error) {
	input, dropInput, err := packValue(s.inst.blobDir, c.Input)
	if err != nil {
		return nil, nil, err
	}
	messages, dropMessages, err := packValue(s.inst.blobDir, c.Messages)
	if err != nil {
		dropInput()
		return nil, nil, err
	}
	req = &agentpb.RunRequest{
		SessionId: s.id, CallId: c.ID, Attempt: uint32(max(c.Attempt, 0)), Skill: s.skill(c.Task), Task: c.Task,
		Input: input, Messages: messages, OutputSchema: c.Returns, Feedback: c.Feedback,
		TimeoutMs: uint64(max(c.Timeout, 0).Milliseconds()),
	}
	return req, func() { dropInput(); dropMessages() }, s.inst.fits(c.Agent, req)
}

func (h *Host) traceparent(ctx context.Context) string {
	if h.opts.Trace == nil {
		return ""
	}
	return h.opts.Trace(ctx)
}

// explain turns the failure of a call into the script's error. heard is the size of the agent's stderr when the call began.
func (s *session) explain(ctx context.Context, c runtime.Call, heard int64, err error) error {
	awaitDeadline(ctx, err)
	if ctx.Err() != nil {
		s.inst.check()
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return s.withStderr(c, heard, e)
	}
	if ctx.Err() != nil {
		return ended(ctx, c.Agent)
	}
	if !fromAgent(err) && s.inst.crashed(err) {
		return s.crashed(c, err)
	}
	e := fromStatus(c.Agent, err)
	e.Message = s.inst.scrub.clean(e.Message)
	e.Hint = s.inst.scrub.clean(e.Hint)
	return e
}

// withStderr adds what the process printed during the call to an error that the host found in the agent. An agent's own error
// stands for itself, and others than the agent may have ended the call.
func (s *session) withStderr(c runtime.Call, heard int64, e *runtime.Error) *runtime.Error {
	if _, ok := errors.AsType[*NeedsPersonError](e); ok || e.Agent != c.Agent {
		return e
	}
	s.inst.gone(wordsTime)
	var b strings.Builder
	b.WriteString(e.Message)
	quote(&b, "its last stderr", s.inst.wordsSince(heard))
	said := *e
	said.Message = b.String()
	return &said
}

// crashed is the error of a call whose process ended.
func (s *session) crashed(c runtime.Call, err error) *runtime.Error {
	if s.inst.link != nil {
		return s.lostInMidCall(c, err)
	}
	e := &StartError{
		Agent: c.Agent, Problem: fmt.Sprintf("ended in mid-call (%s)", s.inst.runner.state), Stderr: s.inst.lastWords(),
	}
	return &runtime.Error{
		Code: runtime.Unavailable, Retryable: true, Agent: c.Agent, Message: e.Error(), Cause: exitError{err},
		Hint: "it is started again for the next call; retry=1 in ask() repeats this one",
	}
}

// awaitDeadline lets the call's own clock catch up with an agent that saw the deadline a moment earlier.
func awaitDeadline(ctx context.Context, err error) {
	at, ok := ctx.Deadline()
	if !ok || fromAgent(err) || status.Code(err) != codes.DeadlineExceeded || time.Until(at) > drainTime {
		return
	}
	<-ctx.Done()
}
