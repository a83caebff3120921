package builtins

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"pgregory.net/rapid"
)

func TestAdaptiveStopsWhereTheFormulaSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v1, v2 int
		p      float64 // that the leader has the majority
	}{
		{0, 0, 0.5}, {1, 0, 0.75}, {3, 0, 0.9375}, {4, 0, 0.96875}, {6, 1, 0.96484375}, {5, 5, 0.5}, {2, 1, 0.6875},
	} {
		require.True(t, leadsBeyond(c.v1, c.v2, c.p-1e-9), "%d:%d", c.v1, c.v2)
		require.False(t, leadsBeyond(c.v1, c.v2, c.p), "%d:%d is not more than itself", c.v1, c.v2)
	}
}

// The same probability, summed from the density of the Beta distribution for integers by the hockey stick of its other end.
func TestAdaptiveIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v1, v2 := rapid.IntRange(0, 60).Draw(t, "v1"), rapid.IntRange(0, 60).Draw(t, "v2")
		n := int64(v1 + v2 + 1)
		lost := new(big.Int) // P(p1 <= 1/2) = sum over j > v1
		for j := int64(v1) + 1; j <= n; j++ {
			lost.Add(lost, new(big.Int).Binomial(n, j))
		}
		whole := new(big.Int).Lsh(big.NewInt(1), uint(n))
		won, _ := new(big.Rat).SetFrac(new(big.Int).Sub(whole, lost), whole).Float64()
		for _, c := range []float64{0.5, 0.9, 0.95, 0.99, 0.999} {
			if won > c+1e-12 || won < c-1e-12 {
				require.Equal(t, won > c, leadsBeyond(v1, v2, c))
			}
		}
	})
}

func TestAnswersThatPeopleWouldCallEqualHaveOneKey(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]starlark.Value{
		{starlark.String("Yes"), starlark.String(" yes\n")},
		{starlark.String("ΣΑΣ"), starlark.String("σας")},
		{starlark.String("K"), starlark.String("\u212a")}, // the Kelvin sign
		{starlark.MakeInt(1), starlark.Float(1)},
		{starlark.Float(1e300), starlark.Float(1e300)},
		{starlark.NewList([]starlark.Value{starlark.String("A")}), starlark.Tuple{starlark.String("a")}},
		{&Result{value: starlark.String("A")}, starlark.String("a")},
	} {
		a, err := answerKey(pair[0])
		require.NoError(t, err)
		b, err := answerKey(pair[1])
		require.NoError(t, err)
		require.Equal(t, a, b)
	}
	for _, pair := range [][2]starlark.Value{
		{starlark.String("1"), starlark.MakeInt(1)},
		{starlark.String("a b"), starlark.String("ab")},
		{starlark.None, starlark.False},
		{starlark.Float(1.5), starlark.MakeInt(1)},
	} {
		a, err := answerKey(pair[0])
		require.NoError(t, err)
		b, err := answerKey(pair[1])
		require.NoError(t, err)
		require.NotEqual(t, a, b)
	}
}

// A locked majority wins whatever the rest would have voted.
func TestALockedMajorityCannotBeTurned(t *testing.T) {
	t.Parallel()
	locked := tallyPolicy("", nil, func(top, second, left int) bool { return top-second > left })
	rapid.Check(t, func(t *rapid.T) {
		votes := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 30).Draw(t, "votes")
		w := locked.watch(nil)
		for i, v := range votes {
			require.NoError(t, w.see(starlark.String(v)))
			if w.enough(len(votes) - i - 1) {
				require.Equal(t, []string{leader(votes[:i+1])}, leaders(votes))
				return
			}
		}
	})
}

func leader(votes []string) string { return leaders(votes)[0] }

// leaders gives who has the most votes.
func leaders(votes []string) []string {
	count := make(map[string]int)
	for _, v := range votes {
		count[v]++
	}
	var best []string
	most := 0
	for _, v := range []string{"a", "b", "c"} {
		switch n := count[v]; {
		case n > most:
			best, most = []string{v}, n
		case n == most && n > 0:
			best = append(best, v)
		}
	}
	return best
}
