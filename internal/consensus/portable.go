package consensus

import "math"

// The functions of package math are written in assembly for some processors and fuse products with sums on others, so that their last
// bit differs. These take a few nanoseconds more and have the same bits everywhere; they are within two units in the last place.

const (
	ln2High = 0x1.62e42fefa38p-1   // the first 42 bits of ln 2: its products with exponents are exact
	ln2Low  = 0x1.ef35793c7673p-45 // the rest
)

// ln is the natural logarithm of a positive finite number: exponent times ln 2, and twice the series of atanh(s) with s = (m-1)/(m+1).
func ln(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = float64(m*2), e-1
	}
	s := (m - 1) / (m + 1)
	square := float64(s * s)
	series := 0.0
	for k := 25; k >= 3; k -= 2 {
		series = float64((series + 1/float64(k)) * square)
	}
	rest := float64(2*s*series) + float64(float64(e)*ln2Low)
	return float64(float64(e)*ln2High) + (float64(2*s) + rest)
}

// exp is e to the power of a number that is not NaN: 2^k times the series of the rest.
func exp(x float64) float64 {
	switch {
	case x > 710:
		return math.Inf(1)
	case x < -746:
		return 0
	}
	k := math.Round(float64(x / math.Ln2))
	high, low := x-float64(k*ln2High), float64(k*ln2Low)
	r := high - low
	series := 1.0
	for n := 14; n >= 2; n-- {
		series = 1 + float64(float64(series*r)/float64(n))
	}
	return math.Ldexp(1+float64(series*r), int(k))
}
