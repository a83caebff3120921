package host

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/runtime"
)

// reply gathers the events of one call.
type reply struct {
	session *session
	call    runtime.Call
	fail    context.CancelCauseFunc // ends the call with an error

	result    *agentpb.Result
	usage     runtime.Usage
	artifacts []runtime.Artifact
	asked     bool
	finished  atomic.Int64 // when the result came, in Unix nanoseconds
	questions sync.WaitGroup
}

// end waits for questions that are still open; nothing is told afterwards.
func (r *reply) end() {
	r.session.inst.drop(r)
	if r.asked {
		r.fail(nil)
		r.questions.Wait()
	}
}

// take receives one event. Events that are not known are passed over.
func (r *reply) take(ctx context.Context, ev *agentpb.RunEvent) error {
	switch e := ev.GetEvent().(type) {
	case *agentpb.RunEvent_Delta:
		r.tell(runtime.Progress{Text: e.Delta.GetText(), Channel: e.Delta.GetChannel()})
	case *agentpb.RunEvent_Progress:
		r.tell(runtime.Progress{Note: e.Progress.GetNote(), Fraction: e.Progress.GetFraction()})
	case *agentpb.RunEvent_ToolCall:
		t := e.ToolCall
		r.tell(runtime.Progress{Tool: t.GetName(), Use: runtime.ToolUse{
			ID: t.GetId(), Arguments: t.GetArguments(), Output: t.GetOutput(), Failed: t.GetFailed(),
		}})
	case *agentpb.RunEvent_Usage:
		r.usage = usageOf(e.Usage)
		u := r.usage
		r.tell(runtime.Progress{Usage: &u})
	case *agentpb.RunEvent_Artifact:
		return r.artifact(e.Artifact)
	case *agentpb.RunEvent_Question:
		r.ask(ctx, e.Question)
	case *agentpb.RunEvent_Result:
		return r.finish(e.Result)
	}
	return nil
}

func (r *reply) tell(p runtime.Progress) {
	if r.call.Watch != nil {
		r.call.Watch(p)
	}
}

func usageOf(u *agentpb.Usage) runtime.Usage {
	return runtime.Usage{
		InputTokens:     int64(u.GetInputTokens()),
		OutputTokens:    int64(u.GetOutputTokens()),
		CachedTokens:    int64(u.GetCachedTokens()),
		ReasoningTokens: int64(u.GetReasoningTokens()),
		CostMicroUSD:    u.GetCostMicrousd(),
		Model:           u.GetModel(),
	}
}

func (r *reply) artifact(a *agentpb.Artifact) error {
	if err := r.session.inst.noFiles(r.call.Agent, "an artifact"); err != nil {
		return err
	}
	kept, err := r.session.inst.proc.host.keepArtifact(r.session.inst.blobDir, a.GetBlob())
	if err != nil {
		return &runtime.Error{
			Code: runtime.Refused, Agent: r.call.Agent, Cause: err,
			Message: fmt.Sprintf("agent %q gave an artifact that cannot be kept: %s", r.call.Agent, err),
		}
	}
	r.artifacts = append(r.artifacts, kept)
	return nil
}

// ask puts a question to a person while the events go on, and sends the answer back.
func (r *reply) ask(ctx context.Context, q *agentpb.Question) {
	put := r.session.inst.proc.host.opts.Ask
	if put == nil {
		cause := &NeedsPersonError{Agent: r.call.Agent, Prompt: q.GetPrompt()}
		r.fail(&runtime.Error{
			Code: runtime.Refused, Agent: r.call.Agent, Message: cause.Error(), Cause: cause,
			Hint: "run it on a terminal, or give the agent another way to decide",
		})
		return
	}
	r.tell(runtime.Progress{Note: "waits for a person: " + q.GetPrompt()})
	r.asked = true
	r.questions.Go(func() {
		if err := r.answerQuestion(ctx, put, q); err != nil && ctx.Err() == nil {
			r.fail(asCallError(ctx, r.call.Agent, err))
		}
	})
}

func (r *reply) answerQuestion(ctx context.Context, put func(context.Context, Question) (runtime.Payload, error), q *agentpb.Question) error {
	question := Question{
		Agent: r.call.Agent, Call: r.call.ID, Run: r.call.Run, Prompt: q.GetPrompt(), Options: q.GetOptions(),
	}
	var err error
	if question.Schema, err = optional(q.GetAnswerSchema()); err != nil {
		return fmt.Errorf("its question has a bad schema: %w", err)
	}
	if question.Context, err = optional(q.GetContext()); err != nil {
		return fmt.Errorf("its question has a bad context: %w", err)
	}
	answer, err := put(ctx, question)
	if err != nil {
		return err
	}
	_, err = r.session.inst.rpc.Answer(ctx, &agentpb.AnswerRequest{
		SessionId: r.session.id, CallId: r.call.ID, QuestionId: q.GetId(), Json: answer,
	})
	return err
}

func optional(text []byte) (runtime.Payload, error) {
	if len(text) == 0 {
		return nil, nil
	}
	return runtime.Canonical(text)
}

// finish keeps the result. The stream must end soon after it.
func (r *reply) finish(res *agentpb.Result) error {
	if r.result != nil {
		return &runtime.Error{
			Code: runtime.Refused, Agent: r.call.Agent, Message: fmt.Sprintf("agent %q gave two results", r.call.Agent),
			Hint: "this is a bug in the agent",
		}
	}
	r.result = res
	r.finished.Store(time.Now().UnixNano())
	return nil
}

// answer is what the script gets.
func (r *reply) answer() (runtime.Answer, error) {
	raw, err := r.output()
	if err != nil {
		return runtime.Answer{}, err
	}
	value, err := runtime.Canonical(raw)
	if err != nil {
		return runtime.Answer{}, badAnswer(r.call.Agent, err)
	}
	a := runtime.Answer{
		Value: value, Basis: r.result.GetConfidenceBasis(), Reasoning: r.result.GetReasoning(),
		Version: r.session.inst.offer.GetVersion(), Finish: r.result.GetFinishReason(),
		Usage: r.usage, Artifacts: r.artifacts,
	}
	if r.result.Confidence != nil {
		v := r.result.GetConfidence()
		if !(v >= 0 && v <= 1) {
			return a, &runtime.Error{
				Code: runtime.Refused, Agent: r.call.Agent,
				Message: fmt.Sprintf("agent %q is %v confident, which is not between 0 and 1", r.call.Agent, v),
				Hint:    "this is a bug in the agent",
			}
		}
		a.Confidence = &v
	}
	return a, nil
}

// output is the JSON text of the result.
func (r *reply) output() ([]byte, error) {
	b := r.result.GetOutput().GetBlob()
	if b == nil {
		text := r.result.GetOutput().GetJson()
		if len(text) > MaxAnswer {
			return nil, tooLarge(r.call.Agent, uint64(len(text)))
		}
		return text, nil
	}
	if err := r.session.inst.noFiles(r.call.Agent, "its answer"); err != nil {
		return nil, err
	}
	if b.GetSize() > MaxAnswer {
		return nil, tooLarge(r.call.Agent, b.GetSize())
	}
	text, err := readBlob(r.session.inst.blobDir, b, MaxAnswer)
	if err != nil {
		return nil, &runtime.Error{
			Code: runtime.Refused, Agent: r.call.Agent, Cause: err,
			Message: fmt.Sprintf("agent %q gave an answer that cannot be read: %s", r.call.Agent, err),
		}
	}
	return text, nil
}
