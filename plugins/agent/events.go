package agent

import (
	"strings"
	"sync"
	"time"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Deltas are gathered for deltaWait or deltaBytes, whichever comes first: one message a token costs eight times as much.
const (
	deltaWait  = 15 * time.Millisecond
	deltaBytes = 4 << 10
)

// events sends the events of one call in order. Send errors are remembered and returned by close: an agent that goes on
// emitting after its host has gone does no harm.
type events struct {
	send func(*agentpb.RunEvent) error

	mu      sync.Mutex
	text    strings.Builder
	channel string
	timer   *time.Timer
	closed  bool
	err     error
}

// emit adds text to the pending delta.
func (e *events) emit(channel, text string) {
	if text == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	if e.text.Len() > 0 && channel != e.channel {
		e.flush()
	}
	e.channel = channel
	e.text.WriteString(text)
	switch {
	case e.text.Len() >= deltaBytes:
		e.flush()
	case e.timer == nil:
		e.timer = time.AfterFunc(deltaWait, e.tick)
	case e.text.Len() == len(text):
		e.timer.Reset(deltaWait)
	}
}

func (e *events) tick() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.flush()
	}
}

// put sends an event after the text that came before it.
func (e *events) put(ev *agentpb.RunEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.flush()
	e.write(ev)
}

// close sends what is pending and then last, if it is not nil. Nothing is sent afterwards.
func (e *events) close(last *agentpb.RunEvent) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return e.err
	}
	e.flush()
	if last != nil {
		e.write(last)
	}
	e.closed = true
	if e.timer != nil {
		e.timer.Stop()
	}
	return e.err
}

func (e *events) flush() {
	if e.text.Len() == 0 {
		return
	}
	text := validUTF8(e.text.String())
	e.text.Reset()
	e.write(&agentpb.RunEvent{Event: &agentpb.RunEvent_Delta{Delta: &agentpb.Delta{Text: text, Channel: e.channel}}})
}

func (e *events) write(ev *agentpb.RunEvent) {
	if e.err == nil {
		e.err = e.send(ev)
	}
}
