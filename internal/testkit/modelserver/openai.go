package modelserver

import (
	"encoding/json"
	"net/http"
)

// openAI is the format of OpenAI's chat completions.
type openAI struct{}

const usualTokens = 256 // longest answer when the client names no bound

type chatRequest struct {
	Model    string `json:"model"`
	Messages []struct {
		Role    string  `json:"role"`
		Content content `json:"content"`
	} `json:"messages"`
	N                   *int     `json:"n"`
	Temperature         *float64 `json:"temperature"`
	TopP                *float64 `json:"top_p"`
	Seed                *int64   `json:"seed"`
	Stop                words    `json:"stop"`
	MaxTokens           *int     `json:"max_tokens"`
	MaxCompletionTokens *int     `json:"max_completion_tokens"`
	Logprobs            bool     `json:"logprobs"`
	TopLogprobs         int      `json:"top_logprobs"`
	Stream              bool     `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	ResponseFormat *struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Name   string          `json:"name"`
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

func (openAI) read(body []byte) (*question, *problem) {
	var in chatRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalid("cannot read the request: %v", err)
	}
	q := &question{
		model: in.Model, n: orElse(in.N, 1), stream: in.Stream, usage: in.StreamOptions.IncludeUsage, logprobs: in.Logprobs,
		settings: settings{
			temperature: orElse(in.Temperature, 1), topP: orElse(in.TopP, 1), stop: in.Stop, top: in.TopLogprobs,
			maxTokens: orElse(in.MaxCompletionTokens, orElse(in.MaxTokens, usualTokens)),
		},
	}
	if in.Seed != nil {
		seed := uint64(*in.Seed)
		q.seed = &seed
	}
	for _, m := range in.Messages {
		q.messages = append(q.messages, message{m.Role, string(m.Content)})
	}
	if p := in.shape(q); p != nil {
		return nil, p
	}
	return q, q.check()
}

// shape reads the response format into the question.
func (in *chatRequest) shape(q *question) *problem {
	if in.ResponseFormat == nil || in.ResponseFormat.Type == "text" {
		return nil
	}
	raw := in.ResponseFormat.JSONSchema.Schema
	switch in.ResponseFormat.Type {
	case "json_schema":
		if in.ResponseFormat.JSONSchema.Name == "" || len(raw) == 0 {
			return invalid("response_format: json_schema needs a name and a schema")
		}
	case "json_object":
		var found bool
		if raw, found = schemaIn(q.prompt()); !found {
			raw = []byte(`{"properties":{"answer":{"type":"string"}}}`)
		}
	default:
		return invalid("response_format: unknown type %q", in.ResponseFormat.Type)
	}
	s, err := parseSchema(raw)
	if err != nil {
		return invalid("response_format: %v", err)
	}
	q.schema = s
	return nil
}

func (openAI) fail(w http.ResponseWriter, p *problem) {
	var code any
	if p.code != "" {
		code = p.code
	}
	writeJSON(w, p.status, map[string]any{"error": map[string]any{
		"message": p.message, "type": p.kind, "param": nil, "code": code,
	}})
}

func (o openAI) write(x *exchange) {
	if x.q.stream {
		o.streamed(x)
		return
	}
	choices := make([]map[string]any, len(x.replies))
	for i, r := range x.replies {
		message := map[string]any{"role": "assistant", "content": join(r.pieces), "refusal": nil}
		if r.refused {
			message["content"], message["refusal"] = nil, join(r.pieces)
		}
		choices[i] = map[string]any{"index": i, "message": message, "finish_reason": r.finish, "logprobs": logprobs(x.q, r.pieces)}
	}
	x.whole(map[string]any{
		"id": "chatcmpl-" + x.id, "object": "chat.completion", "created": 0, "model": x.q.model,
		"choices": choices, "usage": chatUsage(x),
	})
}

func chatUsage(x *exchange) map[string]any {
	out := 0
	for _, r := range x.replies {
		out += len(r.pieces)
	}
	return map[string]any{
		"prompt_tokens": x.prompt, "completion_tokens": out, "total_tokens": x.prompt + out,
		"prompt_tokens_details":     map[string]int{"cached_tokens": 0},
		"completion_tokens_details": map[string]int{"reasoning_tokens": 0},
	}
}

func logprobs(q *question, pieces []piece) any {
	if !q.logprobs {
		return nil
	}
	list := make([]map[string]any, len(pieces))
	for i, p := range pieces {
		top := make([]map[string]any, len(p.top))
		for j, alt := range p.top {
			top[j] = tokenOf(alt.text, alt.logprob)
		}
		list[i] = tokenOf(p.text, p.logprob)
		list[i]["top_logprobs"] = top
	}
	return map[string]any{"content": list, "refusal": nil}
}

func tokenOf(text string, logprob float64) map[string]any {
	codes := make([]int, len(text)) // a []byte would be written as base64
	for i := range len(text) {
		codes[i] = int(text[i])
	}
	return map[string]any{"token": text, "logprob": logprob, "bytes": codes}
}

// streamed writes the answers piece by piece, the choices in turn.
func (o openAI) streamed(x *exchange) {
	x.w.Header().Set("Content-Type", "text/event-stream")
	for i := range x.replies {
		o.chunk(x, i, map[string]any{"role": "assistant", "content": ""}, nil, nil)
	}
	longest := 0
	for _, r := range x.replies {
		longest = max(longest, len(r.pieces))
	}
	for at := range longest {
		if at == longest/2 && !x.interrupted() {
			return
		}
		o.pieces(x, at)
	}
	for i, r := range x.replies {
		o.chunk(x, i, map[string]any{}, r.finish, nil)
	}
	if x.q.usage {
		x.event("", o.frame(x, []any{}, chatUsage(x)))
	}
	_, _ = x.w.Write([]byte("data: [DONE]\n\n"))
}

// pieces writes the piece at index at of every answer that is so long.
func (o openAI) pieces(x *exchange, at int) {
	for i, r := range x.replies {
		if at >= len(r.pieces) {
			continue
		}
		field := "content"
		if r.refused {
			field = "refusal"
		}
		p := r.pieces[at : at+1]
		o.chunk(x, i, map[string]any{field: p[0].text}, nil, logprobs(x.q, p))
	}
}

func (o openAI) chunk(x *exchange, i int, delta map[string]any, finish, logprobs any) {
	choice := map[string]any{"index": i, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
	x.event("", o.frame(x, []any{choice}, nil))
}

func (openAI) frame(x *exchange, choices []any, usage any) map[string]any {
	f := map[string]any{
		"id": "chatcmpl-" + x.id, "object": "chat.completion.chunk", "created": 0, "model": x.q.model, "choices": choices,
	}
	if x.q.usage {
		f["usage"] = usage
	}
	return f
}
