package consensus

import (
	"errors"
	"fmt"
	"math"
)

// someFinite says that there are no numbers, or which of them is none.
func someFinite(what string, xs []float64) error {
	if len(xs) == 0 {
		return fmt.Errorf("there is no %s", what)
	}
	return finite(what, xs)
}

// someShares says that there are no numbers, or which of them is not in [0, 1].
func someShares(what string, ps []float64) error {
	if len(ps) == 0 {
		return fmt.Errorf("there is no %s", what)
	}
	return shares(what, ps)
}

// weightsOf gives n weights as shares of their largest, so that no sum of them overflows; nil means one for each.
func weightsOf(weights []float64, n int) ([]float64, error) {
	out := make([]float64, n)
	if weights == nil {
		for i := range out {
			out[i] = 1
		}
		return out, nil
	}
	if err := weightsOK(weights, n); err != nil {
		return nil, err
	}
	most := largest(weights)
	if most == 0 {
		return nil, errors.New("all weights are 0")
	}
	for i, w := range weights {
		out[i] = w / most
	}
	return out, nil
}

// samePoints says which point differs in its number of coordinates or has one that is no number.
func samePoints(points [][]float64) error {
	if len(points) == 0 {
		return errors.New("there is no point")
	}
	for i, p := range points {
		if len(p) != len(points[0]) {
			return fmt.Errorf("point %d has %d coordinates, the first has %d", i, len(p), len(points[0]))
		}
		if err := someFinite("coordinate", p); err != nil {
			return fmt.Errorf("point %d: %w", i, err)
		}
	}
	return nil
}

// largest is the size of the largest of the numbers.
func largest(xs []float64) float64 {
	most := 0.0
	for _, x := range xs {
		most = max(most, math.Abs(x))
	}
	return most
}

// meanOf is the mean of at least one finite number; rounding does not take it out of their range.
func meanOf(xs []float64) float64 {
	low, high := xs[0], xs[0]
	for _, x := range xs {
		low, high = min(low, x), max(high, x)
	}
	return min(max(Mean(xs), low), high)
}

// unsigned is x, or 0 for negative zero.
func unsigned(x float64) float64 {
	if x == 0 {
		return 0
	}
	return x
}

// between is the point between low and high at this share of the way, without overflow and never outside.
func between(low, high, way float64) float64 {
	if low == high {
		return low
	}
	x := low + float64((high-low)*way)
	if math.IsInf(high-low, 0) {
		x = float64(low*(1-way)) + float64(high*way)
	}
	return min(max(x, low), high)
}
