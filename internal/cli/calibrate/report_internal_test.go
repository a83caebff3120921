package calibrate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/consensus"
)

// sure says 0.9 n times and is right three times of four.
func sure(n int) *labelled {
	a := &labelled{name: "a", n: n}
	for i := range n {
		right := i%4 != 3
		if right {
			a.right++
		}
		a.stated = append(a.stated, consensus.Label{Confidence: 0.9, Correct: right})
	}
	return a
}

func TestBelowThirtyLabelsThereAreCountsOnly(t *testing.T) {
	t.Parallel()
	r, err := reportOf(sure(29), consensus.FitTemperature)
	require.NoError(t, err)
	require.Nil(t, r.fit)
	require.Nil(t, r.ECE)
	require.Nil(t, r.BrierAfter)
	require.Equal(t, mapping{N: 29, Correct: 22, Low: r.Low, High: r.High}, r.mapping())
	low, high := consensus.Wilson(22, 29, 0.95)
	require.InDelta(t, low, r.Low, 0)
	require.InDelta(t, high, r.High, 0)
}

func TestCrossValidationNeedsAFewMore(t *testing.T) {
	t.Parallel()
	for n := consensus.FewestLabels; n < fewestJudged; n++ {
		r, err := reportOf(sure(n), consensus.FitTemperature)
		require.NoError(t, err)
		require.NotNil(t, r.fit)
		require.NotNil(t, r.ECE)
		require.Nil(t, r.ECEAfter)
	}
	for n := fewestJudged; n < 60; n++ { // each fold leaves enough
		r, err := reportOf(sure(n), consensus.FitTemperature)
		require.NoError(t, err)
		require.Less(t, *r.ECEAfter, *r.ECE)
	}
}

func TestNoLabelIsJudgedByAMapThatSawIt(t *testing.T) {
	t.Parallel()
	ls := make(consensus.Labels, 50) // each fold of its own confidence, as isotonic maps show best
	for i := range ls {
		ls[i] = consensus.Label{Confidence: float64(i%folds+1) / 20, Correct: i%3 == 0}
	}
	got, err := judged(ls, consensus.FitIsotonic)
	require.NoError(t, err)
	for fold := range folds {
		others := consensus.Labels{}
		for i := range ls {
			if i%folds != fold {
				others = append(others, ls[i])
			}
		}
		m, err := consensus.FitIsotonic(others)
		require.NoError(t, err)
		want, err := m.Apply(ls[fold].Confidence)
		require.NoError(t, err)
		require.InDelta(t, want, got[fold].Confidence, 0)
		require.Equal(t, ls[fold].Correct, got[fold].Correct)
	}
}

func TestWhatNoFitCanImproveIsNotShownAsImproved(t *testing.T) {
	t.Parallel()
	noise := &labelled{name: "noise"}
	for i := range 60 { // right half of the time, whatever is stated: fitted to itself it would look perfect
		noise.stated = append(noise.stated, consensus.Label{Confidence: 0.5, Correct: i*i%7 < 3})
	}
	noise.n, noise.right = 60, noise.stated.Correct()
	r, err := reportOf(noise, consensus.FitIsotonic)
	require.NoError(t, err)
	require.GreaterOrEqual(t, *r.BrierAfter, float64(noise.right*(60-noise.right))/3600)
}

func TestTheErrorBeforeIsThatOfTheKernel(t *testing.T) {
	t.Parallel()
	var ls consensus.Labels
	for i := range 101 {
		ls = append(ls, consensus.Label{Confidence: float64(i) / 100, Correct: i%3 == 0})
	}
	want, err := ls.ECE(bins)
	require.NoError(t, err)
	got, err := errorIn(ls, ls)
	require.NoError(t, err)
	require.InDelta(t, want, got, 1e-12)
}

func TestAMapKeepsItsZeros(t *testing.T) {
	t.Parallel()
	r := report{fit: &consensus.Map{Method: consensus.Platt}}
	m := r.mapping()
	require.NotNil(t, m.Slope)
	require.NotNil(t, m.Intercept)
}

func TestTheTableSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	few, err := reportOf(&labelled{name: "mute", n: 40, right: 10}, consensus.FitTemperature)
	require.NoError(t, err)
	enough, err := reportOf(sure(40), consensus.FitTemperature)
	require.NoError(t, err)
	require.Equal(t, `AGENT  LABELS  RIGHT  SHARE  95 %            ECE             BRIER           MAP
mute   40      10     0.250  0.142 to 0.402  -               -               none: 0 of 40 labels state a confidence, 30 needed
a      40      30     0.750  0.598 to 0.858  0.150 -> 0.000  0.210 -> 0.202  temperature 2.00
`, table([]report{few, enough}, consensus.Temperature))
}
