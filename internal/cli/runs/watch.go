package runs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/events"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/runtime"
)

func watchCmd(o *Options) *cobra.Command {
	return &cobra.Command{
		Use: "watch ID", Short: "Follow a run of another process until it ends",
		Long: `Show a run of another process as parallax run shows one: what it did so far, and then what it does, until it ends or is suspended. The exit
code is that of the run. Ctrl-C ends the watching, not the run. With --json each event is a line on standard output, as --events has them.`,
		Example: "  parallax runs watch 20260504-101112-k2f7qa\n  parallax runs watch 2026 --json",
		Args:    cli.Args(1, 1, "the id of one run"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.watch(cmd.Context(), args[0]) },
	}
}

func (o *Options) watch(ctx context.Context, id string) error {
	return o.look(ctx, id, func(s *badger.Store) error {
		r, err := find(s, id)
		if err != nil {
			return err
		}
		w := &watcher{run: r.ID, past: true}
		out := events.NewWriter(o.App.Out)
		w.screen = screen.New(o.App.Err, screen.Options{Quiet: o.JSON, LookupEnv: o.App.LookupEnv})
		defer w.screen.Close()
		defer context.AfterFunc(ctx, w.screen.Calm)()
		w.teller = newTeller(func(e runtime.Event) {
			if o.JSON {
				out.Write(e)
			}
			w.screen.Event(e)
		})
		err = w.follow(ctx, s)
		return o.watched(ctx, w, errors.Join(err, out.Err()))
	})
}

// watcher follows one run.
type watcher struct {
	run    string
	teller *teller
	screen *screen.Screen
	past   bool // what was there before comes first, the record of the run last of it
	facts  []badger.Change
	end    *badger.Record // how it ended, nil while it goes on
}

// follow tells changes until the run ends or is lost.
func (w *watcher) follow(ctx context.Context, s *badger.Store) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var guard sync.WaitGroup
	var lost *badger.Record
	guard.Go(func() {
		if lost = w.lost(ctx, s); lost != nil {
			stop()
		}
	})
	var failed error
	for c := range s.Watch(ctx, w.run) {
		if c.Err != nil && ctx.Err() == nil {
			failed = c.Err
		}
		if failed != nil || w.change(c) {
			break
		}
	}
	stop()
	guard.Wait()
	if w.end == nil && lost != nil {
		w.end = lost
		w.teller.end(lost)
	}
	return failed
}

// lost waits until nobody goes on with the run any more, which no change tells. It gives nil when ctx ends first.
func (w *watcher) lost(ctx context.Context, s *badger.Store) *badger.Record {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for seen := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		r, err := s.Record(w.run)
		if err != nil || r.Status != badger.Lost {
			seen = 0
		} else if seen++; seen == 3 { // it may be about to be taken up
			return &r
		}
	}
}

// change tells one change, and says whether it was the last.
func (w *watcher) change(c badger.Change) bool {
	switch {
	case c.Fact != nil && w.past:
		w.facts = append(w.facts, c)
	case c.Fact != nil:
		w.teller.fact(c.Run, c.Fact)
	case c.Record != nil && c.Run == w.run:
		w.teller.start(c.Record)
		w.catchUp()
		if s := c.Record.Status; s.Final() || s == badger.Suspended {
			w.end = c.Record
			w.teller.end(c.Record)
			return true
		}
	}
	return false
}

// catchUp tells what was there before, in the order in which it happened.
func (w *watcher) catchUp() {
	if !w.past {
		return
	}
	w.past = false
	for _, c := range inOrder(w.run, w.facts) {
		w.teller.fact(c.Run, c.Fact)
	}
	w.facts = nil
}

// watched says how the watching ended.
func (o *Options) watched(ctx context.Context, w *watcher, err error) error {
	r := w.end
	if err != nil {
		return err
	}
	if r == nil {
		w.screen.Close()
		fmt.Fprintf(o.App.Err, "the run goes on: %s follows it again, %s ends it\n", o.command("runs watch "+w.run), o.command("cancel "+w.run))
		if ctx.Err() == nil {
			return errors.New("the store told of no more changes")
		}
		return &cli.Told{Code: cli.Stopped}
	}
	w.screen.Summary(string(r.Status), r.Status == badger.Done)
	switch r.Status {
	case badger.Failed:
		if r.Error != nil {
			return r.Error
		}
		return &cli.Told{Code: cli.PatternFailed}
	case badger.Cancelled:
		return &cli.Told{Code: cli.Stopped}
	case badger.Suspended, badger.Lost:
		fmt.Fprintf(o.App.Err, "%sgo on with %s\n", why(r), o.next(r))
		return &cli.Told{Code: cli.Suspended}
	case badger.Done, badger.Running:
	}
	return nil
}

func why(r *badger.Record) string {
	switch {
	case r.Status == badger.Lost:
		return "its process ended without a word: "
	case r.Why != "":
		return clean(r.Why) + ": "
	}
	return ""
}
