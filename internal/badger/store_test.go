package badger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// keeper is what the engine wants of a lease.
type keeper interface {
	Append(run string, facts ...runtime.Fact) error
	Note(run string, facts ...runtime.Fact)
	Load(run string) ([]runtime.Fact, error)
}

var _ keeper = (*Lease)(nil)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Version: "1.2.3"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func begin(t *testing.T, s *Store, id string) *Lease {
	t.Helper()
	require.NoError(t, s.Create(Record{ID: id, Pattern: "examples/" + id + ".star", Started: now(), Status: Running}))
	l, err := s.Lease(id)
	require.NoError(t, err)
	return l
}

func done(path string, n int, outcome string) runtime.Fact {
	return runtime.Fact{
		Addr: runtime.Address{Path: runtime.Path(path), N: n}, Kind: runtime.Done, At: time.Unix(1700000000, 5).UTC(),
		Outcome: runtime.Payload(outcome),
	}
}

func TestFactsComeBackInOrderOnceEach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	l := begin(t, s, "r1")
	want := []runtime.Fact{done("", 1, "1"), done("1.2", 1, "2"), done("1.10", 1, `"x"`)}
	l.Note("r1", want[2])
	require.NoError(t, l.Append("r1", want[1], want[0]))
	require.NoError(t, l.Append("r1", want[0]))
	require.NoError(t, l.Append("r1/1.2/3", done("", 1, `"child"`)))

	got, err := l.Load("r1")
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, s.Close())

	s = open(t, dir)
	got, err = s.Facts("r1")
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = s.Facts("r1/1.2/3")
	require.NoError(t, err)
	require.Equal(t, []runtime.Fact{done("", 1, `"child"`)}, got)
	got, err = s.Facts("r")
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestRecordsAreFoundByPrefixAndFilter(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	start := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for i, id := range []string{"aa1", "aa2", "b"} {
		r := Record{ID: id, Pattern: "dir/" + id + ".star", Started: start.Add(time.Duration(i) * time.Hour), Status: Done, Inputs: runtime.Payload(`{"a":1}`), Seed: 1 << 63}
		r.Error = &runtime.Error{Code: runtime.Timeout, Message: "late", Cause: os.ErrClosed}
		require.NoError(t, s.Create(r))
	}
	require.NoError(t, s.Create(Record{ID: "b/1", Parent: "b", Status: Running}))
	require.ErrorIs(t, s.Create(Record{ID: "b"}), ErrExists)
	require.Error(t, s.Create(Record{ID: "a\x00b"}))

	r, err := s.Record("aa1")
	require.NoError(t, err)
	require.Equal(t, start, r.Started)
	require.Equal(t, runtime.Payload(`{"a":1}`), r.Inputs)
	require.Equal(t, uint64(1<<63), r.Seed)
	require.Equal(t, runtime.Timeout, r.Error.Code)
	_, err = s.Record("aa")
	var two *Ambiguous
	require.ErrorAs(t, err, &two)
	require.Equal(t, []string{"aa1", "aa2"}, two.Runs)
	_, err = s.Record("c")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = s.Record("")
	require.ErrorIs(t, err, ErrNotFound)

	for _, c := range []struct {
		filter Filter
		want   string
	}{
		{Filter{}, "b aa2 aa1"},
		{Filter{Limit: 2}, "b aa2"},
		{Filter{Pattern: "aa*"}, "aa2 aa1"},
		{Filter{Pattern: "dir/b.star"}, "b"},
		{Filter{Status: Failed}, ""},
		{Filter{Since: start.Add(time.Hour)}, "b aa2"},
		{Filter{Parent: "b"}, "b/1"},
		{Filter{Parent: "b", Status: Lost}, "b/1"},
	} {
		list, err := s.Records(c.filter)
		require.NoError(t, err)
		var ids []string
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		require.Equal(t, c.want, strings.Join(ids, " "), "%+v", c.filter)
	}
	_, err = s.Records(Filter{Pattern: "["})
	require.Error(t, err)
}

func TestALeaseHasOneHolderAndTheOldOneIsFenced(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	l := begin(t, s, "r")
	r, err := s.Record("r")
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), r.Holder)
	require.Equal(t, Running, r.Status)

	_, err = s.Lease("r")
	var held *Held
	require.ErrorAs(t, err, &held)
	require.Equal(t, os.Getpid(), held.By)
	_, err = s.Lease("nobody")
	require.ErrorIs(t, err, ErrNotFound)

	require.NoError(t, l.Release())
	require.NoError(t, l.Release())
	r, err = s.Record("r")
	require.NoError(t, err)
	require.Equal(t, Lost, r.Status)

	second, err := s.Lease("r")
	require.NoError(t, err)
	require.Equal(t, l.Fence()+1, second.Fence())
	require.ErrorIs(t, l.Append("r", done("", 1, "1")), ErrFenced)
	require.ErrorIs(t, l.End(func(r *Record) { r.Status = Done }), ErrFenced)
	require.NoError(t, second.Append("r", done("", 1, "2")))
	require.Error(t, second.Append("other", done("", 1, "2")))
	require.NoError(t, second.End(func(r *Record) { r.Status, r.Result = Done, runtime.Payload("3") }))
	r, err = s.Record("r")
	require.NoError(t, err)
	require.Equal(t, Done, r.Status)
	require.Equal(t, 1, r.Facts)
	require.False(t, r.Ended.IsZero())
	require.Equal(t, second.Fence(), r.Fence)
}

func TestEqualDocumentsAreStoredOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	text := strings.Repeat(`a line with a \"quote\" and a \\`+"\n", 3000)
	text = strings.ReplaceAll(text, "\n", `\n`)
	numbers := "[" + strings.Repeat("1234567,", 100_000) + "1]"
	l := begin(t, s, "r")
	var want []runtime.Fact
	for i := range 20 {
		want = append(want, done("", i+1, fmt.Sprintf(`{"doc":"%s","n":%d,"tail":["%s","short"]}`, text, i, text)))
	}
	want = append(want, done("", 30, numbers), done("", 31, fmt.Sprintf(`["%s",%s]`, text, numbers)), done("", 32, `"`+text+`"`))
	require.NoError(t, l.Append("r", want...))
	require.NoError(t, l.End(func(r *Record) { r.Status, r.Result, r.Inputs = Done, want[0].Outcome, want[20].Outcome }))

	got, err := s.Facts("r")
	require.NoError(t, err)
	require.Equal(t, want, got)
	r, err := s.Record("r")
	require.NoError(t, err)
	require.Equal(t, want[0].Outcome, r.Result)
	require.Equal(t, want[20].Outcome, r.Inputs)
	files, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(files), 5)
	blob, err := s.Put([]byte("x"))
	require.NoError(t, err)
	back, err := s.Get(blob)
	require.NoError(t, err)
	require.Equal(t, "x", string(back))
	_, err = s.Get(strings.Repeat("0", 64))
	require.ErrorIs(t, err, ErrNotFound)
	_, err = s.Get("../../etc/passwd")
	require.Error(t, err)
}

func TestManyWritersAreGrouped(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	l := begin(t, s, "r")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for n := range 20 {
				if err := l.Append("r", done(fmt.Sprintf("1.%d", i), n+1, "null")); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.Facts("r")
	require.NoError(t, err)
	require.Len(t, got, 64*20)
}

func TestAFactOfAnySizeIsKept(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	l := begin(t, s, "r")
	var want []runtime.Fact
	for i, size := range []int{0, 1, 100, foldFrom - 3, foldFrom - 2, foldFrom, foldWhole, 3 << 20} {
		want = append(want, done("", i+1, `"`+string(bytes.Repeat([]byte("é"), size/2))+`"`))
	}
	require.NoError(t, l.Append("r", want...))
	got, err := s.Facts("r")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestARunThatHasEndedIsLentToNobody(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, status := range []Status{Done, Failed, Cancelled} {
		id := string(status)
		l := begin(t, s, id)
		require.NoError(t, l.End(func(r *Record) { r.Status = status }))
		_, err := s.Lease(id)
		require.ErrorIs(t, err, ErrEnded)
		require.NoError(t, l.Release())
		_, err = s.Lease(id)
		require.ErrorIs(t, err, ErrEnded)
		r, err := s.Record(id)
		require.NoError(t, err)
		require.Equal(t, status, r.Status)
		require.Equal(t, uint64(1), r.Fence)
	}
	l := begin(t, s, "waits")
	require.NoError(t, l.End(func(r *Record) { r.Status = Suspended }))
	require.NoError(t, l.Release())
	_, err := s.Lease("waits")
	require.NoError(t, err)
}

func TestAnAddressHasOneMessageOfAKind(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	begin(t, s, "r")
	require.NoError(t, s.Send("r", Message{Kind: "decision", Addr: "1", Value: runtime.Payload("1")}))
	require.ErrorIs(t, s.Send("r", Message{Kind: "decision", Addr: "1", Value: runtime.Payload("2")}), ErrExists)
	require.NoError(t, s.Send("r", Message{Kind: "decision", Addr: "2"}))
	require.NoError(t, s.Send("r/3", Message{Kind: "decision", Addr: "1"}), "it is another run's")
	for range 2 {
		require.NoError(t, s.Send("r", Message{Kind: "signal", Name: "go"}))
	}
	sent, err := s.Messages("r/3")
	require.NoError(t, err)
	require.Len(t, sent, 5)
	require.Equal(t, runtime.Payload("1"), sent[0].Value)
}
