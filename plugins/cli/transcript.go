package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/process"
)

// transcript is what a tool has said so far, of which the host sees the parts as they come. Secrets are taken out of all of it.
type transcript struct {
	call    *agent.Call[Config]
	secrets process.Secrets

	answer  *string  // that the tool gave as such
	parts   []string // of what it wrote; a use of a tool begins a new one
	cut     bool     // the next piece begins a new part
	failure string
	warning string
	session string
	usage   agent.Usage
	tools   map[string]*use
	lines   int // that meant something
}

// use is a use of a tool that has begun.
type use struct {
	name      string
	arguments json.RawMessage
}

func newTranscript(c *agent.Call[Config]) *transcript {
	return &transcript{call: c, secrets: c.Config.secrets, tools: make(map[string]*use)}
}

// write takes the next piece of the answer's text.
func (t *transcript) write(piece string) {
	if piece == "" {
		return
	}
	piece = t.secrets.Clean(piece)
	if t.cut || len(t.parts) == 0 {
		t.parts, t.cut = append(t.parts, ""), false
	}
	t.parts[len(t.parts)-1] += piece
	t.call.Emit(piece)
}

func (t *transcript) think(piece string) { t.call.EmitThinking(t.secrets.Clean(piece)) }

func (t *transcript) note(note string) {
	if note != "" {
		t.call.Progress(0, t.secrets.Clean(note))
	}
}

func (t *transcript) warn(text string) {
	if text != "" {
		t.warning = text
		t.note(text)
	}
}

func (t *transcript) named(session string) {
	if session != "" && session != t.session {
		t.session = session
		t.note("session " + session)
	}
}

// spent takes a usage, which is that of all so far.
func (t *transcript) spent(u agent.Usage) {
	if u != t.usage {
		t.usage = u
		t.call.Usage(u)
	}
}

// begin notes that a tool is used.
func (t *transcript) begin(id, name string, arguments json.RawMessage) {
	t.cut = true
	u := t.tools[id]
	if u == nil {
		u = &use{}
		t.tools[id] = u
		t.note(name)
	}
	if name != "" {
		u.name = name
	}
	if arguments != nil {
		u.arguments = arguments
	}
}

// end tells the host of a tool that was used.
func (t *transcript) end(id string, output json.RawMessage, failed bool) {
	t.cut = true
	u := t.tools[id]
	if u == nil {
		return // told already
	}
	delete(t.tools, id)
	t.call.ToolCall(id, t.secrets.Clean(u.name), t.clean(u.arguments), t.clean(output), failed)
}

// clean is JSON without secrets. A secret that has to be escaped in JSON is found in its escaped form.
func (t *transcript) clean(value json.RawMessage) json.RawMessage {
	if value == nil || len(t.secrets) == 0 {
		return value
	}
	var escaped process.Secrets
	for _, s := range t.secrets {
		escaped = append(escaped, strings.Trim(string(raw(s)), `"`))
	}
	out := json.RawMessage(escaped.Clean(string(value)))
	if !json.Valid(out) {
		return nil
	}
	return out
}

// text is the answer in words.
func (t *transcript) text() string {
	if t.answer != nil {
		return strings.TrimSpace(t.secrets.Clean(*t.answer))
	}
	written := slices.DeleteFunc(slices.Clone(t.parts), func(p string) bool { return strings.TrimSpace(p) == "" })
	if len(written) == 0 {
		return ""
	}
	if t.call.Config.Answer == "all" {
		return strings.TrimSpace(strings.Join(written, "\n\n"))
	}
	return strings.TrimSpace(written[len(written)-1])
}
