package keep_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/runtime"
)

func at(t *testing.T, s string) runtime.Address {
	t.Helper()
	a, ok := runtime.ParseAddress(s)
	require.True(t, ok)
	return a
}

func place(t *testing.T, family []keep.Member, from string) keep.Place {
	t.Helper()
	p, ok := keep.PlaceOf(family, from)
	require.True(t, ok, from)
	return p
}

// TestARunGoesAnotherWayFromAnAddress keeps what does not depend on the address: what came before it, and what ran beside it.
func TestARunGoesAnotherWayFromAnAddress(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	fact := func(kind runtime.FactKind, addr, request string) runtime.Fact {
		return runtime.Fact{Kind: kind, Addr: at(t, addr), Request: runtime.Payload(request), At: began}
	}
	call := func(addr string) []runtime.Fact {
		return []runtime.Fact{fact(runtime.Begun, addr, `{"effect":"agent"}`), fact(runtime.Done, addr, "")}
	}
	facts := []runtime.Fact{fact(runtime.Begun, "0", `{"effect":"run"}`)}
	for _, addr := range []string{"1", "2.0/1", "2.0/2", "2.1/1", "2.1/2", "2.1.3.0/1", "2.2/1", "4"} {
		facts = append(facts, call(addr)...)
	}
	fork := fact(runtime.Begun, "2", `{"branches":3,"effect":"parallel"}`)
	fork.Until = began.Add(time.Minute)
	facts = append(facts, fork, fact(runtime.Delivered, "2", ""), fact(runtime.Stopped, "2", ""),
		fact(runtime.Begun, "2.1/3", `{"branches":1,"effect":"race"}`),
		fact(runtime.Begun, "2.2/2", `{"effect":"agent"}`), fact(runtime.Begun, "2.0/3", `{"effect":"run"}`), fact(runtime.Begun, "5", `{"effect":"run"}`))
	family := []keep.Member{
		{Run: "old", Facts: facts}, {Run: "old/2.0/3", Facts: call("1")}, {Run: "old/5", Facts: call("1")},
	}
	for from, want := range map[string][]string{
		"2.1/2":     {"0 1", "1 1", "1 2", "2 1", "2.0/1 1", "2.0/1 2", "2.0/2 1", "2.0/2 2", "2.0/3 1", "2.1/1 1", "2.1/1 2", "2.2/1 1", "2.2/1 2", "new/2.0/3: 1 1", "new/2.0/3: 1 2"},
		"2.1.3.0/1": {"0 1", "1 1", "1 2", "2 1", "2.0/1 1", "2.0/1 2", "2.0/2 1", "2.0/2 2", "2.0/3 1", "2.1/1 1", "2.1/1 2", "2.1/2 1", "2.1/2 2", "2.1/3 1", "2.2/1 1", "2.2/1 2", "new/2.0/3: 1 1", "new/2.0/3: 1 2"},
		"2.0/3/1":   {"0 1", "1 1", "1 2", "2 1", "2.0/1 1", "2.0/1 2", "2.0/2 1", "2.0/2 2", "2.0/3 1", "2.1/1 1", "2.1/1 2", "2.1/2 1", "2.1/2 2", "2.1/3 1", "2.1.3.0/1 1", "2.1.3.0/1 2", "2.2/1 1", "2.2/1 2"},
		"2":         {"0 1", "1 1", "1 2"},
		"1":         {"0 1"},
	} {
		var got []string
		for _, m := range keep.Before(family, place(t, family, from), "new", began.Add(time.Hour)) {
			for _, f := range m.Facts {
				text := f.Addr.String() + " " + string('0'+rune(f.Kind))
				if m.Run != "new" {
					text = m.Run + ": " + text
				}
				got = append(got, text)
				if f.Addr == at(t, "2") && m.Run == "new" {
					require.Equal(t, began.Add(time.Minute+time.Hour), f.Until, "a minute was left then, and is now")
				}
			}
		}
		require.ElementsMatch(t, want, got, from)
	}
}

// TestABudgetOfTimeGoesOnFromTheFork forks a run of a minute, long after it, and then the fork: both have what was left at the last fact that they have.
func TestABudgetOfTimeGoesOnFromTheFork(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	call := func(n int, at time.Time) []runtime.Fact {
		addr := runtime.Address{N: n}
		return []runtime.Fact{{Kind: runtime.Begun, Addr: addr, At: at, Request: runtime.Payload(`{"effect":"agent"}`)}, {Kind: runtime.Done, Addr: addr, At: at}}
	}
	old := []keep.Member{{Run: "old", Facts: append([]runtime.Fact{{Kind: runtime.Begun, At: began}}, append(call(1, began.Add(5*time.Second)), call(2, began.Add(20*time.Second))...)...)}}
	fork := func(family []keep.Member, from string, r *badger.Record, now time.Time) []keep.Member {
		kept := keep.Before(family, place(t, family, from), "new", now)
		keep.Left(kept, r, now)
		return kept
	}
	end := func(family []keep.Member) time.Time { return family[0].Facts[0].Until }
	r := &badger.Record{Started: began}
	require.Zero(t, end(fork(old, "3", r, began.Add(time.Hour))), "there is no budget")
	r.Budget.Seconds = 60
	for from, used := range map[string]time.Duration{"1": 0, "2": 5 * time.Second, "3": 20 * time.Second} {
		require.Equal(t, began.Add(time.Hour+time.Minute-used), end(fork(old, from, r, began.Add(time.Hour))), from)
	}

	hour := began.Add(time.Hour)
	first := fork(old, "3", r, hour)
	first[0].Facts = append(first[0].Facts, call(3, hour.Add(7*time.Second))...)
	r.Started = hour
	later := hour.Add(time.Hour)
	for from, used := range map[string]time.Duration{"2": 5 * time.Second, "3": 20 * time.Second, "4": 27 * time.Second} {
		require.Equal(t, later.Add(time.Minute-used), end(fork(first, from, r, later)), from)
	}
}
