package consensus

import "fmt"

// MaxPaired is how many options can be compared in pairs: the work grows with the cube of their number, memory with the square.
const MaxPaired = 1000

// Approval is the weight of the ballots that name each option. A ballot is a set; nil weights are one each. Another ballot for the winner
// alone never unseats it.
func Approval(ballots [][]int, weights []float64, options int) ([]float64, error) {
	if err := ballotsOK(ballots, weights, options); err != nil {
		return nil, err
	}
	return totals(weights, len(ballots), options, 1, func(weights, into []float64) {
		for i, ballot := range ballots {
			for _, option := range ballot {
				into[option] += weights[i]
			}
		}
	}), nil
}

// Borda is the points of each option: on a ballot, best first, an option gets one for every option below it (Borda 1781). Options that a
// ballot does not rank are tied for last and share the points left. Another ballot with the winner in front never unseats it.
func Borda(ballots [][]int, weights []float64, options int) ([]float64, error) {
	if err := ballotsOK(ballots, weights, options); err != nil {
		return nil, err
	}
	points := totals(weights, len(ballots), options, 2*options, func(weights, into []float64) {
		order := newOrder(options)
		for i, ballot := range ballots {
			whole := order.fill(ballot)
			for place, option := range whole {
				twice := 2 * (options - 1 - place)
				if place >= len(ballot) {
					twice = options - len(ballot) - 1
				}
				into[option] += float64(weights[i] * float64(twice))
			}
		}
	})
	for i := range points {
		points[i] /= 2
	}
	return points, nil
}

// Prefer is the weight of the ballots that put option i before option j, for each i and j. Options that a ballot does not rank are tied for
// last, so that it prefers none of them to another. More than MaxPaired options are an error.
func Prefer(ballots [][]int, weights []float64, options int) ([][]float64, error) {
	flat, err := prefer(ballots, weights, options)
	if err != nil {
		return nil, err
	}
	matrix := make([][]float64, options)
	for i := range matrix {
		matrix[i] = flat[i*options : (i+1)*options : (i+1)*options]
	}
	return matrix, nil
}

// prefer is Prefer with the rows one after the other.
func prefer(ballots [][]int, weights []float64, options int) ([]float64, error) {
	if err := fewEnough(options); err != nil {
		return nil, err
	}
	if err := ballotsOK(ballots, weights, options); err != nil {
		return nil, err
	}
	return preferred(ballots, weights, options), nil
}

// preferred is prefer of sound ballots.
func preferred(ballots [][]int, weights []float64, options int) []float64 {
	return totals(weights, len(ballots), options*options, 1, func(weights, into []float64) {
		order := newOrder(options)
		for i, ballot := range ballots {
			whole, w := order.fill(ballot), weights[i]
			for place, option := range ballot {
				row := into[option*options : (option+1)*options]
				for _, below := range whole[place+1:] {
					row[below] += w
				}
			}
		}
	})
}

// order completes ballots, without memory of its own for each.
type order struct {
	whole  []int
	ranked []bool
}

func newOrder(options int) *order {
	return &order{whole: make([]int, options), ranked: make([]bool, options)}
}

// fill is the options of the ballot and then the others, until the next call.
func (o *order) fill(ballot []int) []int {
	n := copy(o.whole, ballot)
	if n == len(o.whole) {
		return o.whole
	}
	for _, option := range ballot {
		o.ranked[option] = true
	}
	for option, ranked := range o.ranked {
		if !ranked {
			o.whole[n] = option
			n++
		}
	}
	for _, option := range ballot {
		o.ranked[option] = false
	}
	return o.whole
}

// ballotsOK says what is wrong with ballots: an option that there is not, one named twice, or a weight.
func ballotsOK(ballots [][]int, weights []float64, options int) error {
	if err := optionsOK(options); err != nil {
		return err
	}
	seen := make([]int, options) // the last ballot that named the option, from one
	for i, ballot := range ballots {
		for _, option := range ballot {
			if option < 0 || option >= options {
				return fmt.Errorf("ballot %d names option %d, and there are %d", i, option, options)
			}
			if seen[option] == i+1 {
				return fmt.Errorf("ballot %d names option %d twice", i, option)
			}
			seen[option] = i + 1
		}
	}
	return weightsOK(weights, len(ballots))
}

func fewEnough(options int) error {
	if options > MaxPaired {
		return fmt.Errorf("%d options are too many to rank by this method, which takes %d; count them by borda, approval or plurality", options, MaxPaired)
	}
	return nil
}
