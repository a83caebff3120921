package consensus

import (
	"errors"
	"fmt"
	"math"
)

// DawidSkene estimates how accurate voters are, and what is true, from nothing but their answers: answers[question][voter] is an option, or
// -1 where the voter said nothing. It is the one-coin model of Dawid and Skene (1979, Maximum Likelihood Estimation of Observer Error-Rates
// Using the EM Algorithm): a voter is right with one probability for all questions and otherwise says any of the other options. It starts from
// the shares of the votes, and adds one right and one wrong answer to each voter (Laplace), so that no accuracy is 0 or 1. A voter without an
// answer has accuracy 1/2, a question without one leaves all options as likely. Estimates are good to 4 decimals, and assume that most voters
// are rather right than wrong, and wrong independently.
func DawidSkene(answers [][]int, options int) (accuracies []float64, posteriors [][]float64, err error) {
	if err := answersOK(answers, options); err != nil {
		return nil, nil, err
	}
	posteriors = shareOfVotes(answers, options)
	for range 1000 {
		next := voterAccuracies(answers, posteriors)
		moved := math.Inf(1)
		if accuracies != nil {
			moved = 0
			for i := range next {
				moved = max(moved, math.Abs(next[i]-accuracies[i]))
			}
		}
		accuracies, posteriors = next, truths(answers, next, options)
		if moved < 1e-11 {
			break
		}
	}
	return accuracies, posteriors, nil
}

// shareOfVotes is what the votes say when all voters are alike.
func shareOfVotes(answers [][]int, options int) [][]float64 {
	all := make([][]float64, len(answers))
	for q, row := range answers {
		all[q] = make([]float64, options)
		n := 0
		for _, option := range row {
			if option >= 0 {
				all[q][option]++
				n++
			}
		}
		for i := range all[q] {
			if n == 0 {
				all[q][i] = 1 / float64(options)
			} else {
				all[q][i] /= float64(n)
			}
		}
	}
	return all
}

// voterAccuracies is how much of each voter's answers is right, as far as the posteriors know.
func voterAccuracies(answers [][]int, posteriors [][]float64) []float64 {
	accuracies := make([]float64, len(answers[0]))
	right := make([]float64, 0, len(answers))
	for v := range accuracies {
		right = right[:0]
		for q, row := range answers {
			if row[v] >= 0 {
				right = append(right, posteriors[q][row[v]])
			}
		}
		accuracies[v] = (Sum(right) + 1) / (float64(len(right)) + 2)
	}
	return accuracies
}

// truths is how likely each option of each question is when voters are so accurate.
func truths(answers [][]int, accuracies []float64, options int) [][]float64 {
	weights := make([]float64, len(accuracies))
	for v, p := range accuracies {
		weights[v] = ln(p / (1 - p) * float64(options-1))
	}
	all := make([][]float64, len(answers))
	said := make([][]float64, options)
	for q, row := range answers {
		for i := range said {
			said[i] = said[i][:0]
		}
		for v, option := range row {
			if option >= 0 {
				said[option] = append(said[option], weights[v])
			}
		}
		scores := make([]float64, options)
		for i := range scores {
			scores[i] = Sum(said[i])
		}
		all[q] = softmax(scores)
	}
	return all
}

func answersOK(answers [][]int, options int) error {
	if len(answers) == 0 {
		return errors.New("there are no answers")
	}
	if options < 2 {
		return fmt.Errorf("there are %d options; to be right or wrong takes 2", options)
	}
	for q, row := range answers {
		if len(row) != len(answers[0]) {
			return fmt.Errorf("question %d has %d answers and question 0 has %d; say -1 for one that is missing", q, len(row), len(answers[0]))
		}
		for v, option := range row {
			if option < -1 || option >= options {
				return fmt.Errorf("answer %d to question %d is option %d, and there are %d", v, q, option, options)
			}
		}
	}
	return nil
}
