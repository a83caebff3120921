package modelserver

import (
	"encoding/json"
	"net/http"
)

// anthropic is the format of Anthropic's messages.
type anthropic struct{}

type messagesRequest struct {
	Model     string  `json:"model"`
	MaxTokens int     `json:"max_tokens"`
	System    content `json:"system"`
	Messages  []struct {
		Role    string  `json:"role"`
		Content content `json:"content"`
	} `json:"messages"`
	Temperature   *float64 `json:"temperature"`
	TopP          *float64 `json:"top_p"`
	StopSequences []string `json:"stop_sequences"`
	Stream        bool     `json:"stream"`
	Tools         []struct {
		Name        string          `json:"name"`
		InputSchema json.RawMessage `json:"input_schema"`
	} `json:"tools"`
	ToolChoice struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tool_choice"`
	OutputConfig struct {
		Format struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
}

func (anthropic) read(body []byte) (*question, *problem) {
	var in messagesRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalid("cannot read the request: %v", err)
	}
	q := &question{model: in.Model, n: 1, stream: in.Stream, usage: true, settings: settings{
		temperature: orElse(in.Temperature, 1), topP: orElse(in.TopP, 1), stop: in.StopSequences, maxTokens: in.MaxTokens,
	}}
	if in.System != "" {
		q.messages = append(q.messages, message{"system", string(in.System)})
	}
	for _, m := range in.Messages {
		q.messages = append(q.messages, message{m.Role, string(m.Content)})
	}
	if q.settings.temperature > 1 {
		return nil, invalid("temperature: %v is not between 0 and 1", q.settings.temperature)
	}
	if p := in.shape(q); p != nil {
		return nil, p
	}
	return q, q.check()
}

// shape reads the tool that must be called, or the format of the output, into the question.
func (in *messagesRequest) shape(q *question) *problem {
	raw := in.OutputConfig.Format.Schema
	for _, t := range in.Tools {
		if in.ToolChoice.Type == "any" || (in.ToolChoice.Type == "tool" && in.ToolChoice.Name == t.Name) {
			raw, q.tool = t.InputSchema, t.Name
			break
		}
	}
	if in.ToolChoice.Type == "tool" && q.tool == "" {
		return invalid("tool_choice: there is no tool %q", in.ToolChoice.Name)
	}
	if len(raw) == 0 {
		return in.promised(q)
	}
	s, err := parseSchema(raw)
	if err != nil {
		return invalid("%v", err)
	}
	if q.tool != "" && s.kind() != "object" {
		return invalid("tools: input_schema must be of type object")
	}
	q.schema = s
	return nil
}

// promised finds a schema in the prompt: this format has no switch for "some JSON", clients ask in words.
func (in *messagesRequest) promised(q *question) *problem {
	raw, found := schemaIn(q.prompt())
	if !found {
		return nil
	}
	s, err := parseSchema(raw)
	if err != nil {
		return nil // text that only looks like a schema
	}
	q.schema = s
	return nil
}

func (anthropic) fail(w http.ResponseWriter, p *problem) {
	kind, status := p.kind, p.status
	switch status {
	case http.StatusNotFound:
		kind = "not_found_error"
	case http.StatusInternalServerError:
		kind = "api_error"
	case http.StatusServiceUnavailable:
		status = 529
	}
	writeJSON(w, status, map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": p.message}})
}

func (a anthropic) write(x *exchange) {
	r := x.replies[0]
	if x.q.stream {
		a.streamed(x, r)
		return
	}
	m := a.message(x, len(r.pieces), a.stop(x, r), sequence(r))
	m["content"] = []any{a.block(x, r, join(r.pieces))}
	x.whole(m)
}

func (anthropic) message(x *exchange, out int, stop, sequence any) map[string]any {
	return map[string]any{
		"id": "msg_" + x.id, "type": "message", "role": "assistant", "model": x.q.model, "content": []any{},
		"stop_reason": stop, "stop_sequence": sequence,
		"usage": map[string]int{
			"input_tokens": x.prompt, "output_tokens": out, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0,
		},
	}
}

func (anthropic) stop(x *exchange, r reply) string {
	switch {
	case r.refused:
		return "refusal"
	case r.finish == "length":
		return "max_tokens"
	case calls(x, r):
		return "tool_use"
	case r.stop != "":
		return "stop_sequence"
	}
	return "end_turn"
}

func sequence(r reply) any {
	if r.stop == "" {
		return nil
	}
	return r.stop
}

// calls says whether the answer is a call of the tool: a refusal or prose is text.
func calls(x *exchange, r reply) bool {
	return x.q.tool != "" && !r.refused && x.fault.Kind != Prose
}

func (anthropic) block(x *exchange, r reply, text string) map[string]any {
	if !calls(x, r) {
		return map[string]any{"type": "text", "text": text}
	}
	input := json.RawMessage(text)
	if !json.Valid(input) { // cut by max_tokens
		input = json.RawMessage("{}")
	}
	return map[string]any{"type": "tool_use", "id": "toolu_" + x.id, "name": x.q.tool, "input": input}
}

func (a anthropic) streamed(x *exchange, r reply) {
	x.w.Header().Set("Content-Type", "text/event-stream")
	x.event("message_start", map[string]any{"type": "message_start", "message": a.message(x, 0, nil, nil)})
	start := a.block(x, r, "")
	if calls(x, r) {
		start["input"] = json.RawMessage("{}")
	}
	x.event("content_block_start", map[string]any{"type": "content_block_start", "index": 0, "content_block": start})
	for at, p := range r.pieces {
		if at == len(r.pieces)/2 && !x.interrupted() {
			return
		}
		delta := map[string]any{"type": "text_delta", "text": p.text}
		if calls(x, r) {
			delta = map[string]any{"type": "input_json_delta", "partial_json": p.text}
		}
		x.event("content_block_delta", map[string]any{"type": "content_block_delta", "index": 0, "delta": delta})
	}
	x.event("content_block_stop", map[string]any{"type": "content_block_stop", "index": 0})
	x.event("message_delta", map[string]any{
		"type":  "message_delta",
		"delta": map[string]any{"stop_reason": a.stop(x, r), "stop_sequence": sequence(r)},
		"usage": map[string]int{"output_tokens": len(r.pieces)},
	})
	x.event("message_stop", map[string]any{"type": "message_stop"})
}
