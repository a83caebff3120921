// Package consensus computes decisions: votes, agreement, confidence, calibration. Numbers go in and numbers come out.
//
// Options are numbered from zero, and no function depends on the order of its input except where ties are concerned. Every sum is the
// correctly rounded one, and no product is fused with a sum, so that all engines get the same bits. What has no meaning, such as a negative
// weight or NaN, is an error; nothing is clamped, and no function returns NaN.
package consensus

import (
	"math"
	"math/big"
)

// Sum is the sum of finite numbers, correctly rounded: it does not depend on their order. It keeps the sum as partials that do not
// overlap (Shewchuk 1997, Adaptive Precision Floating-Point Arithmetic). A sum too large for a float64 is an infinity.
func Sum(xs []float64) float64 {
	var room [16]float64
	partials := room[:0]
	for _, x := range xs {
		partials = grow(partials, x)
	}
	if sum := rounded(partials); sum-sum == 0 {
		return sum
	}
	return wideSum(xs)
}

// Mean is the mean of at least one finite number. It is finite, and lies between the least and the largest of them.
func Mean(xs []float64) float64 {
	n := float64(len(xs))
	var room [16]float64
	partials := room[:0]
	for _, x := range xs {
		partials = grow(partials, x)
	}
	sum := rounded(partials)
	if sum-sum != 0 {
		return wideMean(xs)
	}
	// What the sum and the quotient lost in rounding is put back.
	lost := rounded(grow(partials, -sum))
	mean := sum / n
	return mean + (math.FMA(-mean, n, sum)+lost)/n
}

// wideMean is the mean of numbers whose sum leaves the range of a float64, perhaps only on the way.
func wideMean(xs []float64) float64 {
	small := make([]float64, len(xs))
	for i, x := range xs {
		small[i] = math.Ldexp(x, -64)
	}
	return math.Ldexp(Mean(small), 64)
}

// grow adds x to the partials.
func grow(partials []float64, x float64) []float64 {
	kept := partials[:0]
	for _, y := range partials {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		high := x + y
		if low := y - (high - x); low != 0 {
			kept = append(kept, low)
		}
		x = high
	}
	return append(kept, x)
}

// rounded is the sum of partials that do not overlap, in increasing order of size.
func rounded(partials []float64) float64 {
	n := len(partials)
	if n == 0 {
		return 0
	}
	high, low := partials[n-1], 0.0
	for n--; n > 0; n-- {
		x, y := high, partials[n-1]
		high = x + y
		if low = y - (high - x); low != 0 {
			n--
			break
		}
	}
	// Half-way cases round to even only if nothing is left below them.
	if n > 0 && (low < 0 && partials[n-1] < 0 || low > 0 && partials[n-1] > 0) {
		twice := low * 2
		if sum := high + twice; sum-high == twice {
			high = sum
		}
	}
	return high
}

// wideSum is the sum where a partial left the range of a float64, perhaps only on the way.
func wideSum(xs []float64) float64 {
	sum := new(big.Float).SetPrec(2200) // from 2^-1074 to 2^1024, and 2^64 numbers
	for _, x := range xs {
		if x-x != 0 {
			return math.Inf(1) // the caller broke the contract
		}
		sum.Add(sum, new(big.Float).SetFloat64(x))
	}
	f, _ := sum.Float64()
	return f
}
