package keep_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
