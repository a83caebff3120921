package runtime_test

import (
	"encoding/binary"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

func TestNumbersThatNoRunHasAreNoFact(t *testing.T) {
	t.Parallel()
	at := runtime.Address{N: 1}
	for _, f := range []runtime.Fact{
		{Addr: runtime.Address{N: -1}, Kind: runtime.Done},
		{Addr: at, Kind: runtime.Done, Attempt: -1},
		{Addr: at, Kind: runtime.Delivered, Seq: -1},
		{Addr: at, Kind: runtime.Delivered, Index: -1},
		{Addr: at, Kind: runtime.Delivered, After: -1},
		{Addr: at, Kind: runtime.Stopped, After: -1},
		{Addr: at, Kind: runtime.Stopped, Kept: []int{0}},
		{Addr: at, Kind: runtime.Stopped, Kept: []int{-1, 3}},
		{Addr: at, Kind: runtime.Stopped, Kept: []int{3, 2}},
		{Addr: at, Kind: runtime.Stopped, Kept: []int{0, 3, 3, 4}},
	} {
		_, err := runtime.DecodeFact(f.Encode())
		require.Error(t, err, "%+v", f)
	}
	counted := runtime.Fact{Addr: runtime.Address{Path: "1.0"}, Kind: runtime.Counted, Seq: 2, At: time.Unix(1, 0).UTC(), Request: runtime.Payload(`{"effect":"vote"}`), Outcome: runtime.Payload(`{}`)}
	c, err := runtime.DecodeFact(counted.Encode())
	require.NoError(t, err)
	require.Equal(t, counted, c)
	whole := runtime.Fact{Addr: at, Kind: runtime.Stopped, At: time.Unix(1, 0).UTC(), Kept: []int{0, 0, 2, 5}}
	f, err := runtime.DecodeFact(whole.Encode())
	require.NoError(t, err)
	require.Equal(t, whole, f)
}

func TestFactsThatNoRunHasAreRefused(t *testing.T) {
	t.Parallel()
	at := runtime.Address{N: 1}
	fork := func(name string, n int, labels ...string) runtime.Fact {
		return runtime.Fact{Addr: at, Kind: runtime.Begun, Request: runtime.NamedFork(name, n, labels), Print: runtime.PrintOf(runtime.ForkRequest(name, n))}
	}
	for name, facts := range map[string][]runtime.Fact{
		"Seq -1":            {{Addr: at, Kind: runtime.Delivered, Seq: -1}},
		"Seq 1<<40":         {{Addr: at, Kind: runtime.Delivered, Seq: 1 << 40}},
		"4e12 branches":     {fork("pmap", 4_000_000_000_000)},
		"an index too high": {fork("pmap", 3, "a", "b"), {Addr: at, Kind: runtime.Delivered, Index: 3}},
		"kept too high":     {fork("pmap", 3), {Addr: at, Kind: runtime.Stopped, Kept: []int{0, 3}}},
		"another's print":   {{Addr: at, Kind: runtime.Begun, Request: runtime.ForkRequest("pmap", 3), Print: runtime.PrintOf(runtime.ForkRequest("pmap", 4))}},
		"no request at all": {{Addr: at, Kind: runtime.Begun}, {Addr: at, Kind: runtime.Delivered}},
	} {
		require.Error(t, runtime.CheckFacts(facts), name)
	}
	require.NoError(t, runtime.CheckFacts([]runtime.Fact{
		fork("pmap", 3, "a", "b"), {Addr: at, Kind: runtime.Delivered, Index: 2}, {Addr: at, Kind: runtime.Stopped, Kept: []int{2, 2}},
	}))
}

// lying is an encoded fact that says to have n frames or numbers, and then has zero bytes.
func lying(kind runtime.FactKind, version byte, n int64, zeros int) []byte {
	b := []byte{version, byte(kind), 0, 0, 0, 0}
	b = append(b, make([]byte, 16)...)
	if kind == runtime.Stopped {
		b = append(b, 0, 0)
	} else {
		b = append(b, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0) // index, after, and the error before its trace
	}
	return append(binary.AppendVarint(b, n), make([]byte, zeros)...)
}

func TestAFactThatLiesAboutItsLengthTakesNoRoom(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	const zeros = 8 << 20
	for _, b := range [][]byte{
		lying(runtime.Delivered, 2, zeros, zeros),
		lying(runtime.Delivered, 2, zeros/3, zeros),
		lying(runtime.Delivered, 2, 10_001, zeros),
		lying(runtime.Delivered, 2, 9_999, 30_000),
		lying(runtime.Delivered, 2, 1<<62, zeros),
		lying(runtime.Stopped, 1, zeros+1, zeros),
		lying(runtime.Stopped, 1, 1<<62, zeros),
		append(lying(runtime.Stopped, 1, zeros, 1), append([]byte{3}, make([]byte, zeros)...)...),
	} {
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		_, err := runtime.DecodeFact(b)
		goruntime.ReadMemStats(&after)
		require.Error(t, err)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
	}
	_, err := runtime.DecodeFact(lying(runtime.Delivered, 2, 1000, 3000))
	require.NoError(t, err, "these are facts otherwise")
	_, err = runtime.DecodeFact(lying(runtime.Stopped, 1, 2, 2))
	require.NoError(t, err)
}

func TestALongTraceIsCutWhenItIsKept(t *testing.T) {
	t.Parallel()
	f := runtime.Fact{Kind: runtime.Done, Err: &runtime.Error{Code: runtime.Script, Trace: make([]runtime.Frame, 20_000)}}
	got, err := runtime.DecodeFact(f.Encode())
	require.NoError(t, err)
	require.Len(t, got.Err.Trace, 10_000)
}

// FuzzDecodeFact reads anything as a fact: what is one is written again as it was read.
func FuzzDecodeFact(f *testing.F) {
	f.Add((&runtime.Fact{Addr: runtime.Address{Path: "1.0", N: 2}, Kind: runtime.Done, Outcome: runtime.Payload(`1`), Usage: runtime.Usage{InputTokens: 1}}).Encode())
	f.Add((&runtime.Fact{Kind: runtime.Done, Err: &runtime.Error{Code: runtime.Script, Trace: []runtime.Frame{{Func: "f"}}}}).Encode())
	f.Add((&runtime.Fact{Kind: runtime.Stopped, Kept: []int{0, 0, 2, 5}}).Encode())
	f.Add(lying(runtime.Delivered, 2, 5, 15))
	f.Fuzz(func(t *testing.T, b []byte) {
		fact, err := runtime.DecodeFact(b)
		if err != nil {
			return
		}
		again, err := runtime.DecodeFact(fact.Encode())
		require.NoError(t, err)
		require.Equal(t, fact, again)
	})
}
