package run

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/events"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/internal/trace"
	"github.com/parallax-run/parallax/runtime"
)

// sinks are those who are told what happens in a run.
type sinks struct {
	screen *screen.Screen
	events *events.Writer // or nil
	traces *trace.Session // or nil
	file   *os.File       // behind events, or nil
	path   string
	stdout bool               // events go to standard output
	watch  bool               // somebody wants to see what agents say before they answer
	needed bool               // somebody wants to be told at all
	took   func() story.Meter // what a kept run took in all its lives; nil when it is not kept
}

func (o *Options) sinks(traces *trace.Session) (*sinks, error) {
	s := &sinks{path: o.Events, traces: traces}
	switch o.Events {
	case "":
	case "-":
		s.events, s.stdout = events.NewWriter(o.App.Out), true
	default:
		path := o.Events
		if !filepath.IsAbs(path) {
			path = filepath.Join(o.App.Dir, path)
		}
		f, err := os.Create(path)
		if err != nil {
			return nil, cli.Usagef("give a path that can be written", "--events: %v", err)
		}
		s.file, s.events = f, events.NewWriter(f)
	}
	s.screen = screen.New(o.App.Err, screen.Options{Quiet: o.Quiet, LookupEnv: o.App.LookupEnv})
	s.watch = s.events != nil || s.traces != nil || s.screen.Moving()
	s.needed = s.events != nil || s.traces != nil || o.JSON || !o.Quiet
	return s, nil
}

// emit gives the engine's Emit: nil where nobody listens.
func (s *sinks) emit() func(runtime.Event) {
	if !s.needed {
		return nil
	}
	return func(e runtime.Event) {
		if s.events != nil {
			s.events.Write(e)
		}
		s.traces.Event(e)
		s.screen.Event(e)
	}
}

// finish closes the file of events, and says whether any were lost.
func (s *sinks) finish() error {
	if s.events == nil {
		return nil
	}
	err := s.events.Err()
	if s.file != nil {
		err = cmp.Or(err, s.file.Close())
	}
	if err != nil {
		return fmt.Errorf("--events %s: %w", s.path, err)
	}
	return nil
}

// close gives back the terminal and the file; what is closed already stays so.
func (s *sinks) close() {
	s.screen.Close()
	if s.file != nil {
		_ = s.file.Close()
	}
}
