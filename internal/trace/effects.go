package trace

import (
	"encoding/json"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/parallax-run/parallax/runtime"
)

// effect tells of an effect that happens now.
func (t *Tracer) effect(r *run, n *node, e *runtime.Event) {
	switch e.Kind {
	case runtime.AgentCalled:
		t.call(r, n, e)
	case runtime.AgentProgress:
		if x := n.effect; e.Progress.Tool != "" && x != nil && x.at == e.Addr {
			t.tool(r, x, e)
		}
	case runtime.AgentRetrying:
		t.retrying(t.call(r, n, e).span, e)
	case runtime.AgentAnswered, runtime.AgentFailed, runtime.AgentCancelled:
		t.called(t.call(r, n, e), e)
	case runtime.Slept:
		x := t.begin(r, n, e, sleepSpan)
		x.fate = asleep
		x.span.EndTimeUnixNano = x.span.GetStartTimeUnixNano() + uint64(max(e.For, 0))
		add(x.span, seconds(sleepTime, e.For))
	case runtime.SignalAwaited:
		add(t.begin(r, n, e, signalSpan).span, text(signalName, e.Name))
	case runtime.ApprovalAsked:
		x := t.begin(r, n, e, approvalSpan)
		add(x.span, text(title, t.clip(e.Name)))
		if t.opts.Content {
			add(x.span, text(givenValue, t.clip(string(e.Value))))
		}
	case runtime.SignalTaken, runtime.ApprovalDecided:
		t.waited(n, e)
	case runtime.ChildStarted:
		t.goOn(n, e.At)
		t.asked[e.Text] = n
	case runtime.ChildEnded:
		delete(t.asked, e.Text)
	default: // of a kind that is not known here
	}
}

// retold tells of an effect that happened before the run was resumed. Its span has left, unless it was a sleep or was cancelled.
func (t *Tracer) retold(r *run, n *node, e *runtime.Event) {
	switch e.Kind {
	case runtime.AgentCalled:
		t.call(r, n, e)
	case runtime.AgentCancelled:
		t.called(t.call(r, n, e), e)
	case runtime.AgentAnswered, runtime.AgentFailed:
		n.effect = nil
	case runtime.SignalAwaited, runtime.ApprovalAsked:
		t.effect(r, n, e)
	case runtime.Slept:
		t.slept(n, e)
	case runtime.ChildStarted:
		t.asked[e.Text] = n
	case runtime.ChildEnded:
		delete(t.asked, e.Text)
	default: // it has been told
	}
}

// slept tells of a sleep that was over before the run was resumed.
func (t *Tracer) slept(n *node, e *runtime.Event) {
	s := t.span(n, effectSpan(e.Run, e.Addr), sleepSpan)
	s.StartTimeUnixNano, s.EndTimeUnixNano = nanos(e.Then.Add(-e.For)), nanos(e.Then)
	add(s, text(address, e.Addr.String()), seconds(sleepTime, e.For))
	t.hold(n, s)
}

func (t *Tracer) span(up *node, id []byte, name string) *tracepb.Span {
	return &tracepb.Span{
		TraceId: up.span.GetTraceId(), SpanId: id, ParentSpanId: up.span.GetSpanId(), Name: name, Kind: tracepb.Span_SPAN_KIND_INTERNAL,
	}
}

// begin is called when a branch comes to an effect.
func (t *Tracer) begin(r *run, n *node, e *runtime.Event, name string) *effect {
	t.goOn(n, e.At)
	s := t.span(n, effectSpan(r.id, e.Addr), name)
	s.StartTimeUnixNano = nanos(when(e))
	add(s, text(address, e.Addr.String()))
	n.effect = &effect{at: e.Addr, span: s}
	return n.effect
}

// call gives the call that a branch is at. One that failed before it was made begins with its end.
func (t *Tracer) call(r *run, n *node, e *runtime.Event) *effect {
	if x := n.effect; x != nil && x.at == e.Addr && x.fate == waiting {
		return x
	}
	x := t.begin(r, n, e, invokeAgent+" "+e.Agent)
	x.span.Kind = tracepb.Span_SPAN_KIND_CLIENT
	add(x.span, text(opName, invokeAgent), text(agentName, e.Agent), text(runID, r.id))
	if t.opts.Model != nil {
		provider, model := t.opts.Model(e.Agent)
		add(x.span, text(providerName, provider), text(requestModel, model))
	}
	if t.opts.Content && e.Kind == runtime.AgentCalled {
		add(x.span, text(inputMessages, t.request(e.Text, e.Value)))
	}
	return x
}

func (t *Tracer) retrying(s *tracepb.Span, e *runtime.Event) {
	ev := &tracepb.Span_Event{TimeUnixNano: nanos(e.At), Name: retryEvent, Attributes: attrs(count(attempt, int64(e.N)), seconds(pause, e.For))}
	if e.Error != nil {
		ev.Attributes = append(ev.Attributes, text(errorType, string(e.Error.Code)))
	}
	addEvent(s, ev)
}

// called ends a call.
func (t *Tracer) called(x *effect, e *runtime.Event) {
	s := x.span
	s.EndTimeUnixNano = max(nanos(when(e)), s.GetStartTimeUnixNano())
	add(s, count(attempts, int64(e.N)))
	x.fate = ended
	switch e.Kind {
	case runtime.AgentCancelled:
		x.fate = stopped
		add(s, text(outcome, outcomeCancelled))
	case runtime.AgentFailed:
		t.failed(s, string(e.Error.Code), e.Error.Message)
	default:
		if e.Cached {
			add(s, yes(cached, true))
		}
		if e.Confidence != nil {
			add(s, number(confidence, *e.Confidence))
		}
		if t.opts.Content {
			add(s, text(outputMessages, t.message("assistant", e.Value)))
		}
	}
	if e.Usage != nil {
		add(s, text(responseModel, e.Usage.Model))
		add(s, used(e.Usage)...)
	}
}

// tool tells of a tool that an agent says it used. Agents may say so when it begins and again when it has ended.
func (t *Tracer) tool(r *run, x *effect, e *runtime.Event) {
	use := &e.Progress.Use
	s := x.uses[use.ID]
	if s == nil || use.ID == "" {
		s = &tracepb.Span{
			TraceId: x.span.GetTraceId(), SpanId: toolSpan(r.id, e.Addr, len(x.tools)), ParentSpanId: x.span.GetSpanId(),
			Name: executeTool + " " + e.Progress.Tool, Kind: tracepb.Span_SPAN_KIND_INTERNAL, StartTimeUnixNano: nanos(e.At),
		}
		add(s, text(opName, executeTool), text(toolName, e.Progress.Tool), text(toolCallID, use.ID))
		if t.opts.Content {
			add(s, text(toolArguments, t.clip(string(use.Arguments))))
		}
		x.tools = append(x.tools, s)
		if x.uses == nil {
			x.uses = make(map[string]*tracepb.Span)
		}
		x.uses[use.ID] = s
	}
	s.EndTimeUnixNano = nanos(e.At)
	if t.opts.Content {
		add(s, text(toolResult, t.clip(string(use.Output))))
	}
	if use.Failed {
		t.failed(s, string(runtime.Failed), "")
	}
}

// waited ends a wait with what came.
func (t *Tracer) waited(n *node, e *runtime.Event) {
	x := n.effect
	if x == nil || x.at != e.Addr {
		return
	}
	x.fate = ended
	x.span.EndTimeUnixNano = nanos(e.At)
	if e.Kind == runtime.ApprovalDecided {
		var decided struct {
			Choice string `json:"choice"`
		}
		if json.Unmarshal(e.Value, &decided) == nil {
			add(x.span, text(choice, t.clip(decided.Choice)))
		}
	} else if t.opts.Content {
		add(x.span, text(signalValue, t.clip(string(e.Value))))
	}
}

// note adds what the script says to the span in which it says it.
func (t *Tracer) note(s *tracepb.Span, e *runtime.Event) {
	ev := &tracepb.Span_Event{TimeUnixNano: nanos(when(e))}
	switch e.Kind {
	case runtime.PhaseStarted:
		ev.Name = phaseEvent
	case runtime.Emitted:
		ev.Name = emitEvent
	case runtime.BudgetWarned:
		ev.Name = budgetEvent
	case runtime.Logged:
		ev.Name = logEvent
	default:
		ev.Name = gateEvent
		var gate struct {
			Passed bool `json:"passed"`
		}
		if json.Unmarshal(e.Value, &gate) == nil {
			ev.Attributes = attrs(yes(passed, gate.Passed))
		}
	}
	if e.Kind != runtime.Logged || t.opts.Content {
		ev.Attributes = append(ev.Attributes, text(givenName, t.clip(e.Name)))
	}
	if t.opts.Content && len(e.Value) > 0 {
		ev.Attributes = append(ev.Attributes, text(givenValue, t.clip(string(e.Value))))
	}
	addEvent(s, ev)
}
