package badger

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func keyed(s string) [32]byte { return sha256.Sum256([]byte(s)) }

func keepAnswer(t *testing.T, s *Store, name, text string) {
	t.Helper()
	require.NoError(t, s.KeepAnswer(keyed(name), time.Unix(1700000000, 5), []byte(text)))
}

// lastUsed changes when an answer is said to have been used.
func lastUsed(t *testing.T, s *Store, name string, ago time.Duration) {
	t.Helper()
	d := s.backend.(*owner).disk
	key := keyed(name)
	used := usedAs(hex.EncodeToString(key[:]), now().Add(-ago))
	require.NoError(t, d.wait(&job{size: 64, do: func(t *tx) error { return t.set(used) }}))
}

// agedTexts makes the texts of the store as old as answers are said to be.
func agedTexts(t *testing.T, s *Store, ago time.Duration) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "blobs", "*", "*"))
	require.NoError(t, err)
	for _, name := range files {
		require.NoError(t, os.Chtimes(name, time.Time{}, now().Add(-ago)))
	}
}

// settled waits until all that was submitted to the committer is done.
func settled(t *testing.T, s *Store) {
	t.Helper()
	require.NoError(t, s.backend.(*owner).wait(&job{do: func(*tx) error { return nil }}))
}

func TestAnswersAreKeptUntilNobodyUsesThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{Durability: Process})
	require.NoError(t, err)
	defer s.Close()
	_, _, err = s.Answer(keyed("none"))
	require.ErrorIs(t, err, ErrNotFound)
	require.False(t, s.KeptAnswers())
	long := document(2 << 20)
	keepAnswer(t, s, "short", "1")
	keepAnswer(t, s, "short", "2")
	keepAnswer(t, s, "long", long)
	keepAnswer(t, s, "empty", "")
	require.True(t, s.KeptAnswers())
	for name, want := range map[string]string{"short": "2", "long": long, "empty": ""} {
		text, at, err := s.Answer(keyed(name))
		require.NoError(t, err)
		require.Equal(t, want, string(text), name)
		require.Equal(t, time.Unix(1700000000, 5).UTC(), at)
	}
	freed, err := s.GC(Retention{AnswerAge: time.Hour, AnswerBytes: 64 << 20})
	require.NoError(t, err)
	require.Equal(t, Freed{Bytes: freed.Bytes}, freed, "they are within the bounds")

	lastUsed(t, s, "short", 40*24*time.Hour)
	lastUsed(t, s, "long", 40*24*time.Hour)
	agedTexts(t, s, 41*24*time.Hour)
	_, _, err = s.Answer(keyed("short")) // which uses it
	require.NoError(t, err)
	settled(t, s)
	for _, dry := range []bool{true, false} {
		freed, err = s.GC(Retention{AnswerAge: 30 * 24 * time.Hour, DryRun: dry})
		require.NoError(t, err)
		require.Equal(t, 1, freed.Answers)
		require.GreaterOrEqual(t, freed.Bytes, int64(2<<20))
	}
	require.Equal(t, 1, freed.Blobs)
	_, _, err = s.Answer(keyed("long"))
	require.ErrorIs(t, err, ErrNotFound)
	_, _, err = s.Answer(keyed("short"))
	require.NoError(t, err)

	keepAnswer(t, s, "new", long)
	freed, err = s.GC(Retention{AllAnswers: true})
	require.NoError(t, err)
	require.Equal(t, []int{3, 1}, []int{freed.Answers, freed.Blobs}, "there is nothing to wait for")
}

func TestAnswersTakeNoMoreThanTheyMay(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Options{Durability: Process})
	require.NoError(t, err)
	defer s.Close()
	const n, size = 10, 200 << 10
	names := "0123456789"
	for i := range n {
		keepAnswer(t, s, names[i:i+1], document(size))
		lastUsed(t, s, names[i:i+1], time.Duration(n-i)*time.Minute)
	}
	agedTexts(t, s, 20*time.Minute)
	ended(t, s, "run", 0, done("", 1, `"`+document(size)+`"`))
	freed, err := s.GC(Retention{AnswerBytes: 3*size + 10<<10})
	require.NoError(t, err)
	require.Equal(t, n-3, freed.Answers)
	require.Equal(t, n-3, freed.Blobs)
	for i := range n {
		_, _, err := s.Answer(keyed(names[i : i+1]))
		require.Equal(t, i < n-3, err != nil, i)
	}
	freed, err = s.GC(Retention{AllAnswers: true})
	require.NoError(t, err)
	require.Equal(t, 3, freed.Answers)
	require.Equal(t, 3, freed.Blobs)
	require.Equal(t, "run", ids(t, s))
	facts, err := s.Facts("run")
	require.NoError(t, err)
	require.Len(t, facts[0].Outcome, size+2, "texts of runs stay")
}

// TestAnswersAreSharedByProcesses: they go through the owner of the store, survive its end, and can be read where nothing may be written.
func TestAnswersAreSharedByProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Open(dir, Options{})
	require.NoError(t, err)
	second, err := Open(dir, Options{})
	require.NoError(t, err)
	long := document(1 << 20)
	keepAnswer(t, second, "a", long)
	text, _, err := first.Answer(keyed("a"))
	require.NoError(t, err)
	require.Equal(t, long, string(text))
	require.NoError(t, first.Close())
	text, _, err = second.Answer(keyed("a"))
	require.NoError(t, err)
	require.Equal(t, long, string(text))
	require.NoError(t, second.Close())

	s, err := Open(dir, Options{ReadOnly: true})
	require.NoError(t, err)
	defer s.Close()
	_, _, err = s.Answer(keyed("a"))
	require.NoError(t, err)
	require.ErrorIs(t, s.KeepAnswer(keyed("b"), now(), []byte("1")), ErrReadOnly)
}

// TestASpoiledAnswerIsNoneAndIsRepairedAway: an answer of which a text is damaged is not to be had, and not a reason to lose anything else.
func TestASpoiledAnswerIsNoneAndIsRepairedAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	keepAnswer(t, s, "long", document(1<<20))
	keepAnswer(t, s, "short", "1")
	files, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.WriteFile(files[0], []byte("rubbish"), 0o600))
	_, _, err = s.Answer(keyed("long"))
	require.Error(t, err)
	require.NoError(t, s.Close())

	r, err := Check(dir)
	require.NoError(t, err)
	require.Len(t, r.Damages, 1)
	require.Empty(t, r.Lost)
	_, err = Repair(dir)
	require.NoError(t, err)
	r, err = Check(dir)
	require.NoError(t, err)
	require.True(t, r.Whole(), r.String())
	s, err = Open(dir, Options{})
	require.NoError(t, err)
	defer s.Close()
	_, _, err = s.Answer(keyed("long"))
	require.ErrorIs(t, err, ErrNotFound)
	_, _, err = s.Answer(keyed("short"))
	require.NoError(t, err)
}
