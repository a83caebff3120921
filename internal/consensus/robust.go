package consensus

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ordered checks the numbers and gives them in increasing order, without negative zeros, which have no place of their own in it.
func ordered(xs []float64) ([]float64, error) {
	if err := someFinite("number", xs); err != nil {
		return nil, err
	}
	sorted := slices.Clone(xs)
	for i, x := range sorted {
		sorted[i] = unsigned(x)
	}
	slices.Sort(sorted)
	return sorted, nil
}

// Median is the middle of the numbers; of an even count it is half way between the two in the middle.
func Median(xs []float64) (float64, error) { return Quantile(xs, 0.5) }

// Quantile is the number below which the share q, in [0, 1], of the numbers lies. Between two of them it is interpolated (Hyndman and
// Fan 1996, Sample Quantiles in Statistical Packages, definition 7).
func Quantile(xs []float64, q float64) (float64, error) {
	if !(q >= 0 && q <= 1) {
		return 0, fmt.Errorf("the share %v is not between 0 and 1", q)
	}
	sorted, err := ordered(xs)
	if err != nil {
		return 0, err
	}
	return quantile(sorted, q), nil
}

// quantile is Quantile of numbers in increasing order.
func quantile(sorted []float64, q float64) float64 {
	place := float64(q * float64(len(sorted)-1))
	i := int(place)
	return between(sorted[i], sorted[min(i+1, len(sorted)-1)], place-float64(i))
}

// WeightedMean is the mean of the numbers by their weights; it lies between the least and the largest that have one. No weights mean
// equal ones.
func WeightedMean(xs, weights []float64) (float64, error) {
	if err := someFinite("number", xs); err != nil {
		return 0, err
	}
	ws, err := weightsOf(weights, len(xs))
	if err != nil {
		return 0, err
	}
	_, e := math.Frexp(largest(xs)) // so that nothing overflows
	small := make([]float64, len(xs))
	for i, x := range xs {
		small[i] = math.Ldexp(x, -e)
	}
	low, high := heard(xs, ws)
	return min(max(math.Ldexp(weightedMean(small, ws), e), low), high), nil
}

// TrimmedMean is the mean of what is left when the share cut, in [0, 0.5), of the numbers is left out at each end, rounded down to whole
// numbers (Tukey and McLaughlin 1963).
func TrimmedMean(xs []float64, cut float64) (float64, error) {
	if !(cut >= 0 && cut < 0.5) {
		return 0, fmt.Errorf("the share %v to cut is not in [0, 0.5)", cut)
	}
	sorted, err := ordered(xs)
	if err != nil {
		return 0, err
	}
	out := int(cut * float64(len(sorted)))
	return meanOf(sorted[out : len(sorted)-out]), nil
}

// StdDev is the population standard deviation: the root of the mean squared distance from the mean.
func StdDev(xs []float64) (float64, error) {
	if err := someFinite("number", xs); err != nil {
		return 0, err
	}
	// Distances are taken as shares of the largest, so that no square overflows or vanishes.
	mean := meanOf(xs)
	_, e := math.Frexp(largest(xs))
	away := make([]float64, len(xs))
	for i, x := range xs {
		away[i] = math.Ldexp(x, -e-1) - math.Ldexp(mean, -e-1)
	}
	most := largest(away)
	if most == 0 {
		return 0, nil
	}
	squares := make([]float64, len(xs))
	for i, d := range away {
		squares[i] = float64((d / most) * (d / most))
	}
	return math.Ldexp(most*math.Sqrt(meanOf(squares)), e+1), nil
}

// MAD is the median of the distances from the median. Times 1.4826 it estimates the standard deviation of normal numbers (Hampel 1974).
func MAD(xs []float64) (float64, error) {
	sorted, err := ordered(xs)
	if err != nil {
		return 0, err
	}
	return spread(sorted)
}

// spread is MAD of numbers in increasing order.
func spread(sorted []float64) (float64, error) {
	middle := quantile(sorted, 0.5)
	away := make([]float64, len(sorted))
	for i, x := range sorted {
		if away[i] = math.Abs(x - middle); math.IsInf(away[i], 0) {
			return 0, errors.New("the numbers are too far apart")
		}
	}
	slices.Sort(away)
	return quantile(away, 0.5), nil
}

// normal makes the median distance an estimate of the standard deviation of normal numbers: one over the third quartile of the normal.
const normal = 1.482602218505602

// Huber is the location at which the pulls of the numbers balance, where a number pulls with its distance, but with no more than k times
// the scale, which is 1.4826 MAD (Huber 1964, Robust Estimation of a Location Parameter). It is found exactly, not by iteration.
// Where more than half of the numbers are the same it is that number.
func Huber(xs []float64, k float64) (float64, error) {
	if !(k > 0) || math.IsInf(k, 0) {
		return 0, fmt.Errorf("the bound %v is not a finite number above 0", k)
	}
	sorted, err := ordered(xs)
	if err != nil {
		return 0, err
	}
	scale, err := spread(sorted)
	if err != nil {
		return 0, err
	}
	reach := float64(k * float64(normal*scale))
	switch {
	case reach == 0:
		return quantile(sorted, 0.5), nil
	case reach >= sorted[len(sorted)-1]-sorted[0]:
		return meanOf(sorted), nil
	}
	return balance(sorted, reach), nil
}

// balance is where the pulls of the sorted numbers, each at most reach, add up to nothing. The pull falls as the place rises and is
// straight between the places where a number starts or stops pulling fully; the two such places around the balance are bisected for.
func balance(sorted []float64, reach float64) float64 {
	knees := make([]float64, 0, 2*len(sorted))
	for _, x := range sorted {
		knees = append(knees, min(x+reach, math.MaxFloat64), max(x-reach, -math.MaxFloat64))
	}
	slices.Sort(knees)
	first, last := sorted[0], sorted[len(sorted)-1]
	after, _ := slices.BinarySearchFunc(knees, 0, func(at, _ float64) int {
		if pull(sorted, at, reach) > 0 {
			return -1
		}
		return 1
	})
	low, high := max(knees[max(after-1, 0)], first), min(knees[min(after, len(knees)-1)], last)
	if high <= low {
		return min(max(low, first), last)
	}
	from, to := pull(sorted, low, reach), pull(sorted, high, reach)
	if from == to {
		return between(low, high, 0.5)
	}
	return between(low, high, min(max(from/(from-to), 0), 1))
}

// pull is what the numbers pull at a place, as a share of reach and of their count: positive means upwards.
func pull(sorted []float64, at, reach float64) float64 {
	each := make([]float64, len(sorted))
	for i, x := range sorted {
		each[i] = min(max((x-at)/reach, -1), 1)
	}
	return Sum(each) / float64(len(each))
}

// MedianOfMeans cuts the numbers, in their order, into so many groups of nearly equal size, and is the median of their means (Nemirovski
// and Yudin 1983; Lugosi and Mendelson 2019, arXiv 1906.04280). Unlike the other functions it depends on the order.
func MedianOfMeans(xs []float64, groups int) (float64, error) {
	if err := someFinite("number", xs); err != nil {
		return 0, err
	}
	if groups < 1 || groups > len(xs) {
		return 0, fmt.Errorf("%d groups of %d numbers, want 1 to %d", groups, len(xs), len(xs))
	}
	means := make([]float64, groups)
	for g := range means {
		means[g] = meanOf(xs[g*len(xs)/groups : (g+1)*len(xs)/groups])
	}
	return Median(means)
}
