package consensus_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/consensus"
)

// cheapAndDear is a cheap stage that is right when it scores 0.8 or more, and a dear one that is always right.
func cheapAndDear() [][]consensus.Stage {
	var rows [][]consensus.Stage
	for i := range 10 {
		score := float64(i) / 10
		rows = append(rows, []consensus.Stage{{Score: score, Correct: score >= 0.8 || i == 3, Cost: 1}, {Score: 1, Correct: true, Cost: 10}})
	}
	return rows
}

func TestCascadeTakesTheCheapAnswersThatHold(t *testing.T) {
	t.Parallel()
	got, err := consensus.FitCascade(cheapAndDear(), 1)
	require.NoError(t, err)
	low, high := consensus.Wilson(10, 10, 0.95)
	require.Equal(t, consensus.Cascade{Thresholds: []float64{0.8}, N: 10, Accuracy: 1, Low: low, High: high, Cost: 9, Calls: 1.8}, got)
	// Down to 0.3 there are four wrong ones; nine in ten may only take 0.7 more.
	got, err = consensus.FitCascade(cheapAndDear(), 0.9)
	require.NoError(t, err)
	require.Equal(t, []float64{0.7}, got.Thresholds)
	require.InDelta(t, 0.9, got.Accuracy, 1e-12)
	require.InDelta(t, 8, got.Cost, 1e-12)
	got, err = consensus.FitCascade(cheapAndDear(), 0)
	require.NoError(t, err)
	require.Equal(t, []float64{0}, got.Thresholds)
	require.InDelta(t, 1, got.Calls, 1e-12)
}

func TestACascadeThatCannotReachItsTargetSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	rows := cheapAndDear()
	rows[0][1].Correct = false
	_, err := consensus.FitCascade(rows, 0.95)
	var e *consensus.TargetMissed
	require.ErrorAs(t, err, &e)
	require.InDelta(t, 0.9, e.Best.Accuracy, 1e-12)
	require.EqualError(t, err, "no thresholds reach an accuracy of 0.95; the best is 0.9 at a cost of 9")
}

func TestAStageThatNeverHelpsIsNeverAccepted(t *testing.T) {
	t.Parallel()
	rows := [][]consensus.Stage{{{Score: 0.9, Cost: 1}, {Score: 0.5, Correct: true, Cost: 5}}}
	got, err := consensus.FitCascade(rows, 1)
	require.NoError(t, err)
	require.Equal(t, []float64{consensus.NeverAccept}, got.Thresholds)
	require.InDelta(t, 2, got.Calls, 0)
}

func TestRowsAreChecked(t *testing.T) {
	t.Parallel()
	for want, rows := range map[string][][]consensus.Stage{
		"there is no row":                                                nil,
		"row 0 has 0 stages, want 1 to 8":                                {{}},
		"row 0 has 9 stages, want 1 to 8":                                {make([]consensus.Stage, 9)},
		"row 1 has 1 stages, the first has 2":                            {make([]consensus.Stage, 2), make([]consensus.Stage, 1)},
		"the score of row 0 at stage 1 is NaN, not between 0 and 1":      {{{}, {Score: math.NaN()}}},
		"the cost of row 0 at stage 0 is -1, not a number of at least 0": {{{Cost: -1}}},
	} {
		_, err := consensus.FitCascade(rows, 0.5)
		require.EqualError(t, err, want)
	}
	_, err := consensus.FitCascade([][]consensus.Stage{{{}}}, 2)
	require.EqualError(t, err, "the target is 2, not between 0 and 1")
}

// anyRows are rows of so many stages, with few different scores so that there are ties.
func anyRows(stages int) *rapid.Generator[[][]consensus.Stage] {
	stage := rapid.Custom(func(t *rapid.T) consensus.Stage {
		return consensus.Stage{
			Score:   float64(rapid.IntRange(0, 10).Draw(t, "score")) / 10,
			Correct: rapid.Bool().Draw(t, "correct"),
			Cost:    float64(rapid.IntRange(0, 9).Draw(t, "cost")),
		}
	})
	return rapid.SliceOfN(rapid.SliceOfN(stage, stages, stages), 1, 15)
}

// replay is a cascade as it is described, without its search.
func replay(rows [][]consensus.Stage, thresholds []float64) (accuracy, cost float64) {
	for _, row := range rows {
		for k, s := range row {
			cost += s.Cost
			if k == len(thresholds) || s.Score >= thresholds[k] {
				if s.Correct {
					accuracy++
				}
				break
			}
		}
	}
	return accuracy / float64(len(rows)), cost / float64(len(rows))
}

// Every choice of thresholds on the grid of the scores is tried.
func TestNoCascadeIsCheaper(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows(3).Draw(t, "rows")
		target := float64(rapid.IntRange(0, 10).Draw(t, "target")) / 10
		got, err := consensus.FitCascade(rows, target)
		best, reached := 0.0, false
		for i := range 12 {
			for j := range 12 {
				accuracy, cost := replay(rows, []float64{float64(i) / 10, float64(j) / 10})
				best = max(best, accuracy)
				if accuracy >= target {
					reached = true
					require.NoError(t, err)
					require.LessOrEqual(t, got.Cost, cost+1e-9)
				}
			}
		}
		if !reached {
			var e *consensus.TargetMissed
			require.ErrorAs(t, err, &e)
			require.InDelta(t, best, e.Best.Accuracy, 1e-12)
			return
		}
		accuracy, cost := replay(rows, got.Thresholds)
		require.InDelta(t, accuracy, got.Accuracy, 1e-12)
		require.InDelta(t, cost, got.Cost, 1e-9)
		require.GreaterOrEqual(t, accuracy, target)
		again, err := consensus.FitCascade(rapid.Permutation(rows).Draw(t, "other"), target)
		require.NoError(t, err)
		require.Equal(t, got, again, "the order of the rows does not matter")
	})
}

// Many rows of many stages are fitted on a grid, and still reach the target.
func TestCascadeOfManyRows(t *testing.T) {
	t.Parallel()
	seed := uint64(1)
	next := func() float64 {
		seed = seed*6364136223846793005 + 1442695040888963407
		return float64(seed>>11) / (1 << 53)
	}
	rows := make([][]consensus.Stage, 3000)
	for i := range rows {
		hard := next()
		for k := range 4 {
			skill := 0.4 + 0.2*float64(k)
			score := min(1, max(0, 0.5+skill-hard+0.3*(next()-0.5)))
			rows[i] = append(rows[i], consensus.Stage{Score: score, Correct: next() < score, Cost: math.Pow(4, float64(k))})
		}
	}
	got, err := consensus.FitCascade(rows, 0.85)
	require.NoError(t, err)
	require.GreaterOrEqual(t, got.Accuracy, 0.85)
	all, dear := replay(rows, []float64{consensus.NeverAccept, consensus.NeverAccept, consensus.NeverAccept})
	require.Less(t, got.Cost, 0.6*dear, "the last has %v", all)
}

func FuzzCascade(f *testing.F) {
	for _, s := range floats() {
		f.Add(s, uint64(0x3333), uint8(2), 0.5)
	}
	f.Fuzz(func(t *testing.T, raw []byte, right uint64, stages uint8, target float64) {
		xs := hostile(raw)
		k := max(1, int(stages%5))
		if len(xs) > 80 {
			return
		}
		var rows [][]consensus.Stage
		for at := 0; at+2*k <= len(xs); at += 2 * k {
			var row []consensus.Stage
			for s := range k {
				row = append(row, consensus.Stage{Score: xs[at+2*s], Cost: xs[at+2*s+1], Correct: right>>((at+s)%64)&1 == 1})
			}
			rows = append(rows, row)
		}
		got, err := consensus.FitCascade(rows, target)
		if err == nil {
			require.GreaterOrEqual(t, got.Accuracy, target)
			require.True(t, got.Cost >= 0 && got.Cost <= math.MaxFloat64 && got.Calls >= 1 && got.Calls <= float64(k), "%+v", got)
			accuracy, _ := replay(rows, got.Thresholds)
			require.InDelta(t, accuracy, got.Accuracy, 1e-12)
		}
	})
}
