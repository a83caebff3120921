package consensus_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/consensus"
)

// stated are n labels of one confidence of which so many are correct.
func stated(confidence float64, n, correct int) consensus.Labels {
	ls := make(consensus.Labels, n)
	for i := range ls {
		ls[i] = consensus.Label{Confidence: confidence, Correct: i < correct}
	}
	return ls
}

func join(all ...consensus.Labels) consensus.Labels {
	var out consensus.Labels
	for _, ls := range all {
		out = append(out, ls...)
	}
	return out
}

func TestMeasuresOfCalibrationByHand(t *testing.T) {
	t.Parallel()
	// Gaps: .95 against 3/4 in the last bin, .6 against 1 in the sixth.
	ls := join(stated(0.95, 4, 3), stated(0.6, 2, 2))
	ece, err := ls.ECE(10)
	require.NoError(t, err)
	require.InDelta(t, (4*0.2+2*0.4)/6, ece, 1e-12)
	mce, err := ls.MCE(10)
	require.NoError(t, err)
	require.InDelta(t, 0.4, mce, 1e-12)
	brier, err := ls.Brier()
	require.NoError(t, err)
	require.InDelta(t, (3*0.05*0.05+0.95*0.95+2*0.4*0.4)/6, brier, 1e-12)
	nll, err := ls.NLL()
	require.NoError(t, err)
	require.InDelta(t, -(3*math.Log(0.95)+math.Log(0.05)+2*math.Log(0.6))/6, nll, 1e-12)
	one, err := ls.ECE(1)
	require.NoError(t, err)
	require.InDelta(t, 5.0/6-(4*0.95+2*0.6)/6, one, 1e-12)
}

func TestPerfectForecastsHaveNoError(t *testing.T) {
	t.Parallel()
	ls := join(stated(1, 3, 3), stated(0, 5, 0))
	for name, measure := range map[string]func() (float64, error){
		"ece": func() (float64, error) { return ls.ECE(10) }, "mce": func() (float64, error) { return ls.MCE(10) }, "brier": ls.Brier, "nll": ls.NLL,
	} {
		got, err := measure()
		require.NoError(t, err)
		require.InDelta(t, 0, got, 0, name)
	}
}

func TestACertainMistakeHasNoLikelihood(t *testing.T) {
	t.Parallel()
	_, err := join(stated(0.5, 2, 1), stated(1, 2, 1)).NLL()
	var e *consensus.CertainAndWrong
	require.ErrorAs(t, err, &e)
	require.Equal(t, 3, e.Label)
}

func TestBelowThirtyLabelsThereIsOnlyAnInterval(t *testing.T) {
	t.Parallel()
	for name, fit := range fits() {
		_, err := fit(stated(0.9, 29, 20))
		var few *consensus.TooFewLabels
		require.ErrorAs(t, err, &few, name)
		low, high := consensus.Wilson(20, 29, 0.95)
		require.Equal(t, consensus.TooFewLabels{N: 29, Correct: 20, Low: low, High: high}, *few)
		_, err = fit(stated(0.9, 30, 20))
		require.NoError(t, err, name)
		_, err = fit(nil)
		require.ErrorAs(t, err, &few)
		require.EqualError(t, err, "0 labels of which 0 are correct are too few, want at least 30; all they say is an accuracy of 0.00 to 1.00")
		_, err = fit(stated(1.5, 30, 20))
		require.EqualError(t, err, "the confidence of label 0 is 1.5, not between 0 and 1")
	}
}

func fits() map[string]func(consensus.Labels) (consensus.Map, error) {
	return map[string]func(consensus.Labels) (consensus.Map, error){
		consensus.Temperature: consensus.FitTemperature, consensus.Platt: consensus.FitPlatt, consensus.Isotonic: consensus.FitIsotonic,
	}
}

// Odds of 9 were stated where 3 would have been right: their logarithms are 2 to 1.
func TestTemperatureOfTheOverconfident(t *testing.T) {
	t.Parallel()
	m, err := consensus.FitTemperature(stated(0.9, 40, 30))
	require.NoError(t, err)
	require.InDelta(t, 2, m.Temperature, 1e-9)
	require.Equal(t, 40, m.N)
	got, err := m.Apply(0.9)
	require.NoError(t, err)
	require.InDelta(t, 0.75, got, 1e-9)
	half, err := m.Apply(0.5)
	require.NoError(t, err)
	require.InDelta(t, 0.5, half, 1e-12)
}

func TestTemperatureAtItsEnds(t *testing.T) {
	t.Parallel()
	m, err := consensus.FitTemperature(stated(0.5, 40, 30))
	require.NoError(t, err)
	require.InDelta(t, 1, m.Temperature, 0, "one half says nothing")
	m, err = consensus.FitTemperature(stated(0.9, 40, 10))
	require.NoError(t, err)
	require.InDelta(t, 100, m.Temperature, 1e-9, "mostly wrong above one half")
	// All correct: the smoothed target is 41/42, odds of 41.
	m, err = consensus.FitTemperature(stated(0.9, 40, 40))
	require.NoError(t, err)
	require.InDelta(t, math.Log(9)/math.Log(41), m.Temperature, 1e-9)
}

// Two groups of confidences and two parameters: the curve goes through both smoothed shares.
func TestPlattGoesThroughTwoGroups(t *testing.T) {
	t.Parallel()
	m, err := consensus.FitPlatt(join(stated(0.9, 20, 14), stated(0.6, 20, 6)))
	require.NoError(t, err)
	yes, no := 21.0/22, 1.0/22
	for confidence, correct := range map[float64]float64{0.9: 14, 0.6: 6} {
		got, err := m.Apply(confidence)
		require.NoError(t, err)
		require.InDelta(t, (correct*yes+(20-correct)*no)/20, got, 1e-9)
	}
}

func TestIsotonicPoolsNeighboursThatAreOutOfOrder(t *testing.T) {
	t.Parallel()
	// Accuracies 2/10, 6/10, 4/10, 9/10: the middle two are pooled to 1/2.
	m, err := consensus.FitIsotonic(join(stated(0.7, 10, 4), stated(0.2, 10, 2), stated(0.9, 10, 9), stated(0.5, 10, 6)))
	require.NoError(t, err)
	require.Equal(t, []float64{0.2, 0.5, 0.7, 0.9}, m.Confidences)
	require.Equal(t, []float64{0.2, 0.5, 0.5, 0.9}, m.Values)
	for p, want := range map[float64]float64{0: 0.2, 0.2: 0.2, 0.35: 0.35, 0.6: 0.5, 0.8: 0.7, 1: 0.9} {
		got, err := m.Apply(p)
		require.NoError(t, err)
		require.InDelta(t, want, got, 1e-12, "%v", p)
	}
}

// Equal confidences are one value, whichever of their labels comes first.
func TestIsotonicTakesTiesTogether(t *testing.T) {
	t.Parallel()
	tied := consensus.Labels{{Confidence: 0.5}, {Confidence: 0.5, Correct: true}, {Confidence: 0.5, Correct: true}, {Confidence: 0.5, Correct: true}}
	m, err := consensus.FitIsotonic(join(stated(0.2, 50, 30), tied))
	require.NoError(t, err)
	require.Equal(t, []float64{0.6, 0.75}, m.Values)
}

func TestAMapIsPlainDataThatIsChecked(t *testing.T) {
	t.Parallel()
	for name, fit := range fits() {
		m, err := fit(join(stated(0.9, 20, 14), stated(0.6, 20, 6)))
		require.NoError(t, err)
		raw, err := json.Marshal(m)
		require.NoError(t, err)
		var again consensus.Map
		require.NoError(t, json.Unmarshal(raw, &again))
		require.Equal(t, m, again, name)
	}
	for want, m := range map[string]consensus.Map{
		`the method "" is none of temperature, platt and isotonic`: {},
		"the temperature 0 is not a finite number above 0":         {Method: consensus.Temperature},
		"slope 0 is NaN":                           {Method: consensus.Platt, Slope: math.NaN()},
		"there is no confidence":                   {Method: consensus.Isotonic},
		"2 confidences and 1 values":               {Method: consensus.Isotonic, Confidences: []float64{0, 1}, Values: []float64{0}},
		"value 1 is below the one before":          {Method: consensus.Isotonic, Confidences: []float64{0, 1}, Values: []float64{0.5, 0.4}},
		"confidence 1 is not above the one before": {Method: consensus.Isotonic, Confidences: []float64{0, 0}, Values: []float64{0.5, 0.6}},
		"value 0 is 2, not between 0 and 1":        {Method: consensus.Isotonic, Confidences: []float64{0}, Values: []float64{2}},
	} {
		_, err := m.Apply(0.5)
		require.EqualError(t, err, want)
	}
	m := consensus.Map{Method: consensus.Temperature, Temperature: 2}
	_, err := m.Apply(math.NaN())
	require.EqualError(t, err, "the confidence is NaN, not between 0 and 1")
}

// anyLabels are enough labels to fit to.
func anyLabels() *rapid.Generator[consensus.Labels] {
	label := rapid.Custom(func(t *rapid.T) consensus.Label {
		return consensus.Label{Confidence: rapid.Float64Range(0, 1).Draw(t, "confidence"), Correct: rapid.Bool().Draw(t, "correct")}
	})
	return rapid.Custom(func(t *rapid.T) consensus.Labels { return rapid.SliceOfN(label, 30, 60).Draw(t, "labels") })
}

func TestMapsKeepTheOrderAndHaveNone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ls := anyLabels().Draw(t, "labels")
		other := rapid.Permutation(ls).Draw(t, "other")
		for name, fit := range fits() {
			m, err := fit(ls)
			require.NoError(t, err)
			require.NoError(t, m.Check(), name)
			again, err := fit(other)
			require.NoError(t, err)
			require.Equal(t, m, again, "%s depends on the order", name)
			rising := name != consensus.Platt || m.Slope >= 0
			before := 0.0
			for i := range 101 {
				p, err := m.Apply(float64(i) / 100)
				require.NoError(t, err)
				require.True(t, p >= 0 && p <= 1)
				if i > 0 && rising {
					require.GreaterOrEqual(t, p+1e-12, before, name)
				}
				before = p
			}
		}
	})
}

// loss is the mean loss of a map on labels.
func loss(t require.TestingT, m consensus.Map, ls consensus.Labels, f func(consensus.Labels) (float64, error)) float64 {
	mapped := make(consensus.Labels, len(ls))
	for i, l := range ls {
		p, err := m.Apply(l.Confidence)
		require.NoError(t, err)
		mapped[i] = consensus.Label{Confidence: p, Correct: l.Correct}
	}
	got, err := f(mapped)
	if certain := new(consensus.CertainAndWrong); errors.As(err, &certain) {
		return math.Inf(1)
	}
	require.NoError(t, err)
	return got
}

// No temperature is better than the one found, and no map that keeps the order has a smaller Brier score than the isotonic one.
func TestMapsAreTheBestOfTheirKind(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ls := anyLabels().Draw(t, "labels")
		nll := func(ls consensus.Labels) (float64, error) { return ls.NLL() }
		brier := func(ls consensus.Labels) (float64, error) { return ls.Brier() }
		isotonic, err := consensus.FitIsotonic(ls)
		require.NoError(t, err)
		found, err := consensus.FitTemperature(ls)
		require.NoError(t, err)
		best, m := loss(t, isotonic, ls, brier), found
		least := loss(t, m, ls, nll)
		for _, m.Temperature = range []float64{0.05, 0.2, 0.5, 0.8, 1, 1.3, 2, 5, 30, 100, found.Temperature * 1.01, found.Temperature * 0.99} {
			require.LessOrEqual(t, best, loss(t, m, ls, brier)+1e-12)
			if m.Temperature <= 100 && !separated(ls) {
				require.LessOrEqual(t, least, loss(t, m, ls, nll)+1e-9)
			}
		}
	})
}

// separated says whether all above one half are correct and all below are wrong.
func separated(ls consensus.Labels) bool {
	for _, l := range ls {
		if l.Confidence > 0.5 && !l.Correct || l.Confidence < 0.5 && l.Correct {
			return false
		}
	}
	return true
}

func FuzzCalibration(f *testing.F) {
	for _, s := range floats() {
		f.Add(s, uint64(0x5555), 10, 0.5)
	}
	f.Fuzz(func(t *testing.T, raw []byte, right uint64, bins int, p float64) {
		var ls consensus.Labels
		for i, c := range hostile(raw) {
			for range 5 {
				ls = append(ls, consensus.Label{Confidence: c, Correct: right>>(i%64)&1 == 1})
			}
			right = right*6364136223846793005 + 1442695040888963407
		}
		if len(ls) > 400 {
			return
		}
		for name, measure := range map[string]func() (float64, error){
			"ece": func() (float64, error) { return ls.ECE(bins) }, "mce": func() (float64, error) { return ls.MCE(bins) }, "brier": ls.Brier,
		} {
			got, err := measure()
			require.True(t, err != nil || got >= 0 && got <= 1, "%s %v", name, got)
		}
		nll, err := ls.NLL()
		require.True(t, err != nil || nll >= 0 && nll <= 1000, "%v", nll)
		for name, fit := range fits() {
			m, err := fit(ls)
			if err != nil {
				continue
			}
			require.NoError(t, m.Check(), name)
			got, err := m.Apply(p)
			require.True(t, err != nil || got >= 0 && got <= 1, "%s %v", name, got)
		}
		hostileMap := consensus.Map{Method: consensus.Isotonic, Confidences: hostile(raw), Values: hostile(raw)}
		got, err := hostileMap.Apply(p)
		require.True(t, err != nil || got >= 0 && got <= 1)
	})
}
