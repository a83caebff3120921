package resume

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
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
	require.NoError(t, other.End(runtime.Payload("1"), nil, keep.Took{Calls: 3}))

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
	require.NoError(t, other.End(nil, errors.New("somebody left"), keep.Took{Calls: 3}))

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
