package consensus

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// exactly is the sum in big numbers, rounded once.
func exactly(xs []float64) float64 {
	sum := new(big.Float).SetPrec(2300)
	for _, x := range xs {
		sum.Add(sum, big.NewFloat(x))
	}
	f, _ := sum.Float64()
	return f
}

// bitsOf is the bits of a number, and the same for both zeros.
func bitsOf(x float64) uint64 { return math.Float64bits(x + 0) }

// wild is finite numbers of all sizes, some of them halves of a last bit.
func wild() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Float64(), rapid.Float64Range(-1, 1),
		rapid.SampledFrom([]float64{math.MaxFloat64, -math.MaxFloat64, 1, 0x1p-53, -0x1p-53, 0x1p-106, 0x1p970, 0x1p969, -0x1p-1074, 0x1p-1074, 1e100, -1e100}),
	)
}

func TestSumIsCorrectlyRounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(wild(), 0, 12).Draw(t, "xs")
		require.Equal(t, bitsOf(exactly(xs)), bitsOf(Sum(xs)))
		shuffled := rapid.Permutation(xs).Draw(t, "shuffled")
		require.Equal(t, bitsOf(Sum(xs)), bitsOf(Sum(shuffled)))
	})
}

func TestSumMayOverflowOnTheWay(t *testing.T) {
	t.Parallel()
	most := math.MaxFloat64
	require.InDelta(t, most, Sum([]float64{most, most, -most}), 0)
	require.InDelta(t, 1.0, Sum([]float64{most, most, 1, -most, -most}), 0)
	require.InDelta(t, most, Sum([]float64{most, 0x1p969, -1}), 0, "just below half of the last bit")
	require.True(t, math.IsInf(Sum([]float64{most, 0x1p970}), 1))
	require.True(t, math.IsInf(Sum([]float64{-most, -most}), -1))
	require.InDelta(t, most, Mean([]float64{most, most, most}), 0)
	require.InDelta(t, -most, Mean([]float64{-most, -most}), 0)
	require.Zero(t, Sum(nil))
}

func TestMeanIsFiniteAndWithinItsNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(wild(), 1, 12).Draw(t, "xs")
		mean := Mean(xs)
		require.GreaterOrEqual(t, mean, slices.Min(xs))
		require.LessOrEqual(t, mean, slices.Max(xs))
	})
}

func TestLayersAddUpToTheWeights(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weight := rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64Range(0, 1e290), rapid.SampledFrom([]float64{0, 0x1p-1074, 1e-300, 0.1, 3}))
		weights := rapid.SliceOfN(weight, 0, 20).Draw(t, "weights")
		times := rapid.IntRange(1, 2000).Draw(t, "times")
		layers := layersOf(weights, times)
		for i, w := range weights {
			var parts []float64
			for _, layer := range layers {
				parts = append(parts, layer[i])
			}
			require.InDelta(t, w, Sum(parts), math.Ldexp(largest(weights), -deepest), "what cannot be seen in a sum may be left out")
			if w >= math.Ldexp(largest(weights), -100) {
				require.Equal(t, bitsOf(w), bitsOf(Sum(parts)))
			}
		}
		for _, layer := range layers {
			plain, multiples := 0.0, make([]float64, 0, len(layer))
			for _, w := range layer {
				plain += w * float64(times)
				multiples = append(multiples, w*float64(times))
			}
			require.Equal(t, bitsOf(exactly(multiples)), bitsOf(plain), "plain sums of a layer are exact")
		}
	})
}

func TestLogarithmAndExponential(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.OneOf(rapid.Float64Range(0, math.MaxFloat64), rapid.Float64Range(0, 2)).Filter(func(x float64) bool { return x >= 0x1p-1022 }).Draw(t, "x") // math.Log is off below, on amd64
		require.LessOrEqual(t, units(ln(x), math.Log(x)), 3.0, "ln %v", x)
		y := rapid.OneOf(rapid.Float64Range(-700, 709), rapid.Float64Range(-1, 1)).Draw(t, "y")
		require.LessOrEqual(t, units(exp(y), math.Exp(y)), 3.0, "exp %v", y)
	})
	require.Zero(t, ln(1))
	require.InDelta(t, 1, exp(0), 0)
	require.InDelta(t, -745, ln(0x1p-1074), 1)
	require.InDelta(t, 0x1p-1074, exp(-745), 0)
	require.Zero(t, exp(-800))
	require.Zero(t, exp(math.Inf(-1)))
	require.True(t, math.IsInf(exp(800), 1))
	require.True(t, math.IsInf(exp(math.Inf(1)), 1))
}

// units is the difference in units of the last place.
func units(a, b float64) float64 {
	return math.Abs(a-b) / (math.Nextafter(math.Abs(b), math.Inf(1)) - math.Abs(b))
}

func TestTailIsPreciseRelativeToItself(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]int{{30, 29}, {60, 0}, {41, 19}, {40, 20}, {80, 20}, {500, 21}, {1000, 1000}, {3000, 2500}, {5000, 4900}, {10_000, 9000}} {
		v1, v2 := c[0], c[1]
		n, term, sum := int64(v1+v2+1), big.NewInt(1), new(big.Int)
		for j := int64(0); j <= int64(v2); j++ {
			sum.Add(sum, term)
			term.Quo(term.Mul(term, big.NewInt(n-j)), big.NewInt(j+1))
		}
		want := new(big.Float).SetMantExp(new(big.Float).SetInt(sum), -int(n))
		got := big.NewFloat(lowerTail(v1, v2))
		ratio, _ := new(big.Float).Quo(got, want).Float64()
		require.InDelta(t, 1, ratio, 1e-11, "%d %d", v1, v2)
	}
}

// Weights near the end of what there is are split as well: a grid above them would be infinite, and the splitting would never end.
func TestTheLargestWeightsAreCounted(t *testing.T) {
	t.Parallel()
	const n = 1 << 17
	ballots, weights := make([][]int, n), make([]float64, n)
	for i := range ballots {
		ballots[i] = []int{0}
	}
	for option := range 64 {
		ballots[0] = append(ballots[0], option)
	}
	ballots[0], weights[0] = ballots[0][1:], 1e299
	scores, err := Borda(ballots, weights, 64)
	require.NoError(t, err)
	require.Equal(t, []int{0}, Leaders(scores))
	require.InEpsilon(t, 63e299, scores[0], 1e-12)
}
