package consensus

import (
	"errors"
	"fmt"
	"math"
)

// Leaders is the options whose score is the highest, ascending: more than one are a tie. Scores count as equal within 1e-12 of the largest
// absolute score.
func Leaders(scores []float64) []int {
	if len(scores) == 0 {
		return nil
	}
	best, largest := scores[0], 0.0
	for _, s := range scores {
		best, largest = max(best, s), max(largest, math.Abs(s))
	}
	var leaders []int
	for i, s := range scores {
		if s == best || s >= best-float64(nearly*largest) {
			leaders = append(leaders, i)
		}
	}
	return leaders
}

// Count is the votes that each option got: plurality, or weighted with weights (arXiv 2203.11171, 2502.06233). Nil weights are one each.
// Another vote for the winner never unseats it.
func Count(votes []int, weights []float64, options int) ([]float64, error) {
	if err := votesOK(votes, options); err != nil {
		return nil, err
	}
	if err := weightsOK(weights, len(votes)); err != nil {
		return nil, err
	}
	if weights == nil {
		counts := make([]float64, options)
		for _, v := range votes {
			counts[v]++
		}
		return counts, nil
	}
	return totals(weights, len(votes), options, 1, func(weights, into []float64) {
		for i, v := range votes {
			into[v] += weights[i]
		}
	}), nil
}

// LogOdds weighs each vote by the log odds ln(p/(1-p)) of the accuracy p of its voter, which is the best rule for independent voters
// (Nitzan and Paroush 1982, Optimal Decision Rules in Uncertain Dichotomous Choice Situations). A voter who is wrong more often than right
// counts against what it votes for. The probabilities are what the scores say when every option was as likely beforehand.
func LogOdds(votes []int, accuracies []float64, options int) (scores, probabilities []float64, err error) {
	if err := votesOK(votes, options); err != nil {
		return nil, nil, err
	}
	if len(accuracies) != len(votes) {
		return nil, nil, fmt.Errorf("there are %d accuracies for %d votes", len(accuracies), len(votes))
	}
	if err := shares("accuracy", accuracies); err != nil {
		return nil, nil, err
	}
	weights := make([]float64, len(votes))
	for i, p := range accuracies {
		if p == 0 || p == 1 {
			return nil, nil, fmt.Errorf("accuracy %d is %v, so that its log odds have no bound: nobody is always right or always wrong", i, p)
		}
		weights[i] = ln(p / (1 - p))
	}
	scores = totals(weights, len(votes), options, 1, func(weights, into []float64) {
		for i, v := range votes {
			into[v] += weights[i]
		}
	})
	return scores, softmax(scores), nil
}

// softmax is the probabilities of which scores are the logarithms, but for a constant.
func softmax(scores []float64) []float64 {
	if len(scores) == 0 {
		return nil
	}
	best := scores[0]
	for _, s := range scores {
		best = max(best, s)
	}
	ps := make([]float64, len(scores))
	for i, s := range scores {
		ps[i] = exp(s - best)
	}
	sum := Sum(ps)
	for i := range ps {
		ps[i] /= sum
	}
	return ps
}

// EffectiveVotes is how many independent, equal votes would say as much: Kish's (sum w)^2 / sum w^2 = n for the weights (1965, Survey
// Sampling), then n / (1 + (n-1) correlation) for voters that are alike. Weights that are all zero are no votes.
func EffectiveVotes(weights []float64, correlation float64) (float64, error) {
	if err := weightsOK(weights, len(weights)); err != nil {
		return 0, err
	}
	if err := share("correlation", correlation); err != nil {
		return 0, err
	}
	largest := 0.0
	for _, w := range weights {
		largest = max(largest, w)
	}
	if largest == 0 {
		return 0, nil
	}
	_, exponent := math.Frexp(largest)
	scaled, squares := make([]float64, len(weights)), make([]float64, len(weights))
	for i, w := range weights {
		scaled[i] = math.Ldexp(w, -exponent)
		squares[i] = float64(scaled[i] * scaled[i])
	}
	sum := Sum(scaled)
	n := float64(sum*sum) / Sum(squares)
	return n / (1 + float64((n-1)*correlation)), nil
}

// Spread describes numbers by their mean, their population standard deviation, and how far they agree: 1 - deviation / |mean|, which is
// negative where they are all over the place. Numbers that add up to nothing have no such measure, which is an error.
func Spread(xs []float64) (mean, deviation, agreement float64, err error) {
	if len(xs) == 0 {
		return 0, 0, 0, errors.New("there are no numbers")
	}
	if err := finite("number", xs); err != nil {
		return 0, 0, 0, err
	}
	largest := 0.0
	for _, x := range xs {
		largest = max(largest, math.Abs(x))
	}
	_, exponent := math.Frexp(largest)
	scaled, squares := make([]float64, len(xs)), make([]float64, len(xs))
	for i, x := range xs {
		scaled[i] = math.Ldexp(x, -exponent)
	}
	middle := Mean(scaled)
	if math.Abs(middle) <= nearly {
		return 0, 0, 0, errors.New("the mean is 0, so that there is no coefficient of variation")
	}
	for i, x := range scaled {
		squares[i] = float64((x - middle) * (x - middle))
	}
	off := math.Sqrt(Mean(squares))
	return math.Ldexp(middle, exponent), math.Ldexp(off, exponent), 1 - off/math.Abs(middle), nil
}

// votesOK says which vote is for no option.
func votesOK(votes []int, options int) error {
	if err := optionsOK(options); err != nil {
		return err
	}
	for i, v := range votes {
		if v < 0 || v >= options {
			return fmt.Errorf("vote %d is for option %d, and there are %d", i, v, options)
		}
	}
	return nil
}
