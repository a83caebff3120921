package consensus_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/consensus"
)

// election is ballots with weights, drawn.
type election struct {
	options int
	ballots [][]int
	weights []float64
}

// anElection has ballots that rank some of the options. Weights are of a coarse grid, so that ties happen.
func anElection(t *rapid.T) election {
	e := election{options: rapid.IntRange(1, 5).Draw(t, "options")}
	n := rapid.IntRange(0, 9).Draw(t, "ballots")
	for range n {
		e.ballots = append(e.ballots, rapid.Permutation(indexes(e.options)).Draw(t, "order")[:rapid.IntRange(0, e.options).Draw(t, "ranked")])
		e.weights = append(e.weights, float64(rapid.IntRange(0, 12).Draw(t, "weight"))/4)
	}
	return e
}

// method is a way to decide an election: who wins, and all that it says, for comparison to the bit.
type method struct {
	name  string
	elect func(t require.TestingT, e election) (winners []int, all any)
}

// firstNamed is the election in which everybody votes for the option in front of the ballot.
func firstNamed(e election) (votes []int, weights []float64) {
	for i, ballot := range e.ballots {
		if len(ballot) > 0 {
			votes, weights = append(votes, ballot[0]), append(weights, e.weights[i])
		}
	}
	return votes, append([]float64{}, weights...)
}

// scored is a method by scores.
func scored(name string, score func(e election) ([]float64, error)) method {
	return method{name, func(t require.TestingT, e election) ([]int, any) {
		scores, err := score(e)
		require.NoError(t, err)
		return consensus.Leaders(scores), scores
	}}
}

// ranking is a method with a ranking.
func ranking(name string, rank func(e election) ([][]int, any, error)) method {
	return method{name, func(t require.TestingT, e election) ([]int, any) {
		ranked, more, err := rank(e)
		require.NoError(t, err)
		require.ElementsMatch(t, indexes(e.options), slices.Concat(ranked...), "everybody is ranked once")
		return ranked[0], []any{ranked, more}
	}}
}

func methods() []method {
	return []method{
		scored("plurality", func(e election) ([]float64, error) {
			votes, _ := firstNamed(e)
			return consensus.Count(votes, nil, e.options)
		}),
		scored("weighted", func(e election) ([]float64, error) {
			votes, weights := firstNamed(e)
			return consensus.Count(votes, weights, e.options)
		}),
		scored("approval", func(e election) ([]float64, error) { return consensus.Approval(e.ballots, e.weights, e.options) }),
		scored("borda", func(e election) ([]float64, error) { return consensus.Borda(e.ballots, e.weights, e.options) }),
		scored("copeland", func(e election) ([]float64, error) { return consensus.Copeland(e.ballots, e.weights, e.options) }),
		ranking("schulze", func(e election) ([][]int, any, error) {
			scores, ranked, err := consensus.Schulze(e.ballots, e.weights, e.options)
			return ranked, scores, err
		}),
		ranking("irv", func(e election) ([][]int, any, error) {
			ranked, rounds, err := consensus.IRV(e.ballots, e.weights, e.options)
			return ranked, rounds, err
		}),
	}
}

// forEach runs a property of each of the methods that are named, or of all.
func forEach(t *testing.T, names []string, property func(t *rapid.T, m method)) {
	t.Helper()
	for _, m := range methods() {
		if names != nil && !slices.Contains(names, m.name) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { property(t, m) })
		})
	}
}

func TestTheOrderOfBallotsChangesNothing(t *testing.T) {
	t.Parallel()
	forEach(t, nil, func(t *rapid.T, m method) {
		e := anElection(t)
		for i := range e.weights {
			e.weights[i] *= rapid.SampledFrom([]float64{1, 0.1, 1.0 / 3, 1e-20, 1e200}).Draw(t, "scale")
		}
		_, want := m.elect(t, e)
		_, got := m.elect(t, shuffled(t, e))
		require.Equal(t, want, got)
	})
}

// shuffled is the same ballots in another order.
func shuffled(t *rapid.T, e election) election {
	other := election{options: e.options}
	for _, i := range rapid.Permutation(indexes(len(e.ballots))).Draw(t, "shuffled") {
		other.ballots, other.weights = append(other.ballots, e.ballots[i]), append(other.weights, e.weights[i])
	}
	return other
}

func TestOptionsAreTreatedAlike(t *testing.T) {
	t.Parallel()
	forEach(t, nil, func(t *rapid.T, m method) {
		e := anElection(t)
		names := rapid.Permutation(indexes(e.options)).Draw(t, "names")
		other := election{options: e.options, weights: e.weights}
		for _, ballot := range e.ballots {
			renamed := make([]int, len(ballot))
			for i, option := range ballot {
				renamed[i] = names[option]
			}
			other.ballots = append(other.ballots, renamed)
		}
		winners, _ := m.elect(t, e)
		renamed, _ := m.elect(t, other)
		for i := range winners {
			winners[i] = names[winners[i]]
		}
		require.ElementsMatch(t, winners, renamed)
	})
}

func TestWeightsHaveNoScale(t *testing.T) {
	t.Parallel()
	forEach(t, nil, func(t *rapid.T, m method) {
		e := anElection(t)
		want, _ := m.elect(t, e)
		scale := rapid.SampledFrom([]float64{0.1, 1.0 / 3, 7, 1e-200, 1e250}).Draw(t, "scale")
		for i := range e.weights {
			e.weights[i] *= scale
		}
		got, _ := m.elect(t, e)
		require.Equal(t, want, got)
	})
}

func TestAWeightIsSoManyBallots(t *testing.T) {
	t.Parallel()
	forEach(t, []string{"weighted", "approval", "borda", "copeland", "schulze", "irv"}, func(t *rapid.T, m method) {
		e := anElection(t)
		for i := range e.weights {
			e.weights[i] = math.Floor(e.weights[i])
		}
		single := election{options: e.options, ballots: oneByOne(e.ballots, e.weights)}
		single.weights = make([]float64, len(single.ballots))
		for i := range single.weights {
			single.weights[i] = 1
		}
		_, want := m.elect(t, e)
		_, got := m.elect(t, single)
		require.Equal(t, want, got)
	})
}

// Another ballot that names the winner alone is a vote for it and says nothing of the others.
func TestAVoteForTheWinnerNeverUnseatsIt(t *testing.T) {
	t.Parallel()
	forEach(t, nil, func(t *rapid.T, m method) {
		e := anElection(t)
		winners, _ := m.elect(t, e)
		if m.name == "irv" && len(winners) > 1 {
			return // promised to a winner that is alone
		}
		winner := rapid.SampledFrom(winners).Draw(t, "winner")
		e.ballots = append(e.ballots, []int{winner})
		e.weights = append(e.weights, float64(rapid.IntRange(1, 9).Draw(t, "more"))/4)
		after, _ := m.elect(t, e)
		require.Contains(t, after, winner)
	})
}

func TestABallotWithTheWinnerInFrontNeverUnseatsIt(t *testing.T) {
	t.Parallel()
	forEach(t, []string{"plurality", "weighted", "borda"}, func(t *rapid.T, m method) {
		e := anElection(t)
		winners, _ := m.elect(t, e)
		winner := rapid.SampledFrom(winners).Draw(t, "winner")
		ballot := []int{winner}
		for _, option := range rapid.Permutation(indexes(e.options)).Draw(t, "rest") {
			if option != winner {
				ballot = append(ballot, option)
			}
		}
		e.ballots, e.weights = append(e.ballots, ballot), append(e.weights, 1)
		after, _ := m.elect(t, e)
		require.Contains(t, after, winner)
	})
}

func TestPuttingTheWinnerHigherNeverUnseatsIt(t *testing.T) {
	t.Parallel()
	forEach(t, []string{"plurality", "weighted", "borda", "copeland", "schulze"}, func(t *rapid.T, m method) {
		e := anElection(t)
		if len(e.ballots) == 0 {
			return
		}
		winners, _ := m.elect(t, e)
		winner := rapid.SampledFrom(winners).Draw(t, "winner")
		which := rapid.IntRange(0, len(e.ballots)-1).Draw(t, "which")
		others := slices.DeleteFunc(slices.Clone(e.ballots[which]), func(option int) bool { return option == winner })
		place := slices.Index(e.ballots[which], winner)
		if place < 0 {
			place = len(others)
		}
		e.ballots[which] = slices.Insert(others, rapid.IntRange(0, place).Draw(t, "to"), winner)
		after, _ := m.elect(t, e)
		require.Contains(t, after, winner)
	})
}

func TestWhoBeatsAllOthersInPairsWins(t *testing.T) {
	t.Parallel()
	forEach(t, []string{"copeland", "schulze"}, func(t *rapid.T, m method) {
		e := anElection(t)
		pairs, err := consensus.Prefer(e.ballots, e.weights, e.options)
		require.NoError(t, err)
		for i := range e.options {
			beats := 0
			for j := range e.options {
				if pairs[i][j] > pairs[j][i] {
					beats++
				}
			}
			if beats == e.options-1 {
				winners, _ := m.elect(t, e)
				require.Equal(t, []int{i}, winners)
			}
		}
	})
}

func TestWhoLosesToAllOthersInPairsIsLastBySchulze(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anElection(t)
		pairs, err := consensus.Prefer(e.ballots, e.weights, e.options)
		require.NoError(t, err)
		_, ranked, err := consensus.Schulze(e.ballots, e.weights, e.options)
		require.NoError(t, err)
		for i := range e.options {
			loses := 0
			for j := range e.options {
				if pairs[i][j] < pairs[j][i] {
					loses++
				}
			}
			if loses == e.options-1 {
				require.Equal(t, []int{i}, ranked[len(ranked)-1])
			}
		}
	})
}

// The strongest path by another road: the strengths are tried from the highest down, and who reaches whom over links as strong is marked.
func TestSchulzeByReachability(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anElection(t)
		pairs, err := consensus.Prefer(e.ballots, e.weights, e.options)
		require.NoError(t, err)
		strength := func(from, to int) float64 {
			best := 0.0
			for _, row := range pairs {
				for _, least := range row {
					if least > best && reaches(pairs, from, to, least) {
						best = least
					}
				}
			}
			return best
		}
		scores, ranked, err := consensus.Schulze(e.ballots, e.weights, e.options)
		require.NoError(t, err)
		rank := make([]int, e.options)
		for place, group := range ranked {
			for _, option := range group {
				rank[option] = place
			}
		}
		unbeaten := map[int]bool{}
		for i := range e.options {
			unbeaten[i] = true
			for j := range e.options {
				if i == j {
					continue
				}
				there, back := strength(i, j), strength(j, i)
				if there > back {
					require.Less(t, rank[i], rank[j])
					require.Greater(t, scores[i], scores[j])
				}
				if back > there {
					unbeaten[i] = false
				}
			}
			require.Equal(t, unbeaten[i], rank[i] == 0, "those whom nobody beats are in front")
		}
	})
}

// reaches says whether a path of links at least so strong leads from one option to the other.
func reaches(pairs [][]float64, from, to int, least float64) bool {
	seen, queue := map[int]bool{from: true}, []int{from}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		for j := range pairs {
			if !seen[j] && pairs[i][j] > pairs[j][i] && pairs[i][j] >= least {
				seen[j], queue = true, append(queue, j)
			}
		}
	}
	return from != to && seen[to]
}

func TestBordaIsThePreferencesAndHalfTheTies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anElection(t)
		borda, err := consensus.Borda(e.ballots, e.weights, e.options)
		require.NoError(t, err)
		pairs, err := consensus.Prefer(e.ballots, e.weights, e.options)
		require.NoError(t, err)
		whole := consensus.Sum(e.weights)
		for i, points := range borda {
			want := 0.0
			for j := range e.options {
				if i != j {
					want += pairs[i][j] + (whole-pairs[i][j]-pairs[j][i])/2
				}
			}
			require.InDelta(t, want, points, 1e-9)
		}
	})
}

func TestRoundsOfARunoffAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anElection(t)
		ranked, rounds, err := consensus.IRV(e.ballots, e.weights, e.options)
		require.NoError(t, err)
		require.Len(t, rounds, len(ranked))
		before := math.Inf(1)
		for r, round := range rounds {
			total := consensus.Sum(round)
			require.LessOrEqual(t, total, before, "ballots run out, none comes back")
			before = total
			for place := len(ranked) - r; place < len(ranked); place++ {
				for _, option := range ranked[place] {
					require.Zero(t, round[option], "who is out gets nothing")
				}
			}
			for _, lost := range ranked[len(ranked)-1-r] {
				for _, kept := range slices.Concat(ranked[:len(ranked)-1-r]...) {
					require.LessOrEqual(t, round[lost], round[kept], "the lowest goes")
				}
			}
		}
	})
}

func TestLogOddsHasNoOrderAndItsProbabilitiesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		options := rapid.IntRange(1, 5).Draw(t, "options")
		n := rapid.IntRange(0, 12).Draw(t, "n")
		votes := rapid.SliceOfN(rapid.IntRange(0, options-1), n, n).Draw(t, "votes")
		accuracies := rapid.SliceOfN(rapid.Float64Range(1e-300, 0.9999999), n, n).Draw(t, "accuracies")
		scores, ps, err := consensus.LogOdds(votes, accuracies, options)
		require.NoError(t, err)
		require.InDelta(t, 1, consensus.Sum(ps), 1e-12)
		require.Contains(t, consensus.Leaders(ps), consensus.Leaders(scores)[0])
		var mixedVotes []int
		var mixed []float64
		for _, i := range rapid.Permutation(indexes(n)).Draw(t, "order") {
			mixedVotes, mixed = append(mixedVotes, votes[i]), append(mixed, accuracies[i])
		}
		again, psAgain, err := consensus.LogOdds(mixedVotes, mixed, options)
		require.NoError(t, err)
		require.Equal(t, scores, again)
		require.Equal(t, ps, psAgain)
	})
}

func TestWilsonHoldsTheShareAndNarrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1000).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		level := rapid.Float64Range(0.01, 0.99).Draw(t, "level")
		low, high := consensus.Wilson(k, n, level)
		share := float64(k) / float64(n)
		require.True(t, 0 <= low && low <= share && share <= high && high <= 1, "%v %v %v", low, share, high)
		wideLow, wideHigh := consensus.Wilson(k, n, 0.999)
		require.True(t, wideLow <= low && high <= wideHigh)
		mirrorLow, mirrorHigh := consensus.Wilson(n-k, n, level)
		require.InDelta(t, 1-high, mirrorLow, 1e-12)
		require.InDelta(t, 1-low, mirrorHigh, 1e-12)
	})
}

func TestEffectiveVotesAreBetweenOneAndAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 20).Draw(t, "weights")
		correlation := rapid.Float64Range(0, 1).Draw(t, "correlation")
		n, err := consensus.EffectiveVotes(weights, correlation)
		require.NoError(t, err)
		if slices.Max(weights) > 0 {
			require.GreaterOrEqual(t, n, 1-1e-12)
		}
		require.LessOrEqual(t, n, float64(len(weights))+1e-9)
		more, err := consensus.EffectiveVotes(weights, correlation/2)
		require.NoError(t, err)
		require.GreaterOrEqual(t, more, n-1e-12)
	})
}
