package consensus_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/consensus"
)

func TestPools(t *testing.T) {
	t.Parallel()
	ps := []float64{0.8, 0.7, 0.4}
	linear, err := consensus.LinearPool(ps, nil)
	require.NoError(t, err)
	require.InDelta(t, 0.6333333333333333, linear, 1e-9)
	log, err := consensus.LogPool(ps, nil)
	require.NoError(t, err)
	odds := math.Cbrt(4 * (7.0 / 3) * (2.0 / 3)) // of .8 .7 .4
	require.InDelta(t, odds/(1+odds), log, 1e-12)
	require.InDelta(t, 0.6478, log, 5e-5)
	further, err := consensus.Extremized(ps, nil, 2)
	require.NoError(t, err)
	require.InDelta(t, odds*odds/(1+odds*odds), further, 1e-12)
	bayes, err := consensus.BayesPool(ps, 0.5)
	require.NoError(t, err)
	require.InDelta(t, odds*odds*odds/(1+odds*odds*odds), bayes, 1e-12)
	// A prior of 1/5 is odds of 1 to 4, which each opinion already has in it.
	bayes, err = consensus.BayesPool(ps, 0.2)
	require.NoError(t, err)
	odds = 4 * (7.0 / 3) * (2.0 / 3) * 4 * 4
	require.InDelta(t, odds/(1+odds), bayes, 1e-12)
}

func TestWeightsOfPools(t *testing.T) {
	t.Parallel()
	linear, err := consensus.LinearPool([]float64{0.9, 0.1}, []float64{3, 1})
	require.NoError(t, err)
	require.InDelta(t, 0.7, linear, 1e-12)
	log, err := consensus.LogPool([]float64{0.9, 0.1}, []float64{3, 1})
	require.NoError(t, err)
	require.InDelta(t, 3.0/4, log, 1e-12, "odds 9^(1/2)")
	_, err = consensus.LinearPool([]float64{0.9}, []float64{0})
	require.EqualError(t, err, "all weights are 0")
	_, err = consensus.LinearPool([]float64{0.9}, []float64{-1})
	require.EqualError(t, err, "weight 0 is -1")
}

func TestCertaintyOutvotesSoItIsNamed(t *testing.T) {
	t.Parallel()
	_, err := consensus.LogPool([]float64{0.4, 0, 0.9}, nil)
	require.EqualError(t, err, "probability 1 is 0, which outvotes all others; the linear pool takes it")
	_, err = consensus.BayesPool([]float64{0.4, 1}, 0.5)
	require.ErrorContains(t, err, "probability 1 is 1")
	_, err = consensus.Extremized([]float64{0, 1}, nil, 2)
	require.ErrorContains(t, err, "probability 0 is 0")
	all, err := consensus.LogPool([]float64{1, 1}, nil)
	require.NoError(t, err)
	require.InDelta(t, 1, all, 0)
	all, err = consensus.BayesPool([]float64{0, 0}, 0.5)
	require.NoError(t, err)
	require.InDelta(t, 0, all, 0)
	unheard, err := consensus.LogPool([]float64{0, 0.3}, []float64{0, 2})
	require.NoError(t, err, "who has no weight outvotes nobody")
	require.InDelta(t, 0.3, unheard, 1e-12)
}

func TestWhatIsNoProbabilityIsNamed(t *testing.T) {
	t.Parallel()
	_, err := consensus.LinearPool(nil, nil)
	require.EqualError(t, err, "there is no probability")
	_, err = consensus.LogPool([]float64{0.5, 1.5}, nil)
	require.EqualError(t, err, "probability 1 is 1.5, not between 0 and 1")
	_, err = consensus.Extremized([]float64{0.5}, nil, math.Inf(1))
	require.EqualError(t, err, "the factor +Inf is not a finite number above 0")
	_, err = consensus.BayesPool([]float64{0.5}, 1)
	require.EqualError(t, err, "the prior 1 is not between 0 and 1, both excluded")
}

func TestPoolsAreBoundedAndHaveNoOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOfN(rapid.Float64Range(0.001, 0.999), 1, 12).Draw(t, "ps")
		other := rapid.Permutation(ps).Draw(t, "other")
		factor := rapid.Float64Range(1, 5).Draw(t, "factor")
		prior := rapid.Float64Range(0.01, 0.99).Draw(t, "prior")
		low, high := slices.Min(ps), slices.Max(ps)
		pools := map[string]func([]float64) (float64, error){
			"linear":     func(ps []float64) (float64, error) { return consensus.LinearPool(ps, nil) },
			"log":        func(ps []float64) (float64, error) { return consensus.LogPool(ps, nil) },
			"extremized": func(ps []float64) (float64, error) { return consensus.Extremized(ps, nil, factor) },
			"bayes":      func(ps []float64) (float64, error) { return consensus.BayesPool(ps, prior) },
		}
		got := make(map[string]float64)
		for name, pool := range pools {
			p, err := pool(ps)
			require.NoError(t, err)
			again, err := pool(other)
			require.NoError(t, err)
			require.Equal(t, math.Float64bits(p), math.Float64bits(again), "%s depends on the order", name)
			require.True(t, p >= 0 && p <= 1)
			got[name] = p
		}
		for _, name := range []string{"linear", "log"} {
			require.True(t, got[name] >= low && got[name] <= high, name)
		}
		require.GreaterOrEqual(t, math.Abs(got["extremized"]-0.5)+1e-12, math.Abs(got["log"]-0.5))
		require.GreaterOrEqual(t, (got["extremized"]-0.5)*(got["log"]-0.5), -1e-15, "on the same side")
		if low >= prior {
			require.GreaterOrEqual(t, got["bayes"], high-1e-12, "opinions above the prior only add to each other")
		}
		if high <= prior {
			require.LessOrEqual(t, got["bayes"], low+1e-12)
		}
	})
}

func TestPoolsOfWeightsAreFreeOfScaleAndMirrored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOfN(rapid.Float64Range(0.01, 0.99), 1, 8).Draw(t, "ps")
		ws := rapid.SliceOfN(rapid.Float64Range(0.1, 10), len(ps), len(ps)).Draw(t, "ws")
		times := rapid.Float64Range(1e-9, 1e9).Draw(t, "times")
		more, mirror := slices.Clone(ws), slices.Clone(ps)
		for i := range ws {
			more[i] *= times
			mirror[i] = 1 - ps[i]
		}
		for _, pool := range []func(ps, ws []float64) (float64, error){consensus.LinearPool, consensus.LogPool} {
			p, err := pool(ps, ws)
			require.NoError(t, err)
			same, err := pool(ps, more)
			require.NoError(t, err)
			require.InDelta(t, p, same, 1e-12)
			not, err := pool(mirror, ws)
			require.NoError(t, err)
			require.InDelta(t, 1-p, not, 1e-12)
		}
	})
}

func FuzzPools(f *testing.F) {
	for _, s := range floats() {
		f.Add(s, s, 0.5)
	}
	f.Fuzz(func(t *testing.T, rawPs, rawWs []byte, x float64) {
		ps, ws := hostile(rawPs), hostile(rawWs)
		if len(ws) == 0 {
			ws = nil
		}
		turned, weights := slices.Clone(ps), slices.Clone(ws)
		slices.Reverse(turned)
		slices.Reverse(weights)
		for name, pool := range map[string]func(ps, ws []float64) (float64, error){
			"linear":     consensus.LinearPool,
			"log":        consensus.LogPool,
			"extremized": func(ps, ws []float64) (float64, error) { return consensus.Extremized(ps, ws, x) },
			"bayes":      func(ps, _ []float64) (float64, error) { return consensus.BayesPool(ps, x) },
		} {
			p, err := pool(ps, ws)
			again, err2 := pool(turned, weights)
			require.Equal(t, err == nil, err2 == nil, name)
			if err != nil {
				continue
			}
			require.InDelta(t, p, again, 0, "%s depends on the order", name)
			low, high := 0.0, 1.0
			if name == "linear" || name == "log" {
				low, high = slices.Min(ps), slices.Max(ps)
			}
			require.True(t, p >= low && p <= high, "%s of %v by %v is %v", name, ps, ws, p)
		}
	})
}
