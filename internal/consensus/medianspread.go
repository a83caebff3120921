package consensus

import (
	"errors"
	"math"
)

// MedianSpread is the robust twin of Spread: the median, 1.4826 times the median absolute deviation, and one less the ratio of the two, which
// is below 0 when the spread is the larger. A median of 0 has no relative spread unless all numbers are 0, and is an error.
func MedianSpread(xs []float64) (median, spread, agreement float64, err error) {
	if median, err = Median(xs); err != nil {
		return 0, 0, 0, err
	}
	mad, err := MAD(xs)
	if err != nil {
		return 0, 0, 0, err
	}
	spread = float64(normal * mad)
	switch relative := spread / math.Abs(median); {
	case spread == 0:
		return median, 0, 1, nil
	case median == 0 || math.IsInf(relative, 0):
		return 0, 0, 0, errors.New("the median is 0, so the numbers have no relative spread")
	default:
		return median, spread, 1 - relative, nil
	}
}
