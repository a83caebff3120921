package main

import "math"

// curve is the inverse of a distribution function at evenly spaced quantiles.
type curve []float64

// at is the value at a quantile, between the two nearest that are known.
func (c curve) at(quantile float64) float64 {
	x := quantile * float64(len(c)-1)
	i := min(int(x), len(c)-2)
	return c[i] + float64((c[i+1]-c[i])*(x-float64(i)))
}

// betaCurve is the beta distribution with the given mean whose draws, as chances of coins, make the coins correlate as given.
func betaCurve(mean, correlation float64) curve {
	c := make(curve, 513)
	if correlation == 0 {
		for i := range c {
			c[i] = mean
		}
		return c
	}
	strength := 1/correlation - 1
	a, b := mean*strength, (1-mean)*strength
	for i := range c {
		c[i] = betaQuantile(a, b, float64(i)/float64(len(c)-1))
	}
	return c
}

// betaQuantile finds by bisection where the distribution function reaches p.
func betaQuantile(a, b, p float64) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		middle := (low + high) / 2
		if betaCDF(a, b, middle) < p {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// betaCDF is the regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8, evaluated as Lentz does).
func betaCDF(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - betaCDF(b, a, 1-x)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	const tiny = 1e-300
	f, c, d := 1.0, 1.0, 0.0
	for i := range 400 {
		m := float64(i / 2)
		var term float64
		switch {
		case i == 0:
			term = 1
		case i%2 == 0:
			term = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			term = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		d = nonZero(1+term*d, tiny)
		d = 1 / d
		c = nonZero(1+term/c, tiny)
		f *= c * d
		if i > 0 && math.Abs(1-c*d) < 1e-14 {
			break
		}
	}
	return front * (f - 1) / a
}

func nonZero(x, tiny float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}
