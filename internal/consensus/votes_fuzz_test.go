package consensus_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/consensus"
)

// tape is bytes, read as sizes, options and floats of any kind. Where it ends it goes on with zeros.
type tape []byte

func (r *tape) byte() byte {
	if len(*r) == 0 {
		return 0
	}
	b := (*r)[0]
	*r = (*r)[1:]
	return b
}

// float is mostly a number that looks like a weight, and otherwise any bits.
func (r *tape) float() float64 {
	switch kind := r.byte(); {
	case kind < 128:
		return float64(kind) / 10
	case kind < 160:
		return math.Ldexp(float64(r.byte()), int(int8(r.byte()))*8)
	}
	var bits [8]byte
	for i := range bits {
		bits[i] = r.byte()
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(bits[:]))
}

// election is ballots of which some are broken, with hostile weights, or none.
func (r *tape) election() (e election, weights []float64) {
	e.options = int(r.byte()%12) - 1
	plain := r.byte()%4 == 0
	for range int(r.byte() % 40) {
		var ballot []int
		for range int(r.byte() % 12) {
			option := int(r.byte()) % max(e.options+1, 1)
			if option == e.options || slices.Contains(ballot, option) {
				if r.byte() < 250 {
					continue
				}
			}
			ballot = append(ballot, option)
		}
		e.ballots, e.weights = append(e.ballots, ballot), append(e.weights, r.float())
	}
	if plain {
		return e, nil
	}
	return e, e.weights
}

// turned is the slice from the middle on, and then its first half, backwards.
func turned[T any](xs []T) []T {
	if xs == nil {
		return nil
	}
	middle := len(xs) / 2
	front := slices.Clone(xs[:middle])
	slices.Reverse(front)
	return append(slices.Clone(xs[middle:]), front...)
}

// numbers says that no number is NaN or infinite.
func numbers(t *testing.T, xs ...float64) {
	t.Helper()
	for _, x := range xs {
		require.False(t, math.IsNaN(x) || math.IsInf(x, 0), "%v", xs)
	}
}

// tapes is seeds for the fuzzer.
func tapes(f *testing.F) {
	f.Helper()
	f.Add([]byte{})
	f.Add([]byte("\x04\x01\x03\x03\x00\x01\x02\x05\x03\x01\x02\x00\x05\x03\x02\x00\x01\x05"))
	f.Add([]byte("\x06\x02\x09the quick brown fox jumps over the lazy dog, and then again over another one"))
	long := make([]byte, 600)
	for i := range long {
		long[i] = byte(i * i * 7)
	}
	f.Add(long)
	hostile := []byte{5, 1, 12}
	for _, x := range []float64{math.NaN(), math.Inf(1), -1, math.MaxFloat64, 5e-324, 1e300, 0} {
		hostile = append(binary.LittleEndian.AppendUint64(append(hostile, 2, 0, 1, 200), math.Float64bits(x)), 1, 1, 20)
	}
	f.Add(hostile)
}

func FuzzRankedBallots(f *testing.F) {
	tapes(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		read := tape(raw)
		e, weights := read.election()
		ballots, mixed := turned(e.ballots), turned(weights)

		schulze, ranked, err := consensus.Schulze(e.ballots, weights, e.options)
		again, rankedAgain, errAgain := consensus.Schulze(ballots, mixed, e.options)
		require.Equal(t, err == nil, errAgain == nil)
		_, errs := consensus.Borda(e.ballots, weights, e.options)
		require.Equal(t, err == nil, errs == nil, "the methods agree on what a ballot is")
		if err != nil {
			return
		}
		numbers(t, schulze...)
		require.Equal(t, schulze, again)
		require.Equal(t, ranked, rankedAgain)
		require.Len(t, slices.Concat(ranked...), e.options)

		for name, scores := range scoresOf(t, e.ballots, weights, e.options) {
			numbers(t, scores...)
			require.Equal(t, scores, scoresOf(t, ballots, mixed, e.options)[name], name)
			require.Equal(t, e.options > 0, len(consensus.Leaders(scores)) > 0)
		}
		approval, err := consensus.Approval(e.ballots, weights, e.options)
		require.NoError(t, err)
		approvalAgain, err := consensus.Approval(ballots, mixed, e.options)
		require.NoError(t, err)
		numbers(t, approval...)
		require.Equal(t, approval, approvalAgain)

		ranked, rounds, err := consensus.IRV(e.ballots, weights, e.options)
		require.NoError(t, err)
		rankedAgain, roundsAgain, err := consensus.IRV(ballots, mixed, e.options)
		require.NoError(t, err)
		numbers(t, slices.Concat(rounds...)...)
		require.Equal(t, ranked, rankedAgain)
		require.Equal(t, rounds, roundsAgain)
		require.Len(t, slices.Concat(ranked...), e.options)
	})
}

func FuzzVotes(f *testing.F) {
	tapes(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		read := tape(raw)
		options := int(read.byte()%9) - 1
		var votes []int
		var weights []float64
		for range int(read.byte()) {
			votes, weights = append(votes, int(read.byte()%16)%max(options, 1)), append(weights, read.float())
		}
		mixedVotes, mixed := turned(votes), turned(weights)

		scores, err := consensus.Count(votes, weights, options)
		again, errAgain := consensus.Count(mixedVotes, mixed, options)
		require.Equal(t, err == nil, errAgain == nil)
		if err == nil {
			numbers(t, scores...)
			require.Equal(t, scores, again)
		}
		scores, ps, err := consensus.LogOdds(votes, weights, options)
		again, psAgain, errAgain := consensus.LogOdds(mixedVotes, mixed, options)
		require.Equal(t, err == nil, errAgain == nil)
		if err == nil {
			numbers(t, scores...)
			numbers(t, ps...)
			require.Equal(t, scores, again)
			require.Equal(t, ps, psAgain)
		}
		correlation := read.float()
		if n, err := consensus.EffectiveVotes(weights, correlation); err == nil {
			numbers(t, n)
			require.True(t, n >= 0 && n <= float64(len(weights))*(1+1e-12), "%v", n)
			other, err := consensus.EffectiveVotes(mixed, correlation)
			require.NoError(t, err)
			require.InDelta(t, n, other, 0)
		}
		if mean, deviation, agreement, err := consensus.Spread(weights); err == nil {
			numbers(t, mean, deviation, agreement)
			require.True(t, agreement <= 1 && deviation >= 0)
			m, d, a, err := consensus.Spread(mixed)
			require.NoError(t, err)
			require.Equal(t, []float64{mean, deviation, agreement}, []float64{m, d, a})
		}
	})
}

func FuzzSum(f *testing.F) {
	tapes(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		read := tape(raw)
		var xs []float64
		for len(read) > 0 {
			if x := read.float(); !math.IsNaN(x) && !math.IsInf(x, 0) {
				xs = append(xs, x)
			}
		}
		sum := consensus.Sum(xs)
		require.False(t, math.IsNaN(sum))
		require.Equal(t, math.Float64bits(sum), math.Float64bits(consensus.Sum(turned(xs))), "%v", xs)
		if len(xs) > 0 {
			mean := consensus.Mean(xs)
			numbers(t, mean)
			require.True(t, mean >= slices.Min(xs) && mean <= slices.Max(xs), "%v of %v", mean, xs)
		}
	})
}

func FuzzStopping(f *testing.F) {
	f.Add(3, 0, 0.95, 0.5, 0.8, 0.05, 0.05)
	f.Add(3000, 2900, 0.9375, 0.2, 0.8, 0.2, 0.2)
	f.Add(-1, math.MaxInt, math.NaN(), 0.0, 1.0, math.Inf(1), -1.0)
	f.Fuzz(func(t *testing.T, v1, v2 int, c, p0, p1, alpha, beta float64) {
		wrong, err := consensus.MajorityError(p0, v1%2000, p1)
		if err == nil {
			require.True(t, wrong >= 0 && wrong <= 1, "%v", wrong)
		}
		low, high := consensus.Wilson(v1, v2, c)
		require.True(t, low >= 0 && low <= high && high <= 1, "%v %v", low, high)
		test := consensus.SPRT{P0: p0, P1: p1, Alpha: alpha, Beta: beta}
		if verdict := test.Decide(v1, v2); test.Validate() == nil && v1 >= 0 && v2 >= 0 && v1 < 1<<30 && v2 < 1<<30 {
			require.Contains(t, []consensus.Verdict{consensus.Continue, consensus.AcceptH0, consensus.AcceptH1}, verdict)
			if verdict == consensus.AcceptH1 {
				require.Equal(t, consensus.AcceptH1, test.Decide(v1+1, v2), "one more that agrees changes nothing")
			}
			if verdict == consensus.AcceptH0 {
				require.Equal(t, consensus.AcceptH0, test.Decide(v1, v2+1), "one more that differs changes nothing")
			}
		}
		p := consensus.MajorityPosterior(v1%(1<<30), v2%(1<<30))
		require.True(t, p >= 0 && p <= 1, "%v", p)
		// As many votes as a run has branches.
		v1, v2 = v1%10_000, v2%10_000
		beyond := consensus.LeadsBeyond(v1, v2, c)
		if v1 < 0 || v2 < 0 {
			require.False(t, beyond)
			return
		}
		if beyond {
			require.True(t, consensus.LeadsBeyond(v1+1, v2, c), "one more for the leader changes nothing")
		}
		if p = consensus.MajorityPosterior(v1, v2); math.Abs(p-c) > 1e-9 {
			require.Equal(t, p > c, beyond)
		}
		require.InDelta(t, 1, p+consensus.MajorityPosterior(v2, v1), 1e-11)
	})
}

func FuzzDawidSkene(f *testing.F) {
	tapes(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		read := tape(raw)
		options, voters := int(read.byte()%6), int(read.byte()%6)
		var answers [][]int
		for range int(read.byte() % 12) {
			row := make([]int, voters)
			for v := range row {
				row[v] = int(read.byte())%(max(options, 1)+1) - 1
			}
			answers = append(answers, row)
		}
		accuracies, posteriors, err := consensus.DawidSkene(answers, options)
		if err != nil {
			return
		}
		for _, p := range accuracies {
			require.True(t, p > 0 && p < 1, "%v", p)
		}
		for _, ps := range posteriors {
			require.InDelta(t, 1, consensus.Sum(ps), 1e-12)
		}
		again, truths, err := consensus.DawidSkene(turned(answers), options)
		require.NoError(t, err)
		require.Equal(t, accuracies, again)
		require.Equal(t, posteriors, turnedBack(truths))
	})
}

// turnedBack undoes turned.
func turnedBack[T any](xs []T) []T {
	half := len(xs) - len(xs)/2
	front := slices.Clone(xs[half:])
	slices.Reverse(front)
	return append(front, xs[:half]...)
}
