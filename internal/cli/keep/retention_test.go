package keep_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/runtime"
)

func TestOldRunsAreCollectedOnceADay(t *testing.T) {
	t.Parallel()
	s, err := badger.Open(t.TempDir(), badger.Options{})
	require.NoError(t, err)
	defer s.Close()
	ended := time.Now().Add(-48 * time.Hour)
	m := &manifest.Manifest{State: manifest.State{KeepFor: 24 * time.Hour}}
	left := func() int {
		t.Helper()
		list, err := s.Records(badger.Filter{})
		require.NoError(t, err)
		return len(list)
	}
	old := func(id string) {
		t.Helper()
		require.NoError(t, s.Create(badger.Record{ID: id, Status: badger.Done, Started: ended, Ended: ended}))
	}
	old("a")
	require.NoError(t, keep.Tidy(s, &manifest.Manifest{}))
	require.NoFileExists(t, filepath.Join(s.Dir(), "collected"), "who says nothing keeps all")
	require.NoError(t, keep.Tidy(s, m))
	require.NoError(t, keep.Tidy(s, m))
	require.Equal(t, 1, left(), "the first day begins now")

	mark := filepath.Join(s.Dir(), "collected")
	require.NoError(t, os.Chtimes(mark, time.Time{}, time.Now().Add(-25*time.Hour)))
	require.NoError(t, keep.Tidy(s, m))
	require.Zero(t, left())
	old("b")
	require.NoError(t, keep.Tidy(s, m))
	require.Equal(t, 1, left(), "it was done within a day")
}

// TestAnswersAreCollectedToo though the project does not say how long runs stay.
func TestAnswersAreCollectedToo(t *testing.T) {
	t.Parallel()
	s, err := badger.Open(t.TempDir(), badger.Options{})
	require.NoError(t, err)
	defer s.Close()
	m := &manifest.Manifest{State: manifest.State{CacheBytes: 1}}
	answers := keep.Answers{Store: s}
	q := engine.Question{1}
	answers.Put(q, engine.Kept{At: time.Unix(1, 0).UTC(), Answer: runtime.Payload("1")})
	k, ok := answers.Get(q)
	require.True(t, ok)
	require.Equal(t, engine.Kept{At: time.Unix(1, 0).UTC(), Answer: runtime.Payload("1")}, k)
	require.NoError(t, keep.Tidy(s, m))
	mark := filepath.Join(s.Dir(), "collected")
	require.NoError(t, os.Chtimes(mark, time.Time{}, time.Now().Add(-25*time.Hour)))
	require.NoError(t, keep.Tidy(s, m))
	_, ok = answers.Get(q)
	require.False(t, ok)
}
