package resume

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// suspended is a store with a run that somebody may go on with, and its record as a command reads it first.
func suspended(t *testing.T) (*badger.Store, badger.Record) {
	t.Helper()
	s, err := badger.Open(t.TempDir(), badger.Options{Durability: badger.Process})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Create(badger.Record{ID: "r", Status: badger.Suspended}))
	r, err := s.Record("r")
	require.NoError(t, err)
	return s, r
}

func cancels(t *testing.T, s *badger.Store, r *badger.Record) (stderr string, err error) {
	t.Helper()
	var out bytes.Buffer
	m := &message{app: &cli.App{Out: &out, Err: &out}}
	by, err := keep.Object(map[string]string{"by": "ada"})
	require.NoError(t, err)
	err = missed(s, r.ID, m.cancelIdle(s, r, by))
	return out.String(), err
}

func TestARunThatHasJustEndedIsNotCancelled(t *testing.T) {
	t.Parallel()
	s, r := suspended(t)
	other, err := keep.Resume(s, "r")
	require.NoError(t, err)
	_, err = cancels(t, s, &r)
	var held *badger.Held
	require.ErrorAs(t, err, &held)
	require.NoError(t, other.End(runtime.Payload("1"), nil))

	_, err = cancels(t, s, &r)
	require.EqualError(t, err, "run r has ended: done")
	now, err := s.Record("r")
	require.NoError(t, err)
	require.Equal(t, badger.Done, now.Status)
	require.Equal(t, runtime.Payload("1"), now.Result)
}

func TestARunThatHasJustBeenCancelledIsNotResumed(t *testing.T) {
	t.Parallel()
	s, r := suspended(t)
	other, err := keep.Resume(s, "r")
	require.NoError(t, err)
	asked := runtime.Request(runtime.AgentCall{Agent: "ada", Task: "count"})
	for n := range 3 {
		other.Note("r", runtime.Fact{Addr: runtime.Address{N: n + 1}, Kind: runtime.Begun, Attempt: 1, Request: asked, Print: runtime.PrintOf(asked)})
	}
	require.NoError(t, other.End(nil, errors.New("somebody left")))

	said, err := cancels(t, s, &r)
	require.NoError(t, err)
	require.Contains(t, said, "run r is cancelled")
	_, err = keep.Resume(s, "r")
	require.ErrorIs(t, err, badger.ErrEnded)
	now, err := s.Record("r")
	require.NoError(t, err)
	require.Equal(t, badger.Cancelled, now.Status)
	require.Equal(t, 3, now.Calls, "what it had taken is forgotten")
	require.Equal(t, "cancelled by ada", now.Error.Message)
}

// TestCancelSaysHowTheRunEnded meets a run that goes on, which does one thing or another when it hears that it is to end.
func TestCancelSaysHowTheRunEnded(t *testing.T) {
	t.Parallel()
	left := errors.New("somebody left")
	for name, c := range map[string]struct {
		result    runtime.Payload
		end       error
		said, err string
		status    badger.Status
	}{
		"it is cancelled":             {nil, keep.Cancelled(runtime.Payload(`{"by":"ada"}`)), "run r is cancelled\n", "", badger.Cancelled},
		"it was done just then":       {runtime.Payload("1"), nil, "", "run r has ended: done", badger.Done},
		"it failed just then":         {nil, runtime.Errorf(runtime.Failed, "no"), "", "run r has ended: failed", badger.Failed},
		"it was suspended just then":  {nil, left, "run r is cancelled\n", "", badger.Cancelled},
		"it takes longer than we may": {nil, nil, "run r is being cancelled by process", "", badger.Running},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := suspended(t)
			other, err := keep.Resume(s, "r")
			require.NoError(t, err)
			heard := make(chan bool, 1)
			deaf, err := other.Listen(t.Context(), keep.Box{Signals: &local.Signals{}, Decisions: &local.Decisions{}, Cancel: func(*runtime.Error) { heard <- true }})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				<-heard
				if deaf(); c.status == badger.Running {
					stop()
					ended <- nil
					return
				}
				ended <- other.End(c.result, c.end)
			}()
			var out bytes.Buffer
			m := &message{app: &cli.App{Out: &out, Err: &out}}
			require.NoError(t, s.Send("r", badger.Message{Kind: keep.CancelMessage}))
			err = m.ends(ctx, s, "r", nil)
			stop()
			require.NoError(t, <-ended)
			if c.err != "" {
				require.EqualError(t, err, c.err)
			} else {
				require.NoError(t, err)
			}
			require.Contains(t, out.String(), c.said)
			r, err := s.Record("r")
			require.NoError(t, err)
			require.Equal(t, c.status, r.Status)
		})
	}
}
