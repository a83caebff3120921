package modelserver

import (
	"encoding/json"
	"fmt"
	"strings"
)

// question is what a client asks, whatever the wire format.
type question struct {
	model    string
	messages []message
	schema   *schema // of the answer, or nil for text
	tool     string  // name of the tool that the answer calls, or ""
	settings settings
	n        int
	seed     *uint64
	stream   bool
	usage    bool // in the stream
	logprobs bool
}

type message struct {
	role string
	text string
}

// reply is one answer.
type reply struct {
	pieces  []piece
	finish  string // "stop" or "length"
	stop    string // the stop sequence that ended it, or ""
	refused bool
}

// prompt is all that was said, a blank line after each message.
func (q *question) prompt() string {
	var b strings.Builder
	for _, m := range q.messages {
		b.WriteString(m.text + "\n\n")
	}
	return b.String()
}

// past is where the answer goes on: after an assistant's last words, or at the start of a document.
func (q *question) past(m *Model) []int {
	if last := q.messages[len(q.messages)-1]; last.role == "assistant" {
		return idsOf(m.Tokenize(last.text))
	}
	return nil
}

const refusal = "I cannot help with that."

// answer draws the answers; a fault may spoil what they say.
func (q *question) answer(m *Model, fault FaultKind) ([]reply, error) {
	v := m.under(m.Tokenize(q.prompt()))
	out := make([]reply, q.n)
	for i := range out {
		s := newSampler(v, q.settings, *q.seed, uint64(i))
		r, err := q.one(s, fault)
		if err != nil {
			return nil, err
		}
		out[i] = r
	}
	return out, nil
}

func (q *question) one(s *sampler, fault FaultKind) (reply, error) {
	switch {
	case fault == Refuse:
		return reply{pieces: s.certainly(refusal), finish: "stop", refused: true}, nil
	case fault == Violate:
		return reply{pieces: s.certainly(`{"unexpected":[true]}`), finish: "stop"}, nil
	case q.schema == nil || fault == Prose:
		return s.text(q.past(s.view.Model)), nil
	}
	pieces, finish, err := s.structured(q.schema)
	return reply{pieces: pieces, finish: finish}, err
}

// certainly is text that the model did not choose.
func (s *sampler) certainly(text string) []piece {
	w := &writer{sampler: s}
	w.forced(text)
	return w.out
}

// check refuses settings that a provider would refuse.
func (q *question) check() *problem {
	s := q.settings
	switch {
	case len(q.messages) == 0:
		return invalid("messages: at least one message is needed")
	case s.temperature < 0 || s.temperature > 2:
		return invalid("temperature: %v is not between 0 and 2", s.temperature)
	case s.topP < 0 || s.topP > 1:
		return invalid("top_p: %v is not between 0 and 1", s.topP)
	case q.n < 1 || q.n > 128:
		return invalid("n: %d is not between 1 and 128", q.n)
	case s.maxTokens < 1:
		return invalid("max_tokens: %d is not at least 1", s.maxTokens)
	case s.top < 0 || s.top > 20:
		return invalid("top_logprobs: %d is not between 0 and 20", s.top)
	case s.top > 0 && !q.logprobs:
		return invalid("top_logprobs needs logprobs")
	}
	return nil
}

// content is a message's content: a string or a list of parts, of which the texts count.
type content string

func (c *content) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*c = content(text)
		return nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return fmt.Errorf("content must be a string or a list of parts: %w", err)
	}
	for _, p := range parts {
		if p.Type != "text" {
			return fmt.Errorf("content of type %q is not supported", p.Type)
		}
		*c += content(p.Text)
	}
	return nil
}

// words is one string or a list of them.
type words []string

func (w *words) UnmarshalJSON(b []byte) error { return (*types)(w).UnmarshalJSON(b) }

func orElse[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
