package consensus_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/consensus"
)

// ballotsOf is so many whole ballots, with weights.
func ballotsOf(n, options int) (ballots [][]int, weights []float64) {
	draw := rand.New(rand.NewPCG(3, 5))
	for range n {
		ballots, weights = append(ballots, draw.Perm(options)), append(weights, draw.Float64())
	}
	return ballots, weights
}

// BenchmarkCount is to stay below 200 us for 1,000 votes and 30 ms for 100,000.
func BenchmarkCount(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		for _, options := range []int{5, n} {
			draw := rand.New(rand.NewPCG(3, 5))
			votes, weights := make([]int, n), make([]float64, n)
			for i := range votes {
				votes[i], weights[i] = draw.IntN(options), draw.Float64()
			}
			for name, weights := range map[string][]float64{"plurality": nil, "weighted": weights} {
				b.Run(fmt.Sprintf("%s/votes=%d/options=%d", name, n, options), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						scores, err := consensus.Count(votes, weights, options)
						require.NoError(b, err)
						consensus.Leaders(scores)
					}
				})
			}
		}
	}
}

func BenchmarkLogOdds(b *testing.B) {
	votes, accuracies := make([]int, 100_000), make([]float64, 100_000)
	draw := rand.New(rand.NewPCG(3, 5))
	for i := range votes {
		votes[i], accuracies[i] = draw.IntN(5), 0.5+draw.Float64()/2.1
	}
	for b.Loop() {
		_, _, err := consensus.LogOdds(votes, accuracies, 5)
		require.NoError(b, err)
	}
}

// BenchmarkRanked is of 10,000 ballots with 20 options; Schulze is to stay below 20 ms.
func BenchmarkRanked(b *testing.B) {
	ballots, drawn := ballotsOf(10_000, 20)
	for _, voters := range []struct {
		name    string
		weights []float64
	}{{"plain", nil}, {"weighted", drawn}} {
		b.Run("schulze/"+voters.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := consensus.Schulze(ballots, voters.weights, 20)
				require.NoError(b, err)
			}
		})
		b.Run("irv/"+voters.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := consensus.IRV(ballots, voters.weights, 20)
				require.NoError(b, err)
			}
		})
		b.Run("borda/"+voters.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := consensus.Borda(ballots, voters.weights, 20)
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkSchulzeOfMostOptions(b *testing.B) {
	ballots, _ := ballotsOf(10, consensus.MaxPaired)
	for b.Loop() {
		_, _, err := consensus.Schulze(ballots, nil, consensus.MaxPaired)
		require.NoError(b, err)
	}
}

func BenchmarkSum(b *testing.B) {
	_, xs := ballotsOf(100_000, 0)
	for b.Loop() {
		consensus.Sum(xs)
	}
}

// BenchmarkLeadsBeyond is asked after each arrival.
func BenchmarkLeadsBeyond(b *testing.B) {
	for _, c := range [][2]int{{3, 0}, {60, 40}, {5000, 4999}, {5100, 4900}, {10_000, 0}} {
		b.Run(fmt.Sprintf("%d-%d", c[0], c[1]), func(b *testing.B) {
			for b.Loop() {
				consensus.LeadsBeyond(c[0], c[1], 0.95)
			}
		})
	}
}

func BenchmarkDawidSkene(b *testing.B) {
	answers, _ := crowd([]float64{0.9, 0.8, 0.7, 0.6, 0.6}, 200, 4)
	for b.Loop() {
		_, _, err := consensus.DawidSkene(answers, 4)
		require.NoError(b, err)
	}
}

func BenchmarkMajorityError(b *testing.B) {
	for b.Loop() {
		_, err := consensus.MajorityError(0.85, 101, 0.3)
		require.NoError(b, err)
	}
}

func BenchmarkWilson(b *testing.B) {
	for _, level := range []float64{0.95, 0.9} {
		b.Run(fmt.Sprint(level), func(b *testing.B) {
			for b.Loop() {
				consensus.Wilson(40, 70, level)
			}
		})
	}
}
