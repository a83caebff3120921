package consensus_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/consensus"
)

// posterior is MajorityPosterior as a fraction, by its definition.
func posterior(v1, v2 int) *big.Rat {
	n := int64(v1 + v2 + 1)
	sum, binomial := new(big.Int), big.NewInt(1)
	for j := range int64(v1 + 1) {
		sum.Add(sum, binomial)
		binomial.Quo(binomial.Mul(binomial, big.NewInt(n-j)), big.NewInt(j+1))
	}
	return new(big.Rat).SetFrac(sum, new(big.Int).Lsh(big.NewInt(1), uint(n)))
}

func TestAdaptiveStopsAtFourOfFour(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v1, v2 int
		want   float64
		stop   bool
	}{
		{3, 0, 0.9375, false},
		{4, 0, 0.96875, true},
		{6, 1, 0.96484375, true},
		{0, 0, 0.5, false},
		{0, 3, 0.0625, false},
	} {
		require.InDelta(t, c.want, consensus.MajorityPosterior(c.v1, c.v2), 0, "%+v", c)
		require.Equal(t, c.stop, consensus.LeadsBeyond(c.v1, c.v2, 0.95), "%+v", c)
	}
}

func TestPosteriorOfManyVotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v1, v2 int
		want   float64
	}{
		{40, 25, 0.9679912479313871},
		{100, 80, 0.9315474693285972},
		{1000, 930, 0.9444281106817991},
		{930, 1000, 1 - 0.9444281106817991},
		{5000, 4900, 0.8425484796086802},
		{1 << 30, 0, 1},
	} {
		require.InDelta(t, c.want, consensus.MajorityPosterior(c.v1, c.v2), 1e-12, "%+v", c)
	}
	for v1 := range 70 {
		for v2 := range 70 {
			want, _ := posterior(v1, v2).Float64()
			require.InDelta(t, want, consensus.MajorityPosterior(v1, v2), 1e-13, "%d %d", v1, v2)
		}
	}
}

func TestLeadsBeyondIsExactAtTheBound(t *testing.T) {
	t.Parallel()
	for v1 := range 75 {
		for v2 := range 75 {
			p := posterior(v1, v2)
			near, _ := p.Float64()
			for _, c := range []float64{near, math.Nextafter(near, 0), math.Nextafter(near, 1), 0, 0.25, 0.5, 0.9, 0.95} {
				want := c < 1 && p.Cmp(new(big.Rat).SetFloat64(c)) > 0
				require.Equal(t, want, consensus.LeadsBeyond(v1, v2, c), "%d %d %v", v1, v2, c)
			}
		}
	}
}

func TestLeadsBeyondOfManyVotesIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v1, v2 := rapid.IntRange(0, 1500).Draw(t, "v1"), rapid.IntRange(0, 1500).Draw(t, "v2")
		p := posterior(v1, v2)
		near, _ := p.Float64()
		c := rapid.SampledFrom([]float64{near, math.Nextafter(near, 0), math.Nextafter(near, 1), near - 1e-10, near + 1e-10, 0.95, 0.5}).Draw(t, "c")
		want := c < 1 && (c < 0 || p.Cmp(new(big.Rat).SetFloat64(c)) > 0)
		require.Equal(t, want, consensus.LeadsBeyond(v1, v2, c))
	})
}

func TestLeadsBeyondOfWhatHasNoMeaning(t *testing.T) {
	t.Parallel()
	require.False(t, consensus.LeadsBeyond(-1, 2, 0.5))
	require.False(t, consensus.LeadsBeyond(2, -1, 0.5))
	require.False(t, consensus.LeadsBeyond(9, 0, 1))
	require.False(t, consensus.LeadsBeyond(9, 0, math.NaN()))
	require.False(t, consensus.LeadsBeyond(9, 0, math.Inf(1)))
	require.True(t, consensus.LeadsBeyond(0, 9, math.Inf(-1)))
	require.Zero(t, consensus.MajorityPosterior(-1, 0))
	require.Zero(t, consensus.MajorityPosterior(0, -1))
}

func TestALongRunStopsWhereItShould(t *testing.T) {
	t.Parallel()
	// By the normal law 9,999 votes need a lead of about 1.645 sqrt(10,000) = 164.5 for 0.95.
	require.False(t, consensus.LeadsBeyond(5081, 4918, 0.95))
	require.True(t, consensus.LeadsBeyond(5082, 4917, 0.95))
	p, _ := posterior(5081, 4918).Float64()
	require.Less(t, p, 0.95)
	p, _ = posterior(5082, 4917).Float64()
	require.Greater(t, p, 0.95)
}

func TestSequentialTestDecidesAtItsBounds(t *testing.T) {
	t.Parallel()
	test := consensus.SPRT{P0: 0.5, P1: 0.8, Alpha: 0.05, Beta: 0.05}
	require.NoError(t, test.Validate())
	for _, c := range []struct {
		agree, differ int
		want          consensus.Verdict
	}{
		// ln(19) = 2.944; one that agrees says ln(1.6) = 0.470, one that differs ln(0.4) = -0.916.
		{0, 0, consensus.Continue},
		{6, 0, consensus.Continue},
		{7, 0, consensus.AcceptH1},
		{8, 1, consensus.Continue},
		{9, 1, consensus.AcceptH1},
		{0, 3, consensus.Continue},
		{0, 4, consensus.AcceptH0},
		{1, 4, consensus.AcceptH0},
		{2, 4, consensus.Continue},
	} {
		require.Equal(t, c.want, test.Decide(c.agree, c.differ), "%+v", c)
	}
}

func TestABoundThatIsReachedDecides(t *testing.T) {
	t.Parallel()
	test := consensus.SPRT{P0: 0.2, P1: 0.8, Alpha: 0.2, Beta: 0.2} // each vote is ln 4, and so are the bounds
	require.Equal(t, consensus.AcceptH1, test.Decide(1, 0))
	require.Equal(t, consensus.AcceptH0, test.Decide(0, 1))
	require.Equal(t, consensus.Continue, test.Decide(5, 5))
	require.Equal(t, consensus.AcceptH1, test.Decide(1001, 1000))
}

func TestSequentialTestKeepsItsPromise(t *testing.T) {
	t.Parallel()
	// The chance of a wrong verdict, worked out from the distribution over (agree, differ) vote by vote, is at most about alpha and beta.
	test := consensus.SPRT{P0: 0.5, P1: 0.8, Alpha: 0.05, Beta: 0.1}
	wrong := func(p float64, bad consensus.Verdict) float64 {
		alive, total := map[int]float64{0: 1}, 0.0 // by agree, after n votes
		for n := 1; n <= 400; n++ {
			next := map[int]float64{}
			for agree, chance := range alive {
				next[agree+1] += chance * p
				next[agree] += chance * (1 - p)
			}
			for agree, chance := range next {
				switch test.Decide(agree, n-agree) {
				case consensus.Continue:
				case bad:
					total += chance
					delete(next, agree)
				case consensus.AcceptH0, consensus.AcceptH1:
					delete(next, agree)
				}
			}
			alive = next
		}
		return total
	}
	require.Less(t, wrong(0.5, consensus.AcceptH1), 0.05)
	require.Less(t, wrong(0.8, consensus.AcceptH0), 0.1)
	require.Greater(t, wrong(0.5, consensus.AcceptH1), 0.02)
}

func TestWhatIsNoSequentialTestIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		test consensus.SPRT
		want string
	}{
		{consensus.SPRT{P0: 0, P1: 0.8, Alpha: 0.05, Beta: 0.05}, "p0 is 0, not between 0 and 1"},
		{consensus.SPRT{P0: 0.5, P1: 1, Alpha: 0.05, Beta: 0.05}, "p1 is 1, not between 0 and 1"},
		{consensus.SPRT{P0: 0.5, P1: 0.8, Alpha: math.NaN(), Beta: 0.05}, "alpha is NaN, not between 0 and 1"},
		{consensus.SPRT{P0: 0.5, P1: 0.8, Alpha: 0.05, Beta: -1}, "beta is -1, not between 0 and 1"},
		{consensus.SPRT{P0: 0.8, P1: 0.8, Alpha: 0.05, Beta: 0.05}, "p0 is 0.8, not less than p1, which is 0.8"},
		{consensus.SPRT{P0: 0.5, P1: 0.8, Alpha: 0.5, Beta: 0.5}, "alpha and beta add up to 1, and both bounds hold only below 1"},
	} {
		require.EqualError(t, c.test.Validate(), c.want)
	}
	require.Equal(t, "continue", consensus.Continue.String())
	require.Equal(t, "accept h1", consensus.AcceptH1.String())
	require.Equal(t, "accept h0", consensus.AcceptH0.String())
	require.Equal(t, "verdict 7", consensus.Verdict(7).String())
}
