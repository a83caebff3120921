package runtime

import (
	"strconv"
	"time"
)

// Request describes an effect as a canonical JSON object: what is recorded of it, shown to people, and compared on replay. How long to wait for
// an agent, how often to ask again and whether an earlier answer will do are no part of it, so that they may be changed for a run that goes on,
// nor is the module in which a child run is asked for, so that it may be called otherwise.
func Request(e Effect) Payload {
	w := objectWriter{b: make([]byte, 0, 128)}
	switch e := e.(type) {
	case AgentCall:
		w.text("agent", e.Agent).text("effect", "agent").text("feedback", e.Feedback).json("input", e.Input).json("messages", e.Messages)
		w.json("returns", e.Returns).text("task", e.Task)
	case AgentLookup:
		w.text("capability", e.Capability).int("count", int64(e.Count)).text("effect", "agents").int("min", int64(e.Min))
	case Sleep:
		w.text("effect", "sleep").span("for", e.For)
	case WaitSignal:
		w.text("effect", "wait_for").text("name", e.Name).span("timeout", e.Timeout)
	case Approval:
		w.text("by", e.By).json("context", e.Context).text("effect", "approve").texts("options", e.Options)
		w.span("timeout", e.Timeout).text("title", e.Title)
	case ChildRun:
		w.text("effect", "run").json("inputs", e.Inputs).text("pattern", e.Pattern)
	case Budget:
		w.text("effect", "budget").text("of", string(e.Of))
	case Emit:
		w.json("data", e.Data).text("effect", string(e.Kind)).text("name", e.Name)
	}
	return w.object()
}

// ForkRequest describes a fork as Request does an effect.
func ForkRequest(name string, n int) Payload { return NamedFork(name, n, nil) }

// NamedFork is ForkRequest with what people call the first of its branches. Only ForkRequest is compared on replay.
func NamedFork(name string, n int, labels []string) Payload {
	w := objectWriter{}
	w.int("branches", int64(n)).text("effect", name)
	if len(labels) > 0 {
		return w.texts("labels", labels).object()
	}
	return w.object()
}

// objectWriter writes the fields of an object in the order of its calls, those that say nothing left out.
type objectWriter struct{ b []byte }

func (w *objectWriter) key(name string) {
	if len(w.b) == 0 {
		w.b = append(w.b, '{')
	} else {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), `":`...)
}

func (w *objectWriter) text(name, s string) *objectWriter {
	if s != "" {
		w.key(name)
		w.b = appendQuoted(w.b, s)
	}
	return w
}

func (w *objectWriter) texts(name string, list []string) *objectWriter {
	w.key(name)
	w.b = append(w.b, '[')
	for i, s := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = appendQuoted(w.b, s)
	}
	w.b = append(w.b, ']')
	return w
}

func (w *objectWriter) int(name string, n int64) *objectWriter {
	if n != 0 {
		w.key(name)
		w.b = strconv.AppendInt(w.b, n, 10)
	}
	return w
}

func (w *objectWriter) json(name string, p Payload) *objectWriter {
	if len(p) > 0 {
		w.key(name)
		w.b = append(w.b, p...)
	}
	return w
}

func (w *objectWriter) span(name string, d time.Duration) *objectWriter {
	if d != 0 {
		w.text(name, d.String())
	}
	return w
}

func (w *objectWriter) object() Payload {
	if len(w.b) == 0 {
		return Payload("{}")
	}
	return append(w.b, '}')
}
