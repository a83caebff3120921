package consensus

// Copeland is, for each option, how many others it beats in pairs, a tie counting half (Copeland 1951). An option that beats all others wins.
// Another ballot that names the winner alone never unseats it.
func Copeland(ballots [][]int, weights []float64, options int) ([]float64, error) {
	flat, err := prefer(ballots, weights, options)
	if err != nil {
		return nil, err
	}
	scores := make([]float64, options)
	for i := range options {
		for j := range options {
			switch for_, against := flat[i*options+j], flat[j*options+i]; {
			case i == j:
			case clearlyMore(for_, against):
				scores[i]++
			case !clearlyMore(against, for_):
				scores[i] += 0.5
			}
		}
	}
	return scores, nil
}

// Schulze ranks options by their strongest paths (Schulze 2011, A new monotonic, clone-independent, reversal symmetric, and
// Condorcet-consistent single-winner election method). A link from i to j is there when more weight prefers i to j than j to i, and is as
// strong as that weight; a path is as strong as its weakest link; i beats j when the strongest path from i to j is stronger than the one back.
//
// The ranking is groups, best first: those whom nobody beats, then those whom nobody of the rest beats, and so on; a first group of several
// is a tie. The score of an option is how many are ranked below it, which is how many it beats when nothing is tied. An option that beats all
// others in pairs wins; another ballot that names the winner alone never unseats it, nor does putting it higher on a ballot.
func Schulze(ballots [][]int, weights []float64, options int) (scores []float64, ranking [][]int, err error) {
	flat, err := prefer(ballots, weights, options)
	if err != nil {
		return nil, nil, err
	}
	paths := strongestPaths(flat, options)
	ranking = peel(options, func(i, j int) bool { return clearlyMore(paths[i*options+j], paths[j*options+i]) })
	scores = make([]float64, options)
	below := options
	for _, group := range ranking {
		below -= len(group)
		for _, option := range group {
			scores[option] = float64(below)
		}
	}
	return scores, ranking, nil
}

// strongestPaths is the strength of the strongest path between each two options, from the weights that prefer one to the other
// (Floyd and Warshall, with least and largest for sum and least).
func strongestPaths(flat []float64, options int) []float64 {
	paths := make([]float64, len(flat))
	for i := range options {
		for j := range options {
			if w := flat[i*options+j]; clearlyMore(w, flat[j*options+i]) {
				paths[i*options+j] = w
			}
		}
	}
	for k := range options {
		through := paths[k*options : (k+1)*options]
		for i := range options {
			first := paths[i*options+k]
			if first == 0 || i == k {
				continue
			}
			row := paths[i*options : (i+1)*options]
			for j, second := range through {
				if weakest := min(first, second); weakest > row[j] {
					row[j] = weakest
				}
			}
			row[i] = 0 // a way back to itself is no path
		}
	}
	return paths
}

// peel is groups of options, each of those whom none of the rest beats. Nothing beats itself, not even through others.
func peel(options int, beats func(i, j int) bool) [][]int {
	beaten := make([]int, options) // by how many of those left
	left := make([]int, options)
	for i := range options {
		left[i] = i
		for j := range options {
			if beats(j, i) {
				beaten[i]++
			}
		}
	}
	var groups [][]int
	for len(left) > 0 {
		var group, rest []int
		for _, i := range left {
			if beaten[i] == 0 {
				group = append(group, i)
			} else {
				rest = append(rest, i)
			}
		}
		for _, i := range rest {
			for _, winner := range group {
				if beats(winner, i) {
					beaten[i]--
				}
			}
		}
		groups, left = append(groups, group), rest
	}
	return groups
}
