package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// LIBSVM gives these for the scores 5, -4 and 1, of which the first is positive; its signs are the other way round.
func TestPlattLineIsThatOfLIBSVM(t *testing.T) {
	t.Parallel()
	wanted := []float64{2.0 / 3, 1.0 / 4, 1.0 / 4}
	slope, intercept := plattLine([]float64{5, -4, 1}, wanted, 1)
	require.InDelta(t, 0.20261354391187855, slope, 1e-5)
	require.InDelta(t, -0.65236314980010512, intercept, 1e-5)
}

func TestConfidencesOnAnEdgeBelongBelowIt(t *testing.T) {
	t.Parallel()
	for bins := 1; bins <= 60; bins++ {
		require.Equal(t, 0, binOf(0, bins))
		for k := 1; k <= bins; k++ {
			edge := float64(k) / float64(bins)
			require.Equal(t, k-1, binOf(edge, bins), "%d/%d", k, bins)
			require.Equal(t, min(k, bins-1), binOf(min(edge*(1+1e-15), 1), bins))
		}
	}
}
