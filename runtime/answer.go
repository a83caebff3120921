package runtime

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Call is one attempt at an agent call, as an engine hands it to whoever runs agents.
type Call struct {
	AgentCall
	Run     string         // id of the run
	ID      string         // run/address: stable over attempts and replays, and so the idempotency key
	Attempt int            // from 1
	Watch   func(Progress) // told what the agent says meanwhile; may be nil, is not called after the call returned
}

// Progress is something an agent says before its answer: one of a piece of its text, a note, or its usage so far.
type Progress struct {
	Text     string  // the next piece of the answer's text
	Channel  string  // of Text: "" for the answer, "thinking" ...
	Note     string  // what it is doing
	Fraction float64 // of the work done, 0..1; zero when unknown
	Tool     string  // name of a tool the agent used
	Use      ToolUse // of Tool
	Usage    *Usage  // so far
}

// ToolUse is what an agent says about a tool that it used.
type ToolUse struct {
	ID                string // of this use, where the agent gives one
	Arguments, Output []byte // JSON as the agent wrote it; may be nil
	Failed            bool
}

// Answer is what an agent answered.
type Answer struct {
	Value      Payload  // never empty
	Confidence *float64 // 0..1, nil when the agent states none
	Basis      string   // of Confidence: "self_report", "logprob", "verifier", "calibrated", or ""
	Reasoning  string
	Agent      string // the agent's name in parallax.toml
	Version    string // the agent's own version
	Cached     bool   // it was given before, to a call like this one: it took no attempt and cost nothing
	Finish     string // "stop", "length", "refusal", "budget", or ""
	Attempts   int
	Usage      Usage
	Artifacts  []Artifact
}

// Artifact is a file or document an agent made beside its answer.
type Artifact struct {
	Name      string `json:"name"`
	MediaType string `json:"media_type,omitempty"`
	SHA256    string `json:"sha256,omitempty"` // hex
	Size      int64  `json:"size"`             // bytes
	Path      string `json:"path,omitempty"`   // on this machine
}

// Usage is what an answer cost.
type Usage struct {
	InputTokens     int64  `json:"input_tokens,omitempty"`
	OutputTokens    int64  `json:"output_tokens,omitempty"`
	CachedTokens    int64  `json:"cached_tokens,omitempty"`
	ReasoningTokens int64  `json:"reasoning_tokens,omitempty"`
	CostMicroUSD    int64  `json:"cost_microusd,omitempty"` // millionths of a US dollar
	Model           string `json:"model,omitempty"`
}

// Add counts other into u.
func (u *Usage) Add(other Usage) {
	u.InputTokens += other.InputTokens
	u.OutputTokens += other.OutputTokens
	u.CachedTokens += other.CachedTokens
	u.ReasoningTokens += other.ReasoningTokens
	u.CostMicroUSD += other.CostMicroUSD
}

// Payload is the answer as the outcome of its AgentCall: a canonical JSON object, fields at their zero value left out.
func (a *Answer) Payload() Payload {
	b := make([]byte, 0, len(a.Value)+96)
	b = append(b, '{')
	b = appendField(b, "agent", a.Agent)
	if len(a.Artifacts) > 0 {
		b = append(b, `"artifacts":[`...)
		for i, f := range a.Artifacts {
			if i > 0 {
				b = append(b, ',')
			}
			b = f.append(b)
		}
		b = append(b, "],"...)
	}
	b = appendInt(b, "attempts", int64(a.Attempts))
	b = appendField(b, "basis", a.Basis)
	if a.Cached {
		b = append(b, `"cached":true,`...)
	}
	if a.Confidence != nil {
		b = append(b, `"confidence":`...)
		b = append(appendFloat(b, *a.Confidence), ',')
	}
	b = appendField(b, "finish", a.Finish)
	b = appendField(b, "reasoning", a.Reasoning)
	if a.Usage != (Usage{}) {
		u := a.Usage
		b = append(b, `"usage":{`...)
		b = appendInt(b, "cached_tokens", u.CachedTokens)
		b = appendInt(b, "cost_microusd", u.CostMicroUSD)
		b = appendInt(b, "input_tokens", u.InputTokens)
		b = appendField(b, "model", u.Model)
		b = appendInt(b, "output_tokens", u.OutputTokens)
		b = appendInt(b, "reasoning_tokens", u.ReasoningTokens)
		b = append(closeObject(b), ',')
	}
	b = append(append(b, `"value":`...), a.Value...)
	b = append(b, ',')
	b = appendField(b, "version", a.Version)
	return closeObject(b)
}

func (f Artifact) append(b []byte) []byte {
	b = append(b, '{')
	b = appendField(b, "media_type", f.MediaType)
	b = appendField(b, "name", f.Name)
	b = appendField(b, "path", f.Path)
	b = appendField(b, "sha256", f.SHA256)
	b = appendInt(b, "size", f.Size)
	return closeObject(b)
}

// Idempotent is the capability of an agent that may be asked again after a lost answer. It need not be listed: an agent that declares itself
// idempotent has it.
const Idempotent = "idempotent"

// AgentInfo is what is known of an agent without asking it anything.
type AgentInfo struct {
	Name         string
	Capabilities []string      // as parallax.toml declares them
	AtMostOnce   bool          // a call whose answer was lost must not be repeated
	Idempotent   bool          // safe to call again after a lost answer: the engine may retry without the script's consent
	Timeout      time.Duration // the configuration's own default; zero means none
	Instant      bool          // it answers at once: nobody need do something else meanwhile
}

func appendField(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	b = append(append(append(b, '"'), name...), `":`...)
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return append(appendQuoted(b, s), ',')
}

func appendInt(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	b = append(append(append(b, '"'), name...), `":`...)
	return append(strconv.AppendInt(b, n, 10), ',')
}

// closeObject replaces a trailing comma by the closing brace.
func closeObject(b []byte) []byte {
	if b[len(b)-1] == ',' {
		b[len(b)-1] = '}'
		return b
	}
	return append(b, '}')
}
