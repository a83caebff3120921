package consensus_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/consensus"
)

func TestBradleyTerryOfTwoIsTheShareOfWins(t *testing.T) {
	t.Parallel()
	got, err := consensus.BradleyTerry([][]float64{{0, 3}, {1, 0}}, 0)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{0.75, 0.25}, got, 1e-12)
}

// The wins follow exactly from strengths 4, 2 and 1, so that these are the most likely ones.
func TestBradleyTerryFindsTheStrengthsBehindTheWins(t *testing.T) {
	t.Parallel()
	got, err := consensus.BradleyTerry([][]float64{{0, 4, 8}, {2, 0, 6}, {2, 3, 0}}, 0)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{4.0 / 7, 2.0 / 7, 1.0 / 7}, got, 1e-12)
}

// The worked example of the article on the model in Wikipedia: strengths with a product of one.
func TestBradleyTerryPublishedExample(t *testing.T) {
	t.Parallel()
	got, err := consensus.BradleyTerry([][]float64{{0, 2, 0, 1}, {3, 0, 5, 0}, {0, 3, 0, 1}, {4, 0, 3, 0}}, 0)
	require.NoError(t, err)
	mean := math.Pow(got[0]*got[1]*got[2]*got[3], 0.25)
	for i, want := range []float64{0.640, 1.043, 0.660, 2.270} {
		require.InDelta(t, want, got[i]/mean, 5e-4)
	}
}

func TestBradleyTerrySaysWhoIsOutOfReach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wins [][]float64
		want []int
	}{
		{[][]float64{{0, 0, 1}, {2, 0, 3}, {1, 0, 0}}, []int{1}},                           // never lost
		{[][]float64{{0, 0, 0}, {2, 0, 3}, {1, 1, 0}}, []int{1, 2}},                        // the first never won
		{[][]float64{{0, 1, 0, 0}, {1, 0, 0, 0}, {0, 0, 0, 1}, {0, 0, 1, 0}}, []int{0, 1}}, // two groups that never met
		{[][]float64{{0, 1, 1, 1}, {1, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 1, 0}}, []int{0, 1}}, // a group below
		{[][]float64{{0, 0}, {0, 0}}, []int{0}},                                            // nothing known
	} {
		_, err := consensus.BradleyTerry(c.wins, 0)
		var e *consensus.Unreachable
		require.ErrorAs(t, err, &e)
		require.Equal(t, c.want, e.Players)
		got, err := consensus.BradleyTerry(c.wins, 0.5)
		require.NoError(t, err)
		require.InDelta(t, 1, consensus.Sum(got), 1e-12)
	}
	// Won all of one game, with half a game won and lost against the imagined player: 3 to 1 by symmetry, squared.
	got, err := consensus.BradleyTerry([][]float64{{0, 1}, {0, 0}}, 0.5)
	require.NoError(t, err)
	require.Greater(t, got[0], 0.5)
	require.Less(t, got[0], 1.0)
}

func TestBradleyTerryRefusesWhatAreNoWins(t *testing.T) {
	t.Parallel()
	for want, wins := range map[string][][]float64{
		"there is no player":                                     nil,
		"row 0 has 1 columns, want 2":                            {{0}, {0, 0}},
		"the wins of 0 against 1 are -1, not a number of games":  {{0, -1}, {0, 0}},
		"the wins of 1 against 0 are NaN, not a number of games": {{0, 1}, {math.NaN(), 0}},
		"1 played against itself":                                {{0, 1}, {1, 3}},
	} {
		_, err := consensus.BradleyTerry(wins, 0)
		require.EqualError(t, err, want)
	}
	_, err := consensus.BradleyTerry([][]float64{{0}}, math.NaN())
	require.EqualError(t, err, "the prior NaN is not a number of games")
}

// At the most likely strengths the expected wins of each are those that were counted (Ford 1957).
func TestBradleyTerryExpectsTheWinsThatWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 6).Draw(t, "n")
		wins := make([][]float64, n)
		for i := range wins {
			wins[i] = make([]float64, n)
			for j := range i {
				wins[i][j] = float64(rapid.IntRange(0, 9).Draw(t, "won"))
				wins[j][i] = float64(rapid.IntRange(0, 9).Draw(t, "lost"))
			}
		}
		s, err := consensus.BradleyTerry(wins, 0)
		if err != nil {
			var e *consensus.Unreachable
			require.ErrorAs(t, err, &e)
			return
		}
		require.InDelta(t, 1, consensus.Sum(s), 1e-12)
		for i := range wins {
			counted, expected := 0.0, 0.0
			for j := range wins {
				counted += wins[i][j]
				if i != j {
					expected += (wins[i][j] + wins[j][i]) * s[i] / (s[i] + s[j])
				}
			}
			require.InDelta(t, expected, counted, 1e-7)
		}
	})
}

// The ratings of ten items by fourteen raters in five categories with which textbooks show the measure.
func TestFleissKappaOfTheClassicTable(t *testing.T) {
	t.Parallel()
	table := [][]int{
		{0, 0, 0, 0, 14},
		{0, 2, 6, 4, 2},
		{0, 0, 3, 5, 6},
		{0, 3, 9, 2, 0},
		{2, 2, 8, 1, 1},
		{7, 7, 0, 0, 0},
		{3, 2, 6, 3, 0},
		{2, 5, 3, 2, 2},
		{6, 5, 2, 1, 0},
		{0, 2, 2, 3, 7},
	}
	got, err := consensus.FleissKappa(table)
	require.NoError(t, err)
	require.InDelta(t, 0.210, got, 5e-4)
	slices.Reverse(table)
	again, err := consensus.FleissKappa(table)
	require.NoError(t, err)
	require.InDelta(t, got, again, 0)
}

func TestFleissKappaAtItsEnds(t *testing.T) {
	t.Parallel()
	always, err := consensus.FleissKappa([][]int{{3, 0}, {0, 3}})
	require.NoError(t, err)
	require.InDelta(t, 1, always, 1e-12)
	never, err := consensus.FleissKappa([][]int{{1, 1}, {1, 1}})
	require.NoError(t, err)
	require.InDelta(t, -1, never, 1e-12)
	for want, counts := range map[string][][]int{
		"there is no item": nil,
		"all ratings are in one category, so that kappa is undefined": {{2, 0}, {2, 0}},
		"item 1 has 1 categories, the first has 2":                    {{2, 0}, {2}},
		"item 1 has 3 ratings, the first has 2":                       {{2, 0}, {2, 1}},
		"item 0 has 1 ratings, want at least 2":                       {{1, 0}, {0, 1}},
		"item 0 has -1 ratings in category 1":                         {{1, -1}},
	} {
		_, err := consensus.FleissKappa(counts)
		require.EqualError(t, err, want)
	}
}

func FuzzJudges(f *testing.F) {
	for _, s := range floats() {
		f.Add(s, 0.5)
	}
	f.Fuzz(func(t *testing.T, raw []byte, prior float64) {
		xs := hostile(raw)
		n := int(math.Sqrt(float64(len(xs))))
		if n > 6 {
			return
		}
		wins := slices.Collect(slices.Chunk(xs[:n*n], max(n, 1)))
		s, err := consensus.BradleyTerry(wins, prior)
		for _, x := range s {
			require.True(t, err == nil && x >= 0 && x <= 1, "%v: %v", wins, s)
		}
		counts := make([][]int, 0, len(raw)/4)
		for row := range slices.Chunk(raw, 4) {
			var c []int
			for _, b := range row {
				c = append(c, int(int8(b)))
			}
			counts = append(counts, c)
		}
		if k, err := consensus.FleissKappa(counts); err == nil {
			require.True(t, k >= -1-1e-12 && k <= 1+1e-12, "%v: %v", counts, k)
		}
	})
}
