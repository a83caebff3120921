package consensus_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/consensus"
)

func TestMajorityError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accuracy    float64
		n           int
		correlation float64
		want        float64
	}{
		{0.85, 5, 0, 0.026611875},
		{0.85, 5, 0.3, 0.10432626168712045},
		{0.85, 4, 0.3, 0.11635961538461538},
		{0.6, 101, 0.05, 0.2050397816082606},
		{0.85, 1, 0, 0.15},
		{0.85, 1, 0.7, 0.15},
		{0.85, 2, 0, 0.15}, // a tie counts half
		{0.85, 9, 1, 0.15},
		{0.5, 7, 0.2, 0.5},
		{0, 3, 0.2, 1},
		{1, 3, 0.2, 0},
		{1, 4, 0, 0},
	} {
		got, err := consensus.MajorityError(c.accuracy, c.n, c.correlation)
		require.NoError(t, err)
		require.InDelta(t, c.want, got, 1e-12, "%+v", c)
	}
	tiny, err := consensus.MajorityError(0.99, 40, 0)
	require.NoError(t, err)
	require.InEpsilon(t, 5.746696726347243e-30, tiny, 1e-9)
	many, err := consensus.MajorityError(0.51, 100_001, 0)
	require.NoError(t, err)
	require.InEpsilon(t, 1.2642345274555e-10, many, 1e-9)
}

func TestMajorityErrorOfWhatHasNoMeaning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accuracy    float64
		n           int
		correlation float64
		want        string
	}{
		{1.5, 3, 0, "accuracy is 1.5, not between 0 and 1"},
		{0.5, 3, -0.1, "correlation is -0.1, not between 0 and 1"},
		{math.NaN(), 3, 0, "accuracy is NaN, not between 0 and 1"},
		{0.5, 0, 0, "there are 0 voters; a majority needs at least 1"},
	} {
		_, err := consensus.MajorityError(c.accuracy, c.n, c.correlation)
		require.EqualError(t, err, c.want)
	}
}

func TestMajorityErrorProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, rho := rapid.Float64Range(0, 1).Draw(t, "accuracy"), rapid.Float64Range(0, 1).Draw(t, "correlation")
		n := rapid.IntRange(1, 60).Draw(t, "n")
		wrong, err := consensus.MajorityError(p, n, rho)
		require.NoError(t, err)
		require.True(t, wrong >= 0 && wrong <= 1)
		mirrored, err := consensus.MajorityError(1-p, n, rho)
		require.NoError(t, err)
		require.InDelta(t, 1, wrong+mirrored, 1e-9, "who is right so often is wrong as often the other way round")
		if odd := n | 1; p > 0.5 {
			few, err := consensus.MajorityError(p, odd, rho)
			require.NoError(t, err)
			more, err := consensus.MajorityError(p, odd+2, rho)
			require.NoError(t, err)
			require.LessOrEqual(t, more, few+1e-12, "more voters that are rather right do no harm")
			require.LessOrEqual(t, few, 1-p+1e-12)
		}
	})
}

// crowd is what voters of the given accuracies say of so many questions, the truth being drawn too. One in ten answers is missing.
func crowd(accuracies []float64, questions, options int) (answers [][]int, truth []int) {
	draw := rand.New(rand.NewPCG(7, 11))
	for range questions {
		right := draw.IntN(options)
		row := make([]int, len(accuracies))
		for v, p := range accuracies {
			switch {
			case draw.Float64() < 0.1:
				row[v] = -1
			case draw.Float64() < p:
				row[v] = right
			default:
				row[v] = (right + 1 + draw.IntN(options-1)) % options
			}
		}
		answers, truth = append(answers, row), append(truth, right)
	}
	return answers, truth
}

func TestDawidSkeneFindsWhoIsAccurateWithoutLabels(t *testing.T) {
	t.Parallel()
	for _, options := range []int{2, 4} {
		want := []float64{0.95, 0.9, 0.6, 0.55, 0.6}
		answers, truth := crowd(want, 3000, options)
		got, posteriors, err := consensus.DawidSkene(answers, options)
		require.NoError(t, err)
		for v := range want {
			require.InDelta(t, want[v], got[v], 0.03, "%d options, voter %d", options, v)
		}
		better, plain := 0, 0
		for q, row := range answers {
			if consensus.Leaders(posteriors[q])[0] == truth[q] {
				better++
			}
			counts := make([]float64, options)
			for _, option := range row {
				if option >= 0 {
					counts[option]++
				}
			}
			if consensus.Leaders(counts)[0] == truth[q] {
				plain++
			}
		}
		require.Greater(t, better, plain, "%d options", options)
	}
}

func TestDawidSkeneIsAFixedPoint(t *testing.T) {
	t.Parallel()
	answers := [][]int{{0, 0, 1}, {1, 1, 1}, {0, 0, 0}, {1, 0, 0}, {1, 1, -1}, {-1, -1, -1}}
	accuracies, posteriors, err := consensus.DawidSkene(answers, 2)
	require.NoError(t, err)
	require.Equal(t, []float64{0.5, 0.5}, posteriors[5])
	for q, row := range answers {
		odds := 1.0 // of 0 against 1
		for v, option := range row {
			switch option {
			case 0:
				odds *= accuracies[v] / (1 - accuracies[v])
			case 1:
				odds /= accuracies[v] / (1 - accuracies[v])
			}
		}
		require.InDelta(t, odds/(1+odds), posteriors[q][0], 1e-8, "question %d", q)
	}
	for v := range accuracies {
		right, n := 1.0, 2.0
		for q, row := range answers {
			if row[v] >= 0 {
				right, n = right+posteriors[q][row[v]], n+1
			}
		}
		require.InDelta(t, right/n, accuracies[v], 1e-8, "voter %d", v)
	}
}

func TestDawidSkeneHasNoOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		options, voters := rapid.IntRange(2, 4).Draw(t, "options"), rapid.IntRange(1, 5).Draw(t, "voters")
		row := rapid.SliceOfN(rapid.IntRange(-1, options-1), voters, voters)
		answers := rapid.SliceOfN(row, 1, 8).Draw(t, "answers")
		accuracies, posteriors, err := consensus.DawidSkene(answers, options)
		require.NoError(t, err)

		questions := rapid.Permutation(indexes(len(answers))).Draw(t, "questions")
		columns := rapid.Permutation(indexes(voters)).Draw(t, "columns")
		shuffled := make([][]int, len(answers))
		for i, q := range questions {
			for _, v := range columns {
				shuffled[i] = append(shuffled[i], answers[q][v])
			}
		}
		again, truths, err := consensus.DawidSkene(shuffled, options)
		require.NoError(t, err)
		for i, v := range columns {
			require.True(t, accuracies[v] > 0 && accuracies[v] < 1)
			require.InDelta(t, accuracies[v], again[i], 0, "to the bit")
		}
		for i, q := range questions {
			require.Equal(t, posteriors[q], truths[i])
		}
	})
}

// indexes is 0 to n-1.
func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestWhatAreNoAnswersIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answers [][]int
		options int
		want    string
	}{
		{nil, 2, "there are no answers"},
		{[][]int{{0}}, 1, "there are 1 options; to be right or wrong takes 2"},
		{[][]int{{0, 1}, {0}}, 2, "question 1 has 1 answers and question 0 has 2; say -1 for one that is missing"},
		{[][]int{{0, 1}, {0, 2}}, 2, "answer 1 to question 1 is option 2, and there are 2"},
		{[][]int{{-2, 1}}, 2, "answer 0 to question 0 is option -2, and there are 2"},
	} {
		_, _, err := consensus.DawidSkene(c.answers, c.options)
		require.EqualError(t, err, c.want)
	}
}
