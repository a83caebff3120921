package consensus_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/consensus"
)

// letters is the options of a text, A for 0: "ABA" is 0, 1, 0.
func letters(text string) []int {
	options := make([]int, len(text))
	for i, r := range []byte(text) {
		options[i] = int(r - 'A')
	}
	return options
}

func TestPluralityOfSevenVotes(t *testing.T) {
	t.Parallel()
	counts, err := consensus.Count(letters("ABACABA"), nil, 3)
	require.NoError(t, err)
	require.Equal(t, []float64{4, 2, 1}, counts)
	require.Equal(t, letters("A"), consensus.Leaders(counts))
	require.InDelta(t, 4.0/7, counts[0]/7, 1e-9)
	require.InDelta(t, 2.0/7, (counts[0]-counts[1])/7, 1e-9)

	low, high := consensus.Wilson(4, 7, 0.95)
	require.InDelta(t, 0.2505, low, 5e-5)
	require.InDelta(t, 0.8418, high, 5e-5)
	require.InDelta(t, 0.25045836452765724, low, 1e-14)
	require.InDelta(t, 0.8417801447485301, high, 1e-14)
}

func TestWilsonAtItsEndsAndAtOtherLevels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		successes, n int
		level        float64
		low, high    float64
	}{
		{0, 10, 0.95, 0, 0.2775327998628892},
		{10, 10, 0.95, 0.7224672001371106, 1},
		{4, 7, 0.5, 0.4447427840084549, 0.6893965222502485},
		{4, 7, 0.9, 0.2894770910135929, 0.8135568096360439},
		{4, 7, 0.99, 0.1897149040883876, 0.8836263194838617},
		{4, 7, 0.999999, 0.07739116617913143, 0.9549418619655884},
		{0, 0, 0.95, 0, 1},
		{3, 2, 0.95, 0, 1},
		{-1, 2, 0.95, 0, 1},
		{1, 2, 1, 0, 1},
		{1, 2, math.NaN(), 0, 1},
	} {
		low, high := consensus.Wilson(c.successes, c.n, c.level)
		require.InDelta(t, c.low, low, 1e-11, "%+v", c)
		require.InDelta(t, c.high, high, 1e-11, "%+v", c)
	}
}

func TestTwoWeakVotesOutweighAZealot(t *testing.T) {
	t.Parallel()
	scores, err := consensus.Count(letters("ABB"), []float64{0.9, 0.6, 0.7}, 2)
	require.NoError(t, err)
	require.Equal(t, letters("B"), consensus.Leaders(scores))
	require.InDelta(t, 0.5909090909, scores[1]/(scores[0]+scores[1]), 1e-9)
}

func TestLogOddsFollowTheExpert(t *testing.T) {
	t.Parallel()
	scores, probabilities, err := consensus.LogOdds(letters("ABB"), []float64{0.9, 0.6, 0.6}, 2)
	require.NoError(t, err)
	require.InDelta(t, math.Log(9), scores[0], 1e-12)
	require.InDelta(t, 2.1972, scores[0], 5e-5)
	require.InDelta(t, 2*0.4055, scores[1], 1e-4)
	require.InDelta(t, 2*math.Log(1.5), scores[1], 1e-12)
	require.Equal(t, letters("A"), consensus.Leaders(scores))
	require.InDelta(t, 0.8, probabilities[0], 1e-12)
	require.InDelta(t, 0.2, probabilities[1], 1e-12)
}

func TestAVoterWhoIsMostlyWrongCountsAgainst(t *testing.T) {
	t.Parallel()
	scores, probabilities, err := consensus.LogOdds(letters("A"), []float64{0.2}, 2)
	require.NoError(t, err)
	require.InDelta(t, -math.Log(4), scores[0], 1e-12)
	require.InDelta(t, 0.2, probabilities[0], 1e-12)
}

func TestEffectiveVotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		weights     []float64
		correlation float64
		want        float64
	}{
		{"equal weights count in full", []float64{3, 3, 3, 3, 3}, 0, 5},
		{"alike in everything is one", []float64{1, 1, 1, 1, 1}, 1, 1},
		{"five at 0.3", []float64{1, 1, 1, 1, 1}, 0.3, 5 / 2.2},
		{"a zealot counts for most", []float64{8, 1, 1}, 0, 100.0 / 66},
		{"a weight of zero is no vote", []float64{1, 0, 1}, 0, 2},
		{"huge and tiny", []float64{1e299, 1e299, 5e-324}, 0, 2},
		{"tiny", []float64{5e-324, 5e-324}, 0, 2},
		{"no weight at all", []float64{0, 0}, 0.5, 0},
		{"nobody", nil, 0.5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := consensus.EffectiveVotes(c.weights, c.correlation)
			require.NoError(t, err)
			require.InDelta(t, c.want, got, 1e-12)
		})
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	mean, deviation, agreement, err := consensus.Spread([]float64{2, 4, 4, 4, 5, 5, 7, 9})
	require.NoError(t, err)
	require.InDelta(t, 5, mean, 1e-12)
	require.InDelta(t, 2, deviation, 1e-12)
	require.InDelta(t, 0.6, agreement, 1e-12)

	mean, deviation, agreement, err = consensus.Spread([]float64{-1e308, -1e308, -1e308})
	require.NoError(t, err)
	require.InEpsilon(t, -1e308, mean, 1e-12)
	require.Zero(t, deviation)
	require.InDelta(t, 1, agreement, 1e-12)

	_, _, agreement, err = consensus.Spread([]float64{-10, 12})
	require.NoError(t, err)
	require.InDelta(t, -10, agreement, 1e-12)
}

func TestLeadersForgiveRounding(t *testing.T) {
	t.Parallel()
	require.Empty(t, consensus.Leaders(nil))
	require.Equal(t, []int{0, 1}, consensus.Leaders([]float64{0, 0}))
	require.Equal(t, []int{0, 2}, consensus.Leaders([]float64{0.1 + 0.2, 0.1, 0.3}))
	require.Equal(t, []int{1}, consensus.Leaders([]float64{1, 1 + 1e-11}))
	require.Equal(t, []int{1}, consensus.Leaders([]float64{-2, -1}))
	require.Equal(t, []int{1, 2}, consensus.Leaders([]float64{1e-300, 2e-300, 2e-300}), "small scores differ too")
}

func TestTiesOfWeightsThatAreNoBinaryFractions(t *testing.T) {
	t.Parallel()
	scores, err := consensus.Count(letters("AAB"), []float64{0.1, 0.2, 0.3}, 2)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, consensus.Leaders(scores))
}

func TestWhatIsNoVoteIsNamed(t *testing.T) {
	t.Parallel()
	count := func(votes []int, weights []float64, options int) error {
		_, err := consensus.Count(votes, weights, options)
		return err
	}
	logOdds := func(votes []int, accuracies []float64) error {
		_, _, err := consensus.LogOdds(votes, accuracies, 2)
		return err
	}
	effective := func(weights []float64, correlation float64) error {
		_, err := consensus.EffectiveVotes(weights, correlation)
		return err
	}
	spread := func(xs ...float64) error {
		_, _, _, err := consensus.Spread(xs)
		return err
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		err  error
		want string
	}{
		{count([]int{0, 2}, nil, 2), "vote 1 is for option 2, and there are 2"},
		{count([]int{-1}, nil, 2), "vote 0 is for option -1, and there are 2"},
		{count(nil, nil, -2), "there are -2 options"},
		{count([]int{0, 1}, []float64{1}, 2), "there are 1 weights for 2"},
		{count([]int{0, 1}, []float64{1, nan}, 2), "weight 1 is NaN"},
		{count([]int{0, 1}, []float64{-1, 1}, 2), "weight 0 is -1"},
		{count([]int{0, 1}, []float64{1, inf}, 2), "weight 1 is +Inf"},
		{count([]int{0, 1}, []float64{6e299, 6e299}, 2), "the weights add up to more than 1e+300"},
		{logOdds([]int{0}, nil), "there are 0 accuracies for 1 votes"},
		{logOdds([]int{0, 5}, []float64{0.5, 0.5}), "vote 1 is for option 5, and there are 2"},
		{logOdds([]int{0, 1}, []float64{0.5, 1.5}), "accuracy 1 is 1.5, not between 0 and 1"},
		{logOdds([]int{0, 1}, []float64{0.5, nan}), "accuracy 1 is NaN, not between 0 and 1"},
		{logOdds([]int{0, 1}, []float64{0.5, 1}), "accuracy 1 is 1, so that its log odds have no bound: nobody is always right or always wrong"},
		{logOdds([]int{0, 1}, []float64{0, 0.5}), "accuracy 0 is 0, so that its log odds have no bound: nobody is always right or always wrong"},
		{effective([]float64{1}, 1.5), "correlation is 1.5, not between 0 and 1"},
		{effective([]float64{1}, nan), "correlation is NaN, not between 0 and 1"},
		{effective([]float64{-1}, 0), "weight 0 is -1"},
		{spread(), "there are no numbers"},
		{spread(1, nan), "number 1 is NaN"},
		{spread(1, -1), "the mean is 0, so that there is no coefficient of variation"},
		{spread(0.1, 0.2, -0.3), "the mean is 0, so that there is no coefficient of variation"},
	} {
		require.EqualError(t, c.err, c.want)
	}
}

func TestNoVotesAreNoVotes(t *testing.T) {
	t.Parallel()
	counts, err := consensus.Count(nil, nil, 2)
	require.NoError(t, err)
	require.Equal(t, []float64{0, 0}, counts)
	counts, err = consensus.Count(letters("AB"), []float64{0, 0}, 2)
	require.NoError(t, err)
	require.Equal(t, []float64{0, 0}, counts)
	scores, probabilities, err := consensus.LogOdds(nil, nil, 0)
	require.NoError(t, err)
	require.Empty(t, scores)
	require.Empty(t, probabilities)
}
