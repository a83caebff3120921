package main

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/consensus"
)

var update = flag.Bool("update", false, "rewrite the tables and the plot in docs")

const docs = "../../../docs"

func TestTheDocumentShowsThisSimulation(t *testing.T) {
	t.Parallel()
	study := Study{Seed: 1, Questions: 20000}
	if *update {
		require.NoError(t, study.write(docs))
	}
	page, err := os.ReadFile(filepath.Join(docs, "deciding.md"))
	require.NoError(t, err)
	want, err := fill(string(page), study.tables())
	require.NoError(t, err)
	require.Equal(t, want, string(page), "run make deciding")
	plot, err := os.ReadFile(filepath.Join(docs, "deciding.svg"))
	require.NoError(t, err)
	require.Equal(t, study.plot(), string(plot), "run make deciding")
}

// The simulated voters err as the formula for beta-binomial voters says: 0.0266 for five independent ones, 0.1043 at a correlation of 0.3.
func TestVotersCorrelateAsTheyShould(t *testing.T) {
	t.Parallel()
	const n = 40000
	for _, correlation := range []float64{0, 0.3, 0.7} {
		want, err := consensus.MajorityError(0.85, 5, correlation)
		require.NoError(t, err)
		w := newWorld(scenario{panel: panelOf(5, agent{accuracy: 0.85, cost: 1}), correlation: correlation})
		wrong := 0
		for i := range n {
			right := 0
			for _, samples := range w.draw(7, i).answers {
				if samples[0].option == truth {
					right++
				}
			}
			if right < 3 {
				wrong++
			}
		}
		require.InDelta(t, want, float64(wrong)/n, 4*math.Sqrt(want*(1-want)/n), "correlation %v", correlation)
	}
}

func TestTwoThatAreWrongAgreeInSixOfTenCases(t *testing.T) {
	t.Parallel()
	w := newWorld(scenario{panel: panelOf(2, agent{accuracy: 0.5, cost: 1}), correlation: 0.3, coinciding: true})
	both, same := 0, 0
	for i := range 40000 {
		a := w.draw(3, i).answers
		if x, y := a[0][0].option, a[1][0].option; x != truth && y != truth {
			both++
			if x == y {
				same++
			}
		}
	}
	require.InDelta(t, 0.6, float64(same)/float64(both), 0.02)
}

func TestBetaQuantiles(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 0.5, betaQuantile(2, 2, 0.5), 1e-9)
	require.InDelta(t, math.Sqrt(0.3), betaQuantile(2, 1, 0.3), 1e-9)     // F(x) = x^2
	require.InDelta(t, 1-math.Sqrt(1-0.3), betaQuantile(1, 2, 0.3), 1e-9) // F(x) = 1-(1-x)^2
	require.InDelta(t, 0.6875, betaCDF(2, 3, 0.5), 1e-12)                 // binomial: P(at least 2 of 4) = 11/16
	require.InDelta(t, 1-0.0016, betaCDF(1, 4, 0.8), 1e-12)               // 1 - 0.2^4
}

func TestOneSeedGivesOneStudy(t *testing.T) {
	t.Parallel()
	var a, b, c bytes.Buffer
	require.NoError(t, run([]string{"-questions", "200"}, &a))
	require.NoError(t, run([]string{"-questions", "200"}, &b))
	require.NoError(t, run([]string{"-questions", "200", "-seed", "2"}, &c))
	require.Equal(t, a.String(), b.String())
	require.NotEqual(t, a.String(), c.String())
	require.ErrorContains(t, run([]string{"-questions", "5"}, &a), "less than 100")
}
