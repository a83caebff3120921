package builtins

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"pgregory.net/rapid"
)

// allMatches gives what a machine finds, in the form of package regexp.
func allMatches(tb testing.TB, pattern, text string) [][]int {
	tb.Helper()
	r, err := compileRegexp(pattern)
	require.NoError(tb, err)
	var all [][]int
	err = r.machine(text, func(int) error { return nil }).all(func(slots []int) (bool, error) {
		all = append(all, append([]int(nil), slots...))
		return true, nil
	})
	require.NoError(tb, err)
	return all
}

// The machine finds what package regexp finds, on any pattern and text.
func TestMachineAgreesWithRegexp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		pattern := patterns(3).Draw(rt, "pattern")
		text := rapid.StringOf(rapid.SampledFrom([]rune("abé\n \xff1"))).Draw(rt, "text")
		want, err := regexp.Compile(pattern)
		if err != nil {
			rt.Skip("not a pattern")
		}
		if got, want := allMatches(t, pattern, text), want.FindAllStringSubmatchIndex(text, -1); !equalMatches(got, want) {
			rt.Fatalf("%q in %q: got %v, want %v", pattern, text, got, want)
		}
	})
}

func equalMatches(a, b [][]int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		for j := range a[i] {
			if a[i][j] != b[i][j] {
				return false
			}
		}
	}
	return true
}

// patterns draws regular expressions nested up to a depth.
func patterns(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{
		"a", "b", "é", ".", "[ab]", "[^a]", `\d`, `\b`, `\B`, "^", "$", "(?m)^", "(?m)$", `\A`, `\z`, "(?i)A", "(?s).", "", "ab",
	})
	if depth == 0 {
		return leaf
	}
	inner := rapid.Deferred(func() *rapid.Generator[string] { return patterns(depth - 1) })
	return rapid.OneOf(
		leaf,
		rapid.Custom(func(rt *rapid.T) string { return inner.Draw(rt, "l") + inner.Draw(rt, "r") }),
		rapid.Custom(func(rt *rapid.T) string { return "(?:" + inner.Draw(rt, "l") + "|" + inner.Draw(rt, "r") + ")" }),
		rapid.Custom(func(rt *rapid.T) string { return "(" + inner.Draw(rt, "in") + ")" }),
		rapid.Custom(func(rt *rapid.T) string {
			return "(?:" + inner.Draw(rt, "in") + ")" + rapid.SampledFrom([]string{"*", "+", "?", "*?", "+?", "{1,2}"}).Draw(rt, "times")
		}),
	)
}

// A search whose time is quadratic in the text is paid for as it goes, and ends when nobody pays.
func TestSearchEndsWhenItIsNotPaid(t *testing.T) {
	t.Parallel()
	r, err := compileRegexp("(?:a+b)|a")
	require.NoError(t, err)
	broke := errors.New("broke")
	total, matches := 0, 0
	err = r.machine(strings.Repeat("a", 100_000), func(steps int) error {
		if total += steps; total > 1_000_000 {
			return broke
		}
		return nil
	}).all(func([]int) (bool, error) { matches++; return true, nil })
	require.ErrorIs(t, err, broke)
	require.Less(t, total, 1_000_000+2*machineSlice)
	require.Less(t, matches, 10)
}

// The steps of a call are bounded even where there is no run to charge.
func TestSearchIsBoundedWhileAModuleIsLoaded(t *testing.T) {
	t.Parallel()
	r, err := compileRegexp("a")
	require.NoError(t, err)
	m, err := (&Call{Decl: reCompile(), Thread: new(starlark.Thread)}).on(r, "a")
	require.NoError(t, err)
	for range 50 {
		require.NoError(t, m.pay(maxRegexpSteps/50))
	}
	require.ErrorContains(t, m.pay(1), "takes more than 50000000 steps")
}

func BenchmarkFindAll(b *testing.B) {
	text := strings.Repeat("the quick brown fox, 42 times; ", 1000)
	for _, pattern := range []string{`\w+`, `\d+ times`, `(\w+) (\w+)`} {
		b.Run("ours/"+pattern, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				allMatches(b, pattern, text)
			}
		})
		b.Run("regexp/"+pattern, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				regexp.MustCompile(pattern).FindAllStringSubmatchIndex(text, -1)
			}
		})
	}
}
