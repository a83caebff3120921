package consensus

import "slices"

// IRV eliminates, round by round, the option that the fewest ballots put first among those left (instant runoff, Hare's method for one seat).
// A ballot none of whose options is left counts no more. A tie for last is broken by the fewest votes in the earliest round in which they
// differ, then by the fewest points by Borda's count among those left; those who still tie are eliminated together. When all that are left
// tie, they have won.
//
// The ranking is groups, best first: the winner, or those who tie, and then who was eliminated, the last first. The rounds are the votes for
// each option in each round, 0 for one that is out; the last is that in which the winner is alone, or ties. Another ballot that names the
// only winner alone never unseats it; but putting it higher on a ballot can, which is a known flaw of the method, and an option that beats all
// others in pairs can lose.
func IRV(ballots [][]int, weights []float64, options int) (ranking [][]int, rounds [][]float64, err error) {
	if err := fewEnough(options); err != nil {
		return nil, nil, err
	}
	if err := ballotsOK(ballots, weights, options); err != nil {
		return nil, nil, err
	}
	r := &runoff{ballots: ballots, weights: weights, place: make([]int, len(ballots)), out: make([]bool, options)}
	for i := range options {
		r.left = append(r.left, i)
	}
	for len(r.left) > 0 {
		r.rounds = append(r.rounds, r.firsts())
		lost := r.last()
		ranking = append(ranking, lost)
		r.eliminate(lost)
	}
	slices.Reverse(ranking)
	return ranking, r.rounds, nil
}

// runoff is the state of an instant runoff.
type runoff struct {
	ballots [][]int
	weights []float64
	place   []int       // on each ballot, of the first option that is left
	left    []int       // ascending
	out     []bool      // by option
	rounds  [][]float64 // the votes so far
	pairs   []float64   // as prefer, once a tie needs them
}

// firsts is the votes for the option that stands first on each ballot.
func (r *runoff) firsts() []float64 {
	return totals(r.weights, len(r.ballots), len(r.out), 1, func(weights, into []float64) {
		for i, ballot := range r.ballots {
			if r.place[i] < len(ballot) {
				into[ballot[r.place[i]]] += weights[i]
			}
		}
	})
}

// last is who goes out of those left: all of them when they tie in this round.
func (r *runoff) last() []int {
	lowest := fewest(r.left, r.rounds[len(r.rounds)-1])
	if len(lowest) == len(r.left) {
		return lowest
	}
	for _, round := range r.rounds {
		lowest = fewest(lowest, round)
	}
	if len(lowest) == 1 {
		return lowest
	}
	return fewest(lowest, r.points())
}

// points is twice Borda's count among those left, and the whole weight more: for each other option what prefers the one, less what prefers
// the other, and the whole weight.
func (r *runoff) points() []float64 {
	n := len(r.out)
	if r.pairs == nil {
		r.pairs = preferred(r.ballots, r.weights, n)
	}
	whole := float64(len(r.ballots))
	if r.weights != nil {
		whole = Sum(r.weights)
	}
	points, parts := make([]float64, n), make([]float64, 0, 2*n+1)
	for _, i := range r.left {
		parts = append(parts[:0], float64(whole*float64(len(r.left))))
		for _, j := range r.left {
			parts = append(parts, r.pairs[i*n+j], -r.pairs[j*n+i])
		}
		points[i] = Sum(parts)
	}
	return points
}

// eliminate takes options out of the race and off the ballots.
func (r *runoff) eliminate(options []int) {
	for _, option := range options {
		r.out[option] = true
	}
	r.left = slices.DeleteFunc(r.left, func(option int) bool { return r.out[option] })
	for i, ballot := range r.ballots {
		for r.place[i] < len(ballot) && r.out[ballot[r.place[i]]] {
			r.place[i]++
		}
	}
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
