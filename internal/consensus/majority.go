package consensus

import (
	"fmt"
	"math"
)

// MajorityError is how often the majority of n voters is wrong when each is right with the given accuracy and any two are right together
// with the given intra-class correlation: the lower half of a beta-binomial distribution (Ladha 1992, The Condorcet Jury Theorem, Free
// Speech, and Correlated Votes). A tie of an even number counts half. With correlation 0 it is Condorcet's theorem.
func MajorityError(accuracy float64, n int, correlation float64) (float64, error) {
	if err := share("accuracy", accuracy); err != nil {
		return 0, err
	}
	if err := share("correlation", correlation); err != nil {
		return 0, err
	}
	if n < 1 {
		return 0, fmt.Errorf("there are %d voters; a majority needs at least 1", n)
	}
	if correlation == 1 {
		return 1 - accuracy, nil
	}
	ps := rightVotes(accuracy, n, correlation)
	wrong := append([]float64(nil), ps[:(n+1)/2]...)
	if n%2 == 0 {
		wrong = append(wrong, ps[n/2]/2)
	}
	return Sum(wrong) / Sum(ps), nil
}

// rightVotes is how likely 0 to n voters are right, but for a common factor. From the most likely number it goes up and down by the ratio
// of neighbours, (n-k)/(k+1) * (a + k rho)/(b + (n-k-1) rho).
func rightVotes(accuracy float64, n int, correlation float64) []float64 {
	a, b := float64(accuracy*(1-correlation)), float64((1-accuracy)*(1-correlation))
	ratio := func(k int) (above, below float64) {
		return float64(float64(n-k) * (a + float64(float64(k)*correlation))), float64(float64(k+1) * (b + float64(float64(n-k-1)*correlation)))
	}
	start := min(int(math.Floor(float64(float64(n)*accuracy))), n)
	ps := make([]float64, n+1)
	ps[start] = 1
	for k := start; k < n; k++ {
		above, below := ratio(k)
		ps[k+1] = float64(ps[k]*above) / below
	}
	for k := start - 1; k >= 0; k-- {
		above, below := ratio(k)
		ps[k] = float64(ps[k+1]*below) / above
	}
	return ps
}
