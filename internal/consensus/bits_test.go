package consensus_test

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/consensus"
)

// The bits of many results, hashed: they are the same on every processor, whether or not it can fuse a product with a sum. If a formula
// changes on purpose, so does the number.
func TestVotesHaveTheSameBitsEverywhere(t *testing.T) {
	t.Parallel()
	hash := fnv.New64a()
	add := func(xs ...float64) {
		for _, x := range xs {
			var bits [8]byte
			binary.LittleEndian.PutUint64(bits[:], math.Float64bits(x))
			_, err := hash.Write(bits[:])
			require.NoError(t, err)
		}
	}
	draw := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		options := 2 + draw.IntN(4)
		var votes []int
		var ballots [][]int
		var weights []float64
		for range 1 + draw.IntN(30) {
			votes, ballots, weights = append(votes, draw.IntN(options)), append(ballots, draw.Perm(options)), append(weights, 0.01+0.98*draw.Float64())
		}
		scores, err := consensus.Count(votes, weights, options)
		require.NoError(t, err)
		add(scores...)
		scores, ps, err := consensus.LogOdds(votes, weights, options)
		require.NoError(t, err)
		add(scores...)
		add(ps...)
		for _, name := range []string{"borda", "copeland", "schulze"} {
			add(scoresOf(t, ballots, weights, options)[name]...)
		}
		n, err := consensus.EffectiveVotes(weights, weights[0])
		require.NoError(t, err)
		mean, deviation, agreement, err := consensus.Spread(weights)
		require.NoError(t, err)
		low, high := consensus.Wilson(votes[0], options, weights[0])
		wrong, err := consensus.MajorityError(weights[0], len(votes), 1-weights[0])
		require.NoError(t, err)
		add(n, mean, deviation, agreement, low, high, wrong)
		v1, v2 := draw.IntN(3000), draw.IntN(3000)
		add(consensus.MajorityPosterior(v1, v2))
	}
	answers, _ := crowd([]float64{0.9, 0.8, 0.6}, 40, 3)
	accuracies, posteriors, err := consensus.DawidSkene(answers, 3)
	require.NoError(t, err)
	add(accuracies...)
	for _, ps := range posteriors {
		add(ps...)
	}
	require.Equal(t, uint64(0xc89039cd29e1d5f9), hash.Sum64())
}
