package consensus_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/consensus"
)

// box is the ballots of a text such as "5 ACBED, 2 AB": how many, and what they say, best first.
func box(text string) (ballots [][]int, weights []float64) {
	for ballot := range strings.SplitSeq(text, ", ") {
		count, ranked, _ := strings.Cut(ballot, " ")
		weight := 0.0
		for _, digit := range []byte(count) {
			weight = weight*10 + float64(digit-'0')
		}
		ballots, weights = append(ballots, letters(ranked)), append(weights, weight)
	}
	return ballots, weights
}

// oneByOne is the same ballots, each as often as its weight says.
func oneByOne(ballots [][]int, weights []float64) [][]int {
	var all [][]int
	for i, ballot := range ballots {
		for range int(weights[i]) {
			all = append(all, ballot)
		}
	}
	return all
}

const fortyFive = "5 ACBED, 5 ADECB, 8 BEDAC, 3 CABED, 7 CAEBD, 2 CBADE, 7 DCEBA, 8 EBADC"

// groups is a ranking in letters, groups parted by bars.
func groups(ranking [][]int) string {
	var text []string
	for _, group := range ranking {
		var names strings.Builder
		for _, option := range group {
			names.WriteByte(byte('A' + option))
		}
		text = append(text, names.String())
	}
	return strings.Join(text, "|")
}

func TestFortyFiveVoters(t *testing.T) {
	t.Parallel()
	weighted, weights := box(fortyFive)
	for name, voters := range map[string]struct {
		ballots [][]int
		weights []float64
	}{
		"by weight":  {weighted, weights},
		"one by one": {oneByOne(weighted, weights), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			borda, err := consensus.Borda(voters.ballots, voters.weights, 5)
			require.NoError(t, err)
			require.Equal(t, []float64{98, 92, 89, 69, 102}, borda)

			scores, ranking, err := consensus.Schulze(voters.ballots, voters.weights, 5)
			require.NoError(t, err)
			require.Equal(t, "E|A|C|B|D", groups(ranking))
			require.Equal(t, []float64{3, 1, 2, 0, 4}, scores)

			ranking, rounds, err := consensus.IRV(voters.ballots, voters.weights, 5)
			require.NoError(t, err)
			require.Equal(t, "C", groups(ranking[:1]))
			require.Equal(t, []float64{10, 8, 12, 7, 8}, rounds[0])

			pairs, err := consensus.Prefer(voters.ballots, voters.weights, 5)
			require.NoError(t, err)
			require.Equal(t, [][]float64{
				{0, 20, 26, 30, 22},
				{25, 0, 16, 33, 18},
				{19, 29, 0, 17, 24},
				{15, 12, 28, 0, 14},
				{23, 27, 21, 31, 0},
			}, pairs)

			copeland, err := consensus.Copeland(voters.ballots, voters.weights, 5)
			require.NoError(t, err)
			require.Equal(t, []float64{2, 2, 2, 1, 3}, copeland)
		})
	}
}

func TestACycleIsATie(t *testing.T) {
	t.Parallel()
	ballots, weights := box("1 ABC, 1 BCA, 1 CAB")
	for name, scores := range scoresOf(t, ballots, weights, 3) {
		require.Equal(t, letters("ABC"), consensus.Leaders(scores), name)
	}
	_, ranking, err := consensus.Schulze(ballots, weights, 3)
	require.NoError(t, err)
	require.Equal(t, "ABC", groups(ranking))
	ranking, rounds, err := consensus.IRV(ballots, weights, 3)
	require.NoError(t, err)
	require.Equal(t, "ABC", groups(ranking))
	require.Len(t, rounds, 1)
}

// scoresOf is what the methods that score ranked ballots say.
func scoresOf(t require.TestingT, ballots [][]int, weights []float64, options int) map[string][]float64 {
	borda, err := consensus.Borda(ballots, weights, options)
	require.NoError(t, err)
	copeland, err := consensus.Copeland(ballots, weights, options)
	require.NoError(t, err)
	schulze, _, err := consensus.Schulze(ballots, weights, options)
	require.NoError(t, err)
	return map[string][]float64{"borda": borda, "copeland": copeland, "schulze": schulze}
}

func TestApprovalOfFiveBallots(t *testing.T) {
	t.Parallel()
	ballots, _ := box("1 A, 1 AB, 1 BC, 1 B, 1 AB")
	scores, err := consensus.Approval(ballots, nil, 3)
	require.NoError(t, err)
	require.Equal(t, []float64{3, 4, 1}, scores)
	scores, err = consensus.Approval(ballots, []float64{0.5, 0.5, 0.25, 0, 2}, 3)
	require.NoError(t, err)
	require.Equal(t, []float64{3, 2.75, 0.25}, scores)
}

func TestAPartialBallotTiesTheRestForLast(t *testing.T) {
	t.Parallel()
	ballots, weights := box("1 A, 2 BC")
	borda, err := consensus.Borda(ballots, weights, 4)
	require.NoError(t, err)
	require.Equal(t, []float64{3 + 2*0.5, 1 + 2*3, 1 + 2*2, 1 + 2*0.5}, borda)
	pairs, err := consensus.Prefer(ballots, weights, 4)
	require.NoError(t, err)
	require.Equal(t, [][]float64{{0, 1, 1, 1}, {2, 0, 2, 2}, {2, 0, 0, 2}, {0, 0, 0, 0}}, pairs)
	copeland, err := consensus.Copeland(ballots, weights, 4)
	require.NoError(t, err)
	require.Equal(t, []float64{1, 3, 2, 0}, copeland)
	_, ranking, err := consensus.Schulze(ballots, weights, 4)
	require.NoError(t, err)
	require.Equal(t, "B|C|A|D", groups(ranking))
}

func TestAnEmptyBallotSaysNothing(t *testing.T) {
	t.Parallel()
	ballots := [][]int{{}, nil, letters("B")}
	borda, err := consensus.Borda(ballots, nil, 2)
	require.NoError(t, err)
	require.Equal(t, []float64{1, 2}, borda)
	pairs, err := consensus.Prefer(ballots, nil, 2)
	require.NoError(t, err)
	require.Equal(t, [][]float64{{0, 0}, {1, 0}}, pairs)
	ranking, rounds, err := consensus.IRV(ballots, nil, 2)
	require.NoError(t, err)
	require.Equal(t, "B|A", groups(ranking))
	require.Equal(t, [][]float64{{0, 1}, {0, 1}}, rounds)
}

func TestIRVBreaksTiesForLast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, ballots, want string }{
		{"the loser's ballots go on", "4 A, 3 B, 2 CB", "B|A|C"},
		{"a majority at once", "5 A, 2 B, 1 C", "A|B|C"},
		{"nobody to part them: both go", "4 A, 2 B, 2 C", "A|BC"},
		{"two that are left and tie have won", "3 A, 3 B, 1 C", "AB|C"},
		{"all tie", "2 A, 2 B", "AB"},
		// D goes, then B and C have three each; B had two in the first round.
		{"by the earliest round", "5 A, 2 B, 3 C, 1 DB", "A|C|B|D"},
		{"by the earliest round, mirrored", "5 A, 3 B, 2 C, 1 DC", "A|B|C|D"},
		// E goes, then D, and then B and C have six each; they had four each at first, and in the second round B four and C six.
		{"by the second round", "9 A, 4 B, 4 C, 2 DB, 1 D, 2 EC", "A|C|B|D|E"},
		{"by the whole ballots of those left", "4 A, 2 BC, 2 CB, 1 AB", "A|B|C"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ballots, weights := box(c.ballots)
			options := 0
			for _, ballot := range ballots {
				options = max(options, slices.Max(ballot)+1)
			}
			ranking, _, err := consensus.IRV(ballots, weights, options)
			require.NoError(t, err)
			require.Equal(t, c.want, groups(ranking))
		})
	}
}

func TestSchulzeTiesThoseWhomNobodyBeats(t *testing.T) {
	t.Parallel()
	ballots, weights := box("1 ABC, 1 BAC")
	scores, ranking, err := consensus.Schulze(ballots, weights, 3)
	require.NoError(t, err)
	require.Equal(t, "AB|C", groups(ranking))
	require.Equal(t, []float64{1, 1, 0}, scores)
}

func TestWhatIsNoBallotIsNamed(t *testing.T) {
	t.Parallel()
	methods := map[string]func(ballots [][]int, weights []float64, options int) error{
		"approval": func(b [][]int, w []float64, n int) error { _, err := consensus.Approval(b, w, n); return err },
		"borda":    func(b [][]int, w []float64, n int) error { _, err := consensus.Borda(b, w, n); return err },
		"copeland": func(b [][]int, w []float64, n int) error { _, err := consensus.Copeland(b, w, n); return err },
		"schulze":  func(b [][]int, w []float64, n int) error { _, _, err := consensus.Schulze(b, w, n); return err },
		"irv":      func(b [][]int, w []float64, n int) error { _, _, err := consensus.IRV(b, w, n); return err },
		"prefer":   func(b [][]int, w []float64, n int) error { _, err := consensus.Prefer(b, w, n); return err },
	}
	for name, method := range methods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, method([][]int{{0}, {1, 0, 1}}, nil, 2), "ballot 1 names option 1 twice")
			require.EqualError(t, method([][]int{{2}}, nil, 2), "ballot 0 names option 2, and there are 2")
			require.EqualError(t, method([][]int{{-1}}, nil, 2), "ballot 0 names option -1, and there are 2")
			require.EqualError(t, method(nil, nil, -1), "there are -1 options")
			require.EqualError(t, method([][]int{{0}}, []float64{math.NaN()}, 1), "weight 0 is NaN")
			require.EqualError(t, method([][]int{{0}}, []float64{}, 1), "there are 0 weights for 1")
			require.NoError(t, method(nil, nil, 0))
			require.NoError(t, method(nil, nil, 3))
			require.NoError(t, method([][]int{{0, 1}}, []float64{0}, 2))
		})
	}
	for _, name := range []string{"copeland", "schulze", "irv", "prefer"} {
		require.ErrorContains(t, methods[name](nil, nil, consensus.MaxPaired+1), "1001 options are too many")
		require.ErrorContains(t, methods[name](nil, nil, 1<<30), "too many", name)
	}
	require.NoError(t, methods["borda"](nil, nil, 2*consensus.MaxPaired))
}
