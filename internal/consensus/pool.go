package consensus

import (
	"fmt"
	"math"
)

// LinearPool is the weighted mean of the probabilities of one event (Stone 1961, The Opinion Pool). It lies between the least and the
// largest of them. No weights mean equal ones.
func LinearPool(ps, weights []float64) (float64, error) {
	if err := someShares("probability", ps); err != nil {
		return 0, err
	}
	ws, err := weightsOf(weights, len(ps))
	if err != nil {
		return 0, err
	}
	low, high := heard(ps, ws)
	return min(max(weightedMean(ps, ws), low), high), nil
}

// LogPool is the probability whose log-odds are the weighted mean of those of the probabilities (Genest and Zidek 1986, Combining
// Probability Distributions). It lies between the least and the largest of them. A probability of 0 or 1 would outvote all others
// whatever their weight, and is an error that names it, unless all that have a weight say the same.
func LogPool(ps, weights []float64) (float64, error) { return Extremized(ps, weights, 1) }

// Extremized is LogPool with its log-odds times the factor. A factor above 1 makes up for what forecasters leave unsaid because they share
// only part of what they know (Satopaa et al. 2014; Baron et al. 2014). The result lies on the same side of one half as the LogPool, and
// with a factor of at least 1 no nearer to it.
func Extremized(ps, weights []float64, factor float64) (float64, error) {
	if !(factor > 0) || math.IsInf(factor, 0) {
		return 0, fmt.Errorf("the factor %v is not a finite number above 0", factor)
	}
	if err := someShares("probability", ps); err != nil {
		return 0, err
	}
	ws, err := weightsOf(weights, len(ps))
	if err != nil {
		return 0, err
	}
	low, high := heard(ps, ws)
	if low == high && (low == 0 || low == 1) {
		return low, nil
	}
	odds, err := oddsOf(ps, ws)
	if err != nil {
		return 0, err
	}
	p := logistic(float64(factor * weightedMean(odds, ws)))
	if factor == 1 {
		p = min(max(p, low), high)
	}
	return p, nil
}

// BayesPool is the probability of an event after independent opinions that each started from the prior: the log-odds by which each departs
// from it are added to it. It holds only if the opinions share no evidence; those that do count the shared part many times. One opinion
// gives itself, and the result may lie outside the range of the opinions. A probability of 0 or 1 is an error as in LogPool.
func BayesPool(ps []float64, prior float64) (float64, error) {
	if !(prior > 0 && prior < 1) {
		return 0, fmt.Errorf("the prior %v is not between 0 and 1, both excluded", prior)
	}
	if err := someShares("probability", ps); err != nil {
		return 0, err
	}
	ws, err := weightsOf(nil, len(ps))
	if err != nil {
		return 0, err
	}
	if low, high := heard(ps, ws); low == high && (low == 0 || low == 1) {
		return low, nil
	}
	terms, err := oddsOf(ps, ws)
	if err != nil {
		return 0, err
	}
	start := logit(prior)
	for i := range terms {
		terms[i] -= start
	}
	return logistic(Sum(append(terms, start))), nil
}

// heard is the least and the largest of the numbers with a weight.
func heard(ps, weights []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i, p := range ps {
		if weights[i] > 0 {
			low, high = min(low, p), max(high, p)
		}
	}
	return low, high
}

// weightedMean is the mean of xs by weights of which the largest is 1.
func weightedMean(xs, weights []float64) float64 {
	terms := make([]float64, len(xs))
	for i, x := range xs {
		terms[i] = float64(weights[i] * x)
	}
	return Sum(terms) / Sum(weights)
}

// oddsOf is the log-odds of the probabilities; those without a weight count as nothing.
func oddsOf(ps, weights []float64) ([]float64, error) {
	odds := make([]float64, len(ps))
	for i, p := range ps {
		switch {
		case weights[i] == 0:
		case p == 0 || p == 1:
			return nil, fmt.Errorf("probability %d is %v, which outvotes all others; the linear pool takes it", i, p)
		default:
			odds[i] = logit(p)
		}
	}
	return odds, nil
}

// logit is the log-odds of a probability between 0 and 1, both excluded.
func logit(p float64) float64 {
	if p > 0.5 {
		return -logit(1 - p)
	}
	return ln(p / (1 - p))
}

// logistic is the probability with these log-odds.
func logistic(odds float64) float64 {
	if odds < 0 {
		e := exp(odds)
		return e / (1 + e)
	}
	return 1 / (1 + exp(-odds))
}
