package resume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/runtime"
)

// NewCancelCmd makes `parallax cancel`.
func NewCancelCmd(app *cli.App) *cobra.Command {
	m := &message{app: app}
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "End a run for good",
		Long: `End a kept run for good, wherever it runs: its agents are stopped, and it cannot be resumed. Ctrl-C only suspends it.
The command waits some seconds until the run has ended, and says how it did: one that came to its end meanwhile is not cancelled.`,
		Example: "  parallax cancel 20260504-101112-k2f7qa",
		Args:    cli.Args(1, 1, "one run"),
		RunE:    func(cmd *cobra.Command, args []string) error { m.run = args[0]; return m.cancel(cmd.Context()) },
	}
	m.flags(cmd)
	return cmd
}

func (m *message) cancel(ctx context.Context) error {
	store, r, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	by, err := keep.Object(map[string]string{"by": keep.Who(m.app)})
	if err != nil {
		return err
	}
	if r.Holder == 0 {
		err := m.cancelIdle(store, &r, by)
		if !is[*badger.Held](err) { // somebody has just gone on with it
			return missed(store, r.ID, err)
		}
	}
	if err := store.Send(r.ID, badger.Message{Kind: keep.CancelMessage, Value: by}); err != nil {
		return missed(store, r.ID, err)
	}
	ctx, stop := context.WithTimeout(ctx, endsWithin)
	defer stop()
	return m.ends(ctx, store, r.ID, by)
}

// endsWithin is how long it is waited for the end of a run that was cancelled: its agents have to be stopped.
const endsWithin = 10 * time.Second

// ends waits until a run that somebody goes on with has heard that it is to end, and says what became of it. When ctx ends it is still being cancelled.
func (m *message) ends(ctx context.Context, store *badger.Store, run string, by runtime.Payload) error {
	for {
		r, err := store.Record(run)
		if err != nil {
			return err
		}
		if !r.Status.Final() && r.Holder == 0 { // it was suspended before it heard, or its process has died
			if err := m.cancelIdle(store, &r, by); !is[*badger.Held](err) && !errors.Is(err, badger.ErrEnded) {
				return err
			}
			continue
		}
		switch {
		case r.Status == badger.Cancelled:
			return m.cancelled(&r, by)
		case r.Status.Final():
			return hasEnded(&r)
		}
		select {
		case <-ctx.Done():
			return m.cancelling(&r, by)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// cancelling says of a run that it has not ended yet.
func (m *message) cancelling(r *badger.Record, by runtime.Payload) error {
	if m.json {
		return m.tell(r, sent{Kind: keep.CancelMessage, Value: by}, "")
	}
	fmt.Fprintf(m.app.Err, "run %s is being cancelled by process %d, which goes on with it and has not ended yet\n", r.ID, r.Holder)
	return nil
}

func (m *message) cancelled(r *badger.Record, by runtime.Payload) error {
	r.Status, r.Holder = badger.Cancelled, 0
	if m.json {
		return m.tell(r, sent{Kind: keep.CancelMessage, Value: by}, "")
	}
	fmt.Fprintf(m.app.Err, "run %s is cancelled\n", r.ID)
	return nil
}

// cancelIdle ends a run with which nobody goes on.
func (m *message) cancelIdle(store *badger.Store, r *badger.Record, by runtime.Payload) error {
	s, err := keep.Take(store, r.ID)
	if err != nil {
		return err
	}
	if *r, err = store.Record(r.ID); err != nil { // somebody may have gone on with it, and stopped
		return errors.Join(err, s.Lease.Release())
	}
	r.Holder = 0
	if err := s.End(nil, keep.Cancelled(by)); err != nil {
		return err
	}
	return m.cancelled(r, by)
}
