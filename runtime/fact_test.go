package runtime_test

import (
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
