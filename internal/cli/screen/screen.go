// Package screen shows a run to a person: as a tree that is redrawn in place on a terminal, as lines of text elsewhere, and as a
// summary at the end. It writes to standard error only; results go elsewhere.
package screen

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/parallax-run/parallax/runtime"
)

// Screen shows one run. Event may be called from any goroutine.
type Screen struct {
	w     io.Writer
	style style
	quiet bool

	mu     sync.Mutex
	tally  *tallier
	plain  *narrator
	live   *Live
	closed bool
}

// Options say how to show a run.
type Options struct {
	Quiet     bool // show nothing, not even the summary
	LookupEnv func(string) (string, bool)
}

// New shows a run on w: as a tree if w is a terminal that can show one. Close must be called.
func New(w io.Writer, o Options) *Screen {
	s := &Screen{w: w, quiet: o.Quiet, tally: newTallier()}
	f, onTerminal := Terminal(w)
	s.style.color = onTerminal && color(o.LookupEnv)
	switch {
	case o.Quiet:
	case onTerminal && moves(o.LookupEnv):
		s.live = newLive(w, s.style, func() (int, int) { return size(f) }, time.Now)
	default:
		s.plain = &narrator{style: s.style, w: w, calls: make(map[string]time.Time)}
	}
	return s
}

// Event shows one event.
func (s *Screen) Event(e runtime.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.add(&e)
	if s.plain != nil {
		s.plain.tell(&e)
	}
	if s.live != nil && !s.closed {
		s.live.Event(&e)
	}
}

// Moving says that the screen is redrawn while agents work.
func (s *Screen) Moving() bool { return s.live != nil }

// Lines gives a writer for log lines, which appear between those of the run; each Write is one or more whole lines.
func (s *Screen) Lines() io.Writer { return lines{s} }

type lines struct{ s *Screen }

func (l lines) Write(p []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.s.live != nil && !l.s.closed {
		return l.s.live.say(p)
	}
	return l.s.w.Write(p)
}

// Aside leaves the terminal to talk, which asks a person something.
func (s *Screen) Aside(talk func()) {
	if s.live == nil {
		talk()
		return
	}
	s.live.Aside(talk)
}

// Calm makes the terminal usable should the process end without Close.
func (s *Screen) Calm() {
	if s.live != nil {
		s.live.Calm()
	}
}

// Close ends the showing and gives what the run took. It may be called more than once.
func (s *Screen) Close() Tally {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if s.live != nil && !again {
		s.live.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally.Tally
}

// Summary writes the last picture, unless the screen is quiet: end says how the run ended, as in "done" or "cancelled".
func (s *Screen) Summary(end string, good bool) {
	t := s.Close()
	if !s.quiet && !t.Started.IsZero() {
		summary(s.w, s.style, &t, end, good)
	}
}

// Terminal gives the file behind a stream if it is a terminal.
func Terminal(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// color follows https://no-color.org: any value but an empty one turns colours off.
func color(lookup func(string) (string, bool)) bool {
	v, _ := lookup("NO_COLOR")
	return v == "" && moves(lookup)
}

// moves says that the terminal can move its cursor.
func moves(lookup func(string) (string, bool)) bool {
	v, _ := lookup("TERM")
	return v != "dumb"
}

func size(f *os.File) (int, int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil || w < 20 || h < 4 {
		return 80, 24
	}
	return w, h
}
