package consensus

import "slices"

// IRV eliminates, round by round, the option that the fewest ballots put first among those left (instant runoff, Hare's method for one seat).
// A tie for last is broken by the fewest votes in the earliest round in which they differ; those who still tie are eliminated together.
// When all that are left tie, they have won. A ballot none of whose options is left counts no more.
//
// The ranking is groups, best first: the winner, or those who tie, and then who was eliminated, the last first. The rounds are the votes for
// each option in each round, 0 for one that is out. Another ballot with the winner in front never unseats it; but putting the winner higher
// on a ballot can, which is a known flaw of the method, and an option that beats all others in pairs can lose.
func IRV(ballots [][]int, weights []float64, options int) (ranking [][]int, rounds [][]float64, err error) {
	if err := ballotsOK(ballots, weights, options); err != nil {
		return nil, nil, err
	}
	if err := fewEnough(options); err != nil {
		return nil, nil, err
	}
	left := make([]int, options)
	for i := range left {
		left[i] = i
	}
	place := make([]int, len(ballots)) // of the first option left on each ballot
	out := make([]bool, options)
	for len(left) > 0 {
		rounds = append(rounds, firsts(ballots, weights, place, options))
		lost := last(left, rounds)
		ranking = append(ranking, lost)
		for _, option := range lost {
			out[option] = true
		}
		left = slices.DeleteFunc(left, func(option int) bool { return out[option] })
		for i, ballot := range ballots {
			for place[i] < len(ballot) && out[ballot[place[i]]] {
				place[i]++
			}
		}
	}
	slices.Reverse(ranking)
	return ranking, rounds, nil
}

// firsts is the votes for the option that stands at the place of each ballot.
func firsts(ballots [][]int, weights []float64, place []int, options int) []float64 {
	return totals(weights, len(ballots), options, 1, func(weights, into []float64) {
		for i, ballot := range ballots {
			if place[i] < len(ballot) {
				into[ballot[place[i]]] += weights[i]
			}
		}
	})
}

// last is who goes out of those left: all of them when they tie now.
func last(left []int, rounds [][]float64) []int {
	now := rounds[len(rounds)-1]
	lowest := fewest(left, now)
	if len(lowest) == len(left) {
		return lowest
	}
	for _, round := range rounds {
		lowest = fewest(lowest, round)
	}
	return lowest
}

// fewest is those of the options who got the fewest votes.
func fewest(options []int, votes []float64) []int {
	least := votes[options[0]]
	for _, option := range options {
		least = min(least, votes[option])
	}
	var lowest []int
	for _, option := range options {
		if !clearlyMore(votes[option], least) {
			lowest = append(lowest, option)
		}
	}
	return lowest
}
