package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"

	"github.com/coder/acp-go-sdk"

	"github.com/parallax-run/parallax/plugins/process"
)

// Bounds of what a tool may send.
const (
	longestLine = 10 << 20 // bytes; the library takes no longer ones
	unheard     = 512      // updates that may wait to be told; the library drops a connection at 1024
)

// lines hands a tool's messages on, holds back updates that come faster than they are told, and keeps what is no message.
type lines struct {
	to   io.Writer
	max  int // bytes in all
	odd  process.Capture
	room chan struct{} // a token for each update on its way
	deaf chan struct{} // closed when nothing matters any more
	once sync.Once

	count int
	line  []byte
}

func newLines(to io.Writer, most int) *lines {
	return &lines{to: to, max: most, odd: process.Capture{Max: 4 << 10}, room: make(chan struct{}, unheard), deaf: make(chan struct{})}
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	if l.count += len(b); l.count > l.max || len(l.line)+len(b) > longestLine {
		return 0, process.ErrTooMuch
	}
	l.line = append(l.line, b...)
	for {
		line, rest, whole := bytes.Cut(l.line, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		if err := l.pass(append(bytes.Clone(line), '\n')); err != nil {
			return 0, err
		}
		l.line = append(l.line[:0], rest...)
	}
}

func (l *lines) pass(line []byte) error {
	var m struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if json.Unmarshal(line, &m) != nil {
		_, _ = l.odd.Write(line) // the first of them will do
		return nil               //nolint:nilerr // it is no message
	}
	if m.Method == acp.ClientMethodSessionUpdate {
		select {
		case l.room <- struct{}{}:
		case <-l.deaf:
			return io.ErrClosedPipe
		}
	}
	_, err := l.to.Write(line)
	return err
}

// close lets go of what waits to be told.
func (l *lines) close() { l.once.Do(func() { close(l.deaf) }) }

// words is what came that is no message.
func (l *lines) words() string { return string(l.odd.Bytes()) + string(l.line) }

// heard says that an update was told.
func (l *lines) heard() { <-l.room }
