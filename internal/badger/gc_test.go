package badger

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// document is a payload with so many bytes that nobody else has.
func document(size int) string { return strings.Repeat(rand.Text(), size/26+1)[:size] }

// ended keeps a run that has ended so long ago.
func ended(t *testing.T, s *Store, id string, ago time.Duration, facts ...runtime.Fact) {
	t.Helper()
	l := begin(t, s, id)
	require.NoError(t, l.Append(id, facts...))
	require.NoError(t, l.End(func(r *Record) { r.Status, r.Ended = Done, now().Add(-ago) }))
	require.NoError(t, l.Release())
}

func ids(t *testing.T, s *Store) string {
	t.Helper()
	list, err := s.Records(Filter{})
	require.NoError(t, err)
	var ids []string
	for i := range list {
		ids = append(ids, list[len(list)-1-i].ID)
	}
	return strings.Join(ids, " ")
}

func TestDiskIsTakenByDistinctContentAndGivenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{Durability: Process})
	require.NoError(t, err)
	defer s.Close()
	const runs, size = 60, 1 << 20
	shared := []string{document(size), document(size), document(size)}
	empty := filesIn(dir)
	for i := range runs {
		asked := fmt.Sprintf(`{"n":%d,"doc":"%s"}`, i, shared[i%len(shared)])
		var facts []runtime.Fact
		for n := range 20 { // and what is not a document
			facts = append(facts, done("", n+2, `"`+document(8<<10)+`"`))
		}
		ended(t, s, fmt.Sprint("r", i), 0, append(facts, done("", 1, asked))...)
	}
	alone := runs * 20 * (8 << 10)
	full := filesIn(dir)
	require.Less(t, full-empty, int64(3*size+2*alone+(12<<20)))
	require.Greater(t, full-empty, int64(3*size+alone))

	freed, err := s.GC(Retention{MaxRuns: 2})
	require.NoError(t, err)
	require.Equal(t, runs-2, freed.Runs)
	require.Equal(t, 1, freed.Blobs)
	left := filesIn(dir)
	require.Less(t, left-empty, int64(4<<20))
	require.InDelta(t, full-left, freed.Bytes, float64(1<<20))
	require.Equal(t, fmt.Sprintf("r%d r%d", runs-2, runs-1), ids(t, s))

	l := begin(t, s, "new") // the store goes on
	require.NoError(t, l.Append("new", done("", 1, "1")))
	require.NoError(t, l.Append("new", done("", 1, "2")))
	for i := range 2 {
		f, err := s.Facts(fmt.Sprint("r", runs-1-i))
		require.NoError(t, err)
		require.Len(t, f, 21)
	}
}

func TestWhatIsWrittenLaterCountsAfterCompactionToo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	l := begin(t, s, "r")
	for i := range 30 {
		require.NoError(t, l.Append("r", done("", 1, fmt.Sprint(i))))
	}
	for i := range 20 {
		ended(t, s, fmt.Sprint("x", i), 0, done("", 1, `"`+document(60<<10)+`"`), done("", 2, `"`+document(60<<10)+`"`))
	}
	freed, err := s.GC(Retention{MaxAge: 1})
	require.NoError(t, err)
	require.Equal(t, 20, freed.Runs)
	b, ok := s.backend.(*owner)
	require.True(t, ok)
	require.Greater(t, b.base, uint64(30), "it was not compacted")
	require.NoError(t, l.Append("r", done("", 1, "100")))
	f, err := s.Facts("r")
	require.NoError(t, err)
	require.Equal(t, []runtime.Fact{done("", 1, "100")}, f)
	require.NoError(t, s.Close())
	s = open(t, dir)
	f, err = s.Facts("r")
	require.NoError(t, err)
	require.Equal(t, []runtime.Fact{done("", 1, "100")}, f)
}

func TestRetention(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		policy Retention
		want   string
	}{
		{"no bounds", Retention{}, "a b c run"},
		{"age", Retention{MaxAge: 150 * time.Minute}, "b c run"},
		{"number", Retention{MaxRuns: 1}, "c run"},
		{"bytes", Retention{MaxBytes: 250 << 10}, "b c run"},
		{"few bytes", Retention{MaxBytes: 1}, "run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			text := document(100 << 10)
			ended(t, s, "a", 3*time.Hour, done("", 1, `"`+document(100<<10)+`"`), done("", 2, `"`+text+`"`))
			ended(t, s, "b", 2*time.Hour, done("", 1, `"`+text+`"`))
			ended(t, s, "c", time.Hour, done("", 1, `"`+text+`"`))
			l := begin(t, s, "run")
			require.NoError(t, l.Append("run", done("", 1, `"`+document(100<<10)+`"`)))
			_, err := s.GC(c.policy)
			require.NoError(t, err)
			require.Equal(t, c.want, ids(t, s))
			for id := range strings.FieldsSeq(c.want) {
				f, err := s.Facts(id)
				require.NoError(t, err)
				require.NotEmpty(t, f)
			}
		})
	}
}

func TestTextsThatNobodyNeedsGoAfterAWhile(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	young, err := s.Put([]byte("young"))
	require.NoError(t, err)
	old, err := s.Put([]byte("old"))
	require.NoError(t, err)
	again, err := s.Put([]byte("again"))
	require.NoError(t, err)
	past := time.Now().Add(-2 * grace)
	for _, digest := range []string{old, again} {
		require.NoError(t, os.Chtimes(s.blobs.path(digest), past, past))
	}
	stale := filepath.Join(filepath.Dir(s.blobs.path(old)), ".new-123")
	require.NoError(t, os.WriteFile(stale, []byte("half"), 0o600))
	require.NoError(t, os.Chtimes(stale, past, past))
	_, err = s.Put([]byte("again"))
	require.NoError(t, err)

	freed, err := s.GC(Retention{})
	require.NoError(t, err)
	require.Equal(t, 2, freed.Blobs)
	require.NoFileExists(t, stale)
	_, err = s.Get(old)
	require.ErrorIs(t, err, ErrNotFound)
	for _, digest := range []string{young, again} {
		_, err = s.Get(digest)
		require.NoError(t, err)
	}
}

func TestARemovedRunLeavesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	l := begin(t, s, "r")
	require.NoError(t, s.Create(Record{ID: "r/1", Parent: "r"}))
	require.NoError(t, l.Append("r", done("", 1, `"`+document(100<<10)+`"`)))
	require.NoError(t, l.Append("r/1", done("", 1, "1")))
	require.NoError(t, s.Send("r", Message{Kind: "signal"}))
	ended(t, s, "r2", 0, done("", 1, "1"))
	var held *Held
	require.ErrorAs(t, s.Remove("r"), &held)
	require.NoError(t, l.Release())
	age(t, s, 2*droppedGrace)
	require.NoError(t, s.Remove("r"))
	require.ErrorIs(t, s.Remove("r"), ErrNotFound)
	require.ErrorIs(t, l.Append("r", done("", 2, "1")), ErrFenced)
	require.Equal(t, "r2", ids(t, s))
	_, err := s.GC(Retention{}) // which also forgets whose texts they were
	require.NoError(t, err)
	b, ok := s.backend.(*owner)
	require.True(t, ok)
	items, err := allItems(b.disk)
	require.NoError(t, err)
	for _, i := range items {
		require.Contains(t, string(i.Key), "\x00r2")
	}
	begin(t, s, "r") // the name is free again
}

// age makes all texts as old as if they had been put so long ago.
func age(t *testing.T, s *Store, by time.Duration) {
	t.Helper()
	past := now().Add(-by)
	names, err := filepath.Glob(filepath.Join(s.blobs.dir, "*", "*"))
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, os.Chtimes(name, past, past))
	}
}

func TestTextsOfARemovedRunGoAtOnceWithTheNextCollection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	text, half := document(100<<10), document(100<<10)
	ended(t, s, "over", 0, done("", 1, `"`+text+`"`))
	l := begin(t, s, "half")
	require.NoError(t, l.Append("half", done("", 1, `"`+half+`"`)))
	require.NoError(t, l.Release())
	require.NoError(t, s.Remove("over"))
	require.NoError(t, s.Remove("half"))
	require.NoError(t, s.Close())
	s = open(t, dir) // it is not forgotten
	strange, err := s.Put([]byte("of a run that is about to begin"))
	require.NoError(t, err)

	freed, err := s.GC(Retention{})
	require.NoError(t, err)
	require.Equal(t, 1, freed.Blobs, "that of the run that had ended")
	require.Equal(t, 2, freed.Young)
	require.InDelta(t, 100<<10, freed.YoungBytes, 1<<10)
	require.WithinDuration(t, now().Add(grace), freed.Until, time.Minute)

	age(t, s, 2*droppedGrace)
	freed, err = s.GC(Retention{})
	require.NoError(t, err)
	require.Equal(t, 1, freed.Blobs, "that of the run that had not ended, after a minute")
	require.Equal(t, 1, freed.Young)
	_, err = s.Get(strange)
	require.NoError(t, err)
}

func TestATextOfARemovedRunThatIsNeededAnewStays(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	text := `"` + document(100<<10) + `"`
	ended(t, s, "first", 0, done("", 1, text))
	require.NoError(t, s.Remove("first"))
	ended(t, s, "second", 0, done("", 1, text))
	age(t, s, 2*grace)
	freed, err := s.GC(Retention{})
	require.NoError(t, err)
	require.Zero(t, freed.Blobs)
	f, err := s.Facts("second")
	require.NoError(t, err)
	require.Len(t, f, 1)
	b, ok := s.backend.(*owner)
	require.True(t, ok)
	marks, err := b.dropped()
	require.NoError(t, err)
	require.Empty(t, marks)
}

func TestATextThatIsNeededAgainStays(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	digest, err := s.Put([]byte("source"))
	require.NoError(t, err)
	past := time.Now().Add(-2 * grace)
	require.NoError(t, os.Chtimes(s.blobs.path(digest), past, past))
	moved, err := setAside(s.blobs.path(digest), time.Now()) // gc had looked, and then somebody needs it without putting it
	require.NoError(t, err)
	require.True(t, moved)
	require.NoError(t, s.Create(Record{ID: "r", Sources: map[string]string{"p.star": digest}}))
	freed, err := s.GC(Retention{})
	require.NoError(t, err)
	require.Zero(t, freed.Blobs)
	require.FileExists(t, s.blobs.path(digest))
}

func TestATextThatWasPutAfterItsRunEndedStays(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	text := document(100 << 10)
	ended(t, s, "r", 500*time.Millisecond, done("", 1, `"`+text+`"`))
	digest, err := s.Put([]byte(text))
	require.NoError(t, err)
	_, err = s.GC(Retention{MaxAge: 1})
	require.NoError(t, err)
	_, err = s.Get(digest)
	require.NoError(t, err)
}

func TestAKeyThatNamesNoTextIsSteppedOver(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ended(t, s, "r", time.Hour, done("", 1, "1"))
	b, ok := s.backend.(*owner)
	require.True(t, ok)
	require.NoError(t, b.wait(&job{size: 64, do: func(tx *tx) error { return tx.setAll(needed("r", []string{"x", ""})) }}))
	_, err := s.GC(Retention{DryRun: true})
	require.NoError(t, err)
	dir := s.Dir()
	require.NoError(t, s.Close())
	report, err := Check(dir)
	require.NoError(t, err)
	require.Equal(t, "r", report.Lost[0].Run)
	require.Contains(t, report.Lost[0].Why, "which is no text")
}
