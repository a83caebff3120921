// Package events is how a run's events look to programs: one JSON object per line, described in docs/events.md.
//
// Names and meanings are stable: fields and kinds may be added, none is changed or removed.
package events

import (
	"encoding/json"
	"io"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Line is one event.
type Line struct {
	Seq        uint64          `json:"seq"`
	Time       string          `json:"time"` // RFC 3339 with nanoseconds, UTC
	Run        string          `json:"run"`
	Kind       string          `json:"kind"`
	Address    string          `json:"address,omitempty"`
	Branch     string          `json:"branch,omitempty"`
	Name       string          `json:"name,omitempty"`
	Agent      string          `json:"agent,omitempty"`
	Text       string          `json:"text,omitempty"`
	N          int             `json:"n,omitempty"`
	Seconds    float64         `json:"seconds,omitempty"`
	Value      runtime.Payload `json:"value,omitempty"`
	Confidence *float64        `json:"confidence,omitempty"`
	Usage      *runtime.Usage  `json:"usage,omitempty"`
	Progress   *Progress       `json:"progress,omitempty"`
	Error      *Error          `json:"error,omitempty"`
	Cached     bool            `json:"cached,omitempty"` // the answer was given before, to a call like this one
	Past       bool            `json:"past,omitempty"`   // it happened before the run was resumed
}

// Progress is what an agent says before its answer.
type Progress struct {
	Text     string         `json:"text,omitempty"`
	Channel  string         `json:"channel,omitempty"`
	Note     string         `json:"note,omitempty"`
	Fraction float64        `json:"fraction,omitempty"`
	Tool     string         `json:"tool,omitempty"`
	Usage    *runtime.Usage `json:"usage,omitempty"`
}

// Error is a failure of the pattern.
type Error struct {
	Code      string          `json:"code"`
	Message   string          `json:"message"`
	Hint      string          `json:"hint,omitempty"`
	Agent     string          `json:"agent,omitempty"`
	Attempts  int             `json:"attempts,omitempty"`
	Retryable bool            `json:"retryable,omitempty"`
	Details   runtime.Payload `json:"details,omitempty"`
	Trace     []Frame         `json:"trace,omitempty"`
}

// Frame is one level of a backtrace, the outermost call first.
type Frame struct {
	Func   string `json:"func"`
	Pos    string `json:"pos,omitempty"`
	Branch string `json:"branch,omitempty"`
}

// Of gives an event's line.
func Of(e runtime.Event) Line {
	l := Line{
		Seq: e.Seq, Time: e.At.UTC().Format(time.RFC3339Nano), Run: e.Run, Kind: string(e.Kind), Branch: string(e.Branch),
		Name: e.Name, Agent: e.Agent, Text: e.Text, N: e.N, Seconds: e.For.Seconds(), Value: e.Value,
		Confidence: e.Confidence, Usage: e.Usage, Error: ErrorOf(e.Error), Cached: e.Cached, Past: e.Past,
	}
	if e.Past && !e.Then.IsZero() {
		l.Time = e.Then.UTC().Format(time.RFC3339Nano)
	}
	if e.Addr.N > 0 {
		l.Address = e.Addr.String()
	}
	if p := e.Progress; p != nil {
		l.Progress = &Progress{p.Text, p.Channel, p.Note, p.Fraction, p.Tool, p.Usage}
	}
	return l
}

// ErrorOf gives an error as JSON has it; nil for nil.
func ErrorOf(e *runtime.Error) *Error {
	if e == nil {
		return nil
	}
	out := &Error{
		Code: string(e.Code), Message: e.Message, Hint: e.Hint, Agent: e.Agent,
		Attempts: e.Attempts, Retryable: e.Retryable, Details: e.Details,
	}
	for _, f := range e.Trace {
		out.Trace = append(out.Trace, Frame{f.Func, f.Pos, string(f.Branch)})
	}
	return out
}

// Writer writes events as lines. It belongs to one goroutine.
type Writer struct {
	enc *json.Encoder
	err error
}

// NewWriter writes to w, one Write per event.
func NewWriter(w io.Writer) *Writer {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &Writer{enc: enc}
}

// Write writes one event. After a failure it writes no more; Err tells.
func (w *Writer) Write(e runtime.Event) {
	if w.err == nil {
		w.err = w.enc.Encode(Of(e))
	}
}

// Err is the first failure to write, or nil.
func (w *Writer) Err() error { return w.err }
