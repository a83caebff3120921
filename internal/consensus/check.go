package consensus

import (
	"fmt"
	"math"
)

// heaviest is what weights may add up to. Multiples and sums of weights then never overflow.
const heaviest = 1e300

// nearly is the part of the largest number at stake below which two numbers count as equal: weights such as 0.1 and 0.2 are no exact sums.
const nearly = 1e-12

// finite says which of the numbers is NaN or an infinity.
func finite(what string, xs []float64) error {
	for i, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%s %d is %v", what, i, x)
		}
	}
	return nil
}

// share says when a number is not in [0, 1].
func share(what string, p float64) error {
	if !(p >= 0 && p <= 1) {
		return fmt.Errorf("%s is %v, not between 0 and 1", what, p)
	}
	return nil
}

// shares says which of the numbers is not in [0, 1].
func shares(what string, ps []float64) error {
	for i, p := range ps {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("%s %d is %v, not between 0 and 1", what, i, p)
		}
	}
	return nil
}

// weightsOK says what is wrong with the weights of n things; nil is one each. All of them may be zero.
func weightsOK(ws []float64, n int) error {
	if ws == nil {
		return nil
	}
	if len(ws) != n {
		return fmt.Errorf("there are %d weights for %d", len(ws), n)
	}
	largest := 0.0
	for i, w := range ws {
		if math.IsNaN(w) || math.IsInf(w, 0) || w < 0 {
			return fmt.Errorf("weight %d is %v", i, w)
		}
		largest = max(largest, w)
	}
	if largest > heaviest/float64(max(n, 1)) && Sum(ws) > heaviest {
		return fmt.Errorf("the weights add up to more than %v", heaviest)
	}
	return nil
}

// optionsOK says when a number of options is none.
func optionsOK(options int) error {
	if options < 0 {
		return fmt.Errorf("there are %d options", options)
	}
	return nil
}

// clearlyMore says whether a is more than b by more than rounding explains.
func clearlyMore(a, b float64) bool {
	return a-b > nearly*max(math.Abs(a), math.Abs(b))
}
