package consensus

import "math"

// Wilson is the interval that holds a share at the given level of confidence, 0.95 for example, when so many of n trials succeeded (Wilson
// 1927, Probable Inference, the Law of Succession, and Statistical Inference). It stays within [0, 1] and makes sense for small n. Where
// nothing is known, n below 1, and for arguments without meaning, it is [0, 1].
func Wilson(successes, n int, level float64) (low, high float64) {
	if n < 1 || successes < 0 || successes > n || !(level > 0 && level < 1) {
		return 0, 1
	}
	z := twoSided(level)
	total, p := float64(n), float64(successes)/float64(n)
	square := float64(z * z)
	middle := p + square/(2*total)
	spread := float64(z * math.Sqrt(float64(p*(1-p))/total+square/float64(4*float64(total*total))))
	scale := 1 + square/total
	low, high = (middle-spread)/scale, (middle+spread)/scale
	if successes == 0 {
		low = 0
	}
	if successes == n {
		high = 1
	}
	return max(low, 0), min(high, 1)
}

// twoSided is the z for which a normal variable is in [-z, z] with the given probability, in (0, 1).
func twoSided(level float64) float64 {
	if level == 0.95 {
		return 1.959963984540054
	}
	low, high := 0.0, 9.0
	for range 64 {
		if middle := (low + high) / 2; within(middle) < level {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// within is the probability that a normal variable is in [-z, z], for z in [0, 9]: 2 phi(z) (z + z^3/3 + z^5/(3*5) + ...).
func within(z float64) float64 {
	square := float64(z * z)
	term, sum := z, z
	for k := 3.0; term > float64(1e-17*sum); k += 2 {
		term = float64(term*square) / k
		sum += term
	}
	return float64(float64(sum*exp(-square/2)) * math.Sqrt(2/math.Pi))
}
