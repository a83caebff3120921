package consensus

import (
	"math"
	"math/big"
)

// MajorityPosterior is the probability that a Beta(v1+1, v2+1) variable is above 1/2: that the option with v1 votes has the majority of all
// possible votes for it and the one with v2 (arXiv 2305.11860). It is sum over j <= v1 of binomial(v1+v2+1, j), divided by 2^(v1+v2+1), to
// 1e-12, and correctly rounded below 60 votes. Its time grows with the root of the votes. Counts below zero have no meaning; for them it is 0.
func MajorityPosterior(v1, v2 int) float64 {
	switch {
	case v1 < 0 || v2 < 0:
		return 0
	case v1 == v2:
		return 0.5
	case v1 < 60 && v2 < 60 && v1+v2 < 60:
		return smallPosterior(v1, v2)
	case v1 > v2:
		return 1 - lowerTail(v1, v2)
	default:
		return lowerTail(v2, v1)
	}
}

// mostExact is up to how many votes LeadsBeyond counts in whole numbers, whose length grows with the votes.
const mostExact = 20_000

// LeadsBeyond says whether the MajorityPosterior is more than c. It is exact up to 20,000 votes: where the quick sum is near c, it counts in
// whole numbers. Of more votes what is within a billionth of c is not more.
func LeadsBeyond(v1, v2 int, c float64) bool {
	if v1 < 0 || v2 < 0 || math.IsNaN(c) || c >= 1 {
		return false
	}
	if c < 0 || v1 == v2 {
		return c < 0.5
	}
	// The smaller of the two sides says it best: for v1 > v2 what is missing to 1. The difference 1-c is exact from 1/2 on.
	const sure = 1e-9
	if v1 > v2 && c >= 0.5 {
		switch missing, allowed := lowerTail(v1, v2), 1-c; {
		case missing < float64(allowed*(1-sure)):
			return true
		case missing > float64(allowed*(1+sure)):
			return false
		}
		return v1+v2 <= mostExact && leadsExactly(v1, v2, c)
	}
	if p := MajorityPosterior(v1, v2); math.Abs(p-c) > sure {
		return p > c
	}
	return v1+v2 <= mostExact && leadsExactly(v1, v2, c)
}

// leadsExactly is LeadsBeyond in whole numbers, for c in [0, 1).
func leadsExactly(v1, v2 int, c float64) bool {
	n := int64(v1) + int64(v2) + 1
	sum, term := new(big.Int), big.NewInt(1)
	for j := int64(0); j <= int64(v1); j++ {
		sum.Add(sum, term)
		term.Mul(term, big.NewInt(n-j))
		term.Quo(term, big.NewInt(j+1))
	}
	bound := new(big.Rat).SetFloat64(c)
	left := new(big.Int).Mul(sum, bound.Denom())
	right := new(big.Int).Lsh(bound.Num(), uint(n))
	return left.Cmp(right) > 0
}

// smallPosterior is the posterior where all binomials fit.
func smallPosterior(v1, v2 int) float64 {
	n := uint64(v1) + uint64(v2) + 1
	sum, term := uint64(0), uint64(1)
	for j := uint64(0); j <= uint64(v1); j++ {
		sum += term
		term = term * (n - j) / (j + 1)
	}
	return math.Ldexp(float64(sum), -int(n))
}

// lowerTail is the sum over i <= v2 of binomial(v1+v2+1, i), divided by 2^(v1+v2+1), for v1 >= v2: relative to itself within 1e-10.
func lowerTail(v1, v2 int) float64 {
	n, k := float64(v1)+float64(v2)+1, float64(v2)
	term := binomialHalf(n, k)
	sum := term
	for ; k > 0 && term > float64(1e-18*sum); k-- {
		term = float64(term*k) / (n - k + 1)
		sum += term
	}
	return sum
}

// binomialHalf is binomial(n, k) / 2^n for k <= n/2, by Stirling's series for the factorials (Loader 2000, Fast and Accurate Computation
// of Binomial Probabilities).
func binomialHalf(n, k float64) float64 {
	if k < 20 {
		product := 1.0
		for i := 1.0; i <= k; i++ {
			product = float64(product*(n-k+i)) / i
		}
		return math.Ldexp(product, -int(min(n, 1<<20)))
	}
	m := n - k
	exponent := stirling(n) - stirling(k) - stirling(m) - deviance(n, (m-k)/n)
	return float64(exp(exponent) * math.Sqrt(n/float64(2*math.Pi*float64(k*m))))
}

// deviance is n/2 ((1+x) ln(1+x) + (1-x) ln(1-x)), for x in [0, 1): near 0 by its series n (x^2/(1*2) + x^4/(3*4) + ...), which loses nothing
// however many there are.
func deviance(n, x float64) float64 {
	if x > 0.5 {
		return float64(n / 2 * (float64((1+x)*ln(1+x)) + float64((1-x)*ln(1-x))))
	}
	square := float64(x * x)
	series := 0.0
	for j := 53.0; j >= 1; j -= 2 {
		series = float64((series + 1/float64(j*(j+1))) * square)
	}
	return float64(n * series)
}

// stirling is ln n! - (n ln n - n + ln(2 pi n)/2), for n of 20 and more.
func stirling(n float64) float64 {
	square := float64(n * n)
	return (1.0/12 - (1.0/360-(1.0/1260-1.0/1680/square)/square)/square) / n
}
