package trace

import (
	"encoding/json"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/parallax-run/parallax/runtime"
)

// maxEvents is how many events a span holds, as the specification has it; the rest is counted.
const maxEvents = 128

func addEvent(s *tracepb.Span, e *tracepb.Span_Event) {
	if len(s.GetEvents()) >= maxEvents {
		s.DroppedEventsCount++
		return
	}
	s.Events = append(s.Events, e)
}

// failed marks a span. What went wrong in words may quote what an agent was asked or answered, so that it is content.
func (t *Tracer) failed(s *tracepb.Span, code, message string) {
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	if t.opts.Content {
		s.Status.Message = t.clip(message)
	}
	add(s, text(errorType, code))
}

// add adds attributes; nil, and a text that is empty, say nothing.
func add(s *tracepb.Span, list ...*commonpb.KeyValue) {
	for _, kv := range list {
		if kv != nil {
			s.Attributes = append(s.Attributes, kv)
		}
	}
}

func attrs(list ...*commonpb.KeyValue) []*commonpb.KeyValue {
	kept := list[:0]
	for _, kv := range list {
		if kv != nil {
			kept = append(kept, kv)
		}
	}
	return kept
}

func text(key, v string) *commonpb.KeyValue {
	if v == "" {
		return nil
	}
	if v = strings.ToValidUTF8(v, "\uFFFD"); v == "" {
		return nil
	}
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}}
}

func count(key string, n int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}}
}

func number(key string, v float64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v}}}
}

func yes(key string, v bool) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v}}}
}

func seconds(key string, d time.Duration) *commonpb.KeyValue { return number(key, d.Seconds()) }

// used is what a call took, as far as the agent says.
func used(u *runtime.Usage) []*commonpb.KeyValue {
	var list []*commonpb.KeyValue
	for _, c := range []struct {
		key string
		n   int64
	}{
		{inputTokens, u.InputTokens},
		{outputTokens, u.OutputTokens},
		{cachedTokens, u.CachedTokens},
		{reasonTokens, u.ReasoningTokens},
		{cost, u.CostMicroUSD},
	} {
		if c.n != 0 {
			list = append(list, count(c.key, c.n))
		}
	}
	return list
}

// Messages as the conventions have them, in JSON.
type (
	message struct {
		Role   string `json:"role"`
		Parts  []part `json:"parts"`
		Finish string `json:"finish_reason,omitempty"`
	}
	part struct {
		Type    string `json:"type"`
		Content string `json:"content"`
	}
)

// request is what an agent is asked: the task in words, and the inputs.
func (t *Tracer) request(task string, input runtime.Payload) string {
	m := message{Role: "user"}
	if task != "" {
		m.Parts = append(m.Parts, part{"text", t.clip(task)})
	}
	if len(input) > len("{}") {
		m.Parts = append(m.Parts, part{"text", t.clip(string(input))})
	}
	return messages(m)
}

// message is one value as a message: a string as it is, anything else as JSON.
func (t *Tracer) message(role string, v runtime.Payload) string {
	var s string
	if json.Unmarshal(v, &s) != nil {
		s = string(v)
	}
	m := message{Role: role, Parts: []part{{"text", t.clip(s)}}}
	if role == "assistant" {
		m.Finish = "stop"
	}
	return messages(m)
}

func messages(m message) string {
	raw, err := json.Marshal([]message{m})
	if err != nil {
		return ""
	}
	return string(raw)
}

// clip bounds a text.
func (t *Tracer) clip(s string) string {
	if len(s) <= t.opts.Limit {
		return s
	}
	return strings.ToValidUTF8(s[:t.opts.Limit], "") + "…"
}
