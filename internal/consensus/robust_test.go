package consensus_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/consensus"
)

// chem is the copper in wholemeal flour, in parts per million, of the Analytical Methods Committee (1989): one value is ten times too large.
func chem() []float64 {
	return []float64{
		2.9, 3.1, 3.4, 3.4, 3.7, 3.7, 2.8, 2.5, 2.4, 2.4, 2.7, 2.2, 5.28, 3.37, 3.03, 3.03, 28.95, 3.77, 3.4, 2.2, 3.5, 3.6, 3.7, 3.7,
	}
}

func TestRobustNumbersOfTheCopperInFlour(t *testing.T) {
	t.Parallel()
	median, err := consensus.Median(chem())
	require.NoError(t, err)
	require.InDelta(t, 3.385, median, 1e-12)
	mad, err := consensus.MAD(chem())
	require.NoError(t, err)
	require.InDelta(t, 0.355, mad, 1e-12)
	huber, err := consensus.Huber(chem(), 1.5)
	require.NoError(t, err)
	require.InDelta(t, 3.206724, huber, 1e-6, "Venables and Ripley 2002, page 124")
}

func TestTrimmedMeanDropsWholeNumbersAtEachEnd(t *testing.T) {
	t.Parallel()
	xs := []float64{100, 1, 2, 3, -50}
	for cut, want := range map[float64]float64{0: 11.2, 0.1: 11.2, 0.2: 2, 0.39: 2, 0.4: 2, 0.49: 2} {
		got, err := consensus.TrimmedMean(xs, cut)
		require.NoError(t, err)
		require.InDelta(t, want, got, 1e-12, "cut %v", cut)
	}
}

func TestQuantilesAreInterpolated(t *testing.T) {
	t.Parallel()
	for q, want := range map[float64]float64{0: 1, 0.25: 1.75, 0.5: 2.5, 0.75: 3.25, 1: 4} {
		got, err := consensus.Quantile([]float64{4, 1, 3, 2}, q)
		require.NoError(t, err)
		require.InDelta(t, want, got, 1e-12, "q %v", q)
	}
}

func TestStandardDeviationIsThatOfThePopulation(t *testing.T) {
	t.Parallel()
	got, err := consensus.StdDev([]float64{2, 4, 4, 4, 5, 5, 7, 9})
	require.NoError(t, err)
	require.InDelta(t, 2, got, 1e-12)
	got, err = consensus.StdDev([]float64{math.MaxFloat64, -math.MaxFloat64})
	require.NoError(t, err)
	require.InEpsilon(t, math.MaxFloat64, got, 1e-12)
	got, err = consensus.StdDev([]float64{1e-300, 3e-300})
	require.NoError(t, err)
	require.InEpsilon(t, 1e-300, got, 1e-9)
}

func TestHuberIsTheMeanWhereNobodyIsFarOffAndTheMedianWhereMostAgree(t *testing.T) {
	t.Parallel()
	got, err := consensus.Huber([]float64{1, 2, 3, 6}, 100)
	require.NoError(t, err)
	require.InDelta(t, 3, got, 1e-12)
	got, err = consensus.Huber([]float64{5, 5, 5, 5, 1000, -3}, 1.345)
	require.NoError(t, err)
	require.InDelta(t, 5, got, 0)
	// The median distance is 1: 0, 1 and 2 pull with their distance and 100 with all it may, 2.97, so that 3m = 3 + 2.97.
	got, err = consensus.Huber([]float64{0, 1, 2, 100}, 2)
	require.NoError(t, err)
	require.InDelta(t, 1+2*1.482602218505602/3, got, 1e-12)
}

func TestWeightedMean(t *testing.T) {
	t.Parallel()
	got, err := consensus.WeightedMean([]float64{10, 20, 1000}, []float64{9, 1, 0})
	require.NoError(t, err)
	require.InDelta(t, 11, got, 1e-12)
	got, err = consensus.WeightedMean([]float64{math.MaxFloat64, math.MaxFloat64}, nil)
	require.NoError(t, err)
	require.InDelta(t, math.MaxFloat64, got, 0)
	_, err = consensus.WeightedMean([]float64{1, 2}, []float64{1})
	require.Error(t, err)
}

func TestMedianOfMeansGroupsInOrder(t *testing.T) {
	t.Parallel()
	got, err := consensus.MedianOfMeans([]float64{1, 3, 2, 4, 1000, 3}, 3)
	require.NoError(t, err)
	require.InDelta(t, 3, got, 1e-12)
	_, err = consensus.MedianOfMeans([]float64{1}, 2)
	require.EqualError(t, err, "2 groups of 1 numbers, want 1 to 1")
}

func TestGeometricMedian(t *testing.T) {
	t.Parallel()
	third := math.Sqrt(3) / 2
	for _, c := range []struct {
		story  string
		points [][]float64
		want   []float64
	}{
		{"the corners of a square have their centre", [][]float64{{0, 0}, {0, 2}, {2, 0}, {2, 2}}, []float64{1, 1}},
		{"a triangle of equal sides has its centre", [][]float64{{0, 0}, {1, 0}, {0.5, third}}, []float64{0.5, third / 3}},
		{"a corner of 120 degrees or more is the median itself", [][]float64{{0, 0}, {10, 1}, {-10, 1}}, []float64{0, 0}},
		{"a lone outlier does not move it off the crowd", [][]float64{{1, 1}, {1, 1}, {1, 1}, {1e9, -1e9}}, []float64{1, 1}},
		{"on a line it is the median", [][]float64{{5}, {1}, {100}}, []float64{5}},
		{"a quadrilateral has the crossing of its diagonals", [][]float64{{0, 0}, {4, 4}, {0, 2}, {2, 0}}, []float64{1, 1}},
		{"one point is itself", [][]float64{{3, -4}}, []float64{3, -4}},
	} {
		got, err := consensus.GeometricMedian(c.points)
		require.NoError(t, err, c.story)
		require.InDeltaSlice(t, c.want, got, 1e-9, c.story)
	}
}

func TestKrumPicksFromTheCrowd(t *testing.T) {
	t.Parallel()
	points := [][]float64{{50, 50}, {1, 1.1}, {1, 1}, {0.9, 1}, {1.1, 1}, {-40, 9}, {1, 0.9}}
	got, err := consensus.Krum(points, 2)
	require.NoError(t, err)
	require.Equal(t, 2, got)
	_, err = consensus.Krum(points, 3)
	require.EqualError(t, err, "7 points of which 3 may be faulty, want at least 9")
	_, err = consensus.Krum(points[:2], 0)
	require.ErrorContains(t, err, "want at least 3")
	first, err := consensus.Krum([][]float64{{1}, {1}, {1}}, 0)
	require.NoError(t, err)
	require.Zero(t, first, "the first of equals")
}

func TestWhatIsNoNumberIsNamed(t *testing.T) {
	t.Parallel()
	_, err := consensus.Median(nil)
	require.EqualError(t, err, "there is no number")
	_, err = consensus.Median([]float64{1, math.NaN()})
	require.EqualError(t, err, "number 1 is NaN")
	_, err = consensus.TrimmedMean([]float64{1}, 0.5)
	require.EqualError(t, err, "the share 0.5 to cut is not in [0, 0.5)")
	_, err = consensus.Quantile([]float64{1}, -1)
	require.EqualError(t, err, "the share -1 is not between 0 and 1")
	_, err = consensus.Huber([]float64{1}, 0)
	require.EqualError(t, err, "the bound 0 is not a finite number above 0")
	_, err = consensus.GeometricMedian([][]float64{{1, 2}, {1}})
	require.EqualError(t, err, "point 1 has 1 coordinates, the first has 2")
	_, err = consensus.GeometricMedian([][]float64{{1, math.Inf(1)}})
	require.EqualError(t, err, "point 0: coordinate 1 is +Inf")
}

// location are the functions that sum numbers up in one of their kind.
func location() map[string]func([]float64) (float64, error) {
	return map[string]func([]float64) (float64, error){
		"median":       consensus.Median,
		"trimmed mean": func(xs []float64) (float64, error) { return consensus.TrimmedMean(xs, 0.2) },
		"quantile":     func(xs []float64) (float64, error) { return consensus.Quantile(xs, 0.9) },
		"mean":         func(xs []float64) (float64, error) { return consensus.WeightedMean(xs, nil) },
		"huber":        func(xs []float64) (float64, error) { return consensus.Huber(xs, 1.345) },
		"geometric": func(xs []float64) (float64, error) {
			points := make([][]float64, len(xs))
			for i, x := range xs {
				points[i] = []float64{x}
			}
			p, err := consensus.GeometricMedian(points)
			if err != nil {
				return 0, err
			}
			return p[0], nil
		},
	}
}

func TestLocationsLieInTheRangeWhateverTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 20).Draw(t, "xs")
		other := rapid.Permutation(xs).Draw(t, "other")
		for name, f := range location() {
			got, err := f(xs)
			require.NoError(t, err, name)
			again, err := f(other)
			require.NoError(t, err, name)
			require.Equal(t, math.Float64bits(got), math.Float64bits(again), "%s depends on the order", name)
			require.GreaterOrEqual(t, got, slices.Min(xs), name)
			require.LessOrEqual(t, got, slices.Max(xs), name)
		}
	})
}

// No step away from the geometric median is a step to a smaller sum of distances.
func TestGeometricMedianIsTheBestPointNearby(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		point := rapid.SliceOfN(rapid.Float64Range(-100, 100), 2, 2)
		points := rapid.SliceOfN(point, 1, 12).Draw(t, "points")
		at, err := consensus.GeometricMedian(points)
		require.NoError(t, err)
		total := func(x, y float64) float64 {
			sum := 0.0
			for _, p := range points {
				sum += math.Hypot(p[0]-x, p[1]-y)
			}
			return sum
		}
		here := total(at[0], at[1])
		for angle := 0.0; angle < 6.28; angle += 0.3 {
			for _, far := range []float64{1e-3, 0.1, 5} {
				require.LessOrEqual(t, here, total(at[0]+far*math.Cos(angle), at[1]+far*math.Sin(angle))+1e-7)
			}
		}
	})
}

// Moving and stretching the numbers moves and stretches what sums them up.
func TestLocationsFollowTheNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(-100, 100), 1, 20).Draw(t, "xs")
		by, times := rapid.Float64Range(-50, 50).Draw(t, "by"), rapid.Float64Range(0.5, 20).Draw(t, "times")
		moved := make([]float64, len(xs))
		for i, x := range xs {
			moved[i] = x*times + by
		}
		for name, f := range location() {
			was, err := f(xs)
			require.NoError(t, err)
			is, err := f(moved)
			require.NoError(t, err)
			require.InDelta(t, was*times+by, is, 1e-6, name)
		}
	})
}

// hostile reads bytes as any floats at all.
func hostile(raw []byte) []float64 {
	var xs []float64
	for ; len(raw) >= 8; raw = raw[8:] {
		xs = append(xs, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
	}
	return xs
}

// floats are seeds of a fuzzer that meet every edge of float64.
func floats() [][]byte {
	edges := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.5, 5e-324, -5e-324, math.MaxFloat64, -math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(),
		1e-310, 1e300, -1e300, 0.1, 0.3, 1 - 1e-16, 1 + 1e-15,
	}
	var all []byte
	var seeds [][]byte
	for _, x := range edges {
		one := binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))
		seeds = append(seeds, one, slices.Concat(one, make([]byte, 8), one))
		all = append(all, one...)
	}
	return append(seeds, all, all[:8*9], all[8*12:])
}

func FuzzRobust(f *testing.F) {
	for _, s := range floats() {
		f.Add(s, 0.2, 3)
	}
	f.Fuzz(func(t *testing.T, raw []byte, share float64, n int) {
		xs := hostile(raw)
		if len(xs) > 60 {
			return
		}
		turned := slices.Clone(xs)
		slices.Reverse(turned)
		for name, fn := range map[string]func([]float64) (float64, error){
			"median":       consensus.Median,
			"quantile":     func(xs []float64) (float64, error) { return consensus.Quantile(xs, share) },
			"trimmed mean": func(xs []float64) (float64, error) { return consensus.TrimmedMean(xs, share) },
			"huber":        func(xs []float64) (float64, error) { return consensus.Huber(xs, share) },
			"mean":         func(xs []float64) (float64, error) { return consensus.WeightedMean(xs, nil) },
		} {
			got, err := fn(xs)
			again, err2 := fn(turned)
			require.Equal(t, err == nil, err2 == nil, name)
			if err != nil {
				continue
			}
			require.True(t, got >= slices.Min(xs) && got <= slices.Max(xs), "%s of %v is %v", name, xs, got)
			require.InDelta(t, got, again, 0, "%s of %v depends on the order", name, xs)
		}
		for name, fn := range map[string]func([]float64) (float64, error){"mad": consensus.MAD, "deviation": consensus.StdDev} {
			got, err := fn(xs)
			again, _ := fn(turned)
			require.True(t, err != nil || got >= 0 && got <= math.MaxFloat64, "%s of %v is %v", name, xs, got)
			require.InDelta(t, got, again, 0, "%s of %v depends on the order", name, xs)
		}
		if got, err := consensus.MedianOfMeans(xs, n); err == nil {
			require.True(t, got >= slices.Min(xs) && got <= slices.Max(xs), "%v: %v", xs, got)
		}
		fuzzPoints(t, xs, n)
	})
}

// fuzzPoints takes the numbers as points of one and of two coordinates.
func fuzzPoints(t *testing.T, xs []float64, faulty int) {
	t.Helper()
	for dims := 1; dims <= 2; dims++ {
		points := slices.Collect(slices.Chunk(xs[:len(xs)/dims*dims], dims))
		at, err := consensus.GeometricMedian(points)
		for _, x := range at {
			require.True(t, err == nil && math.Abs(x) <= math.MaxFloat64, "%v: %v", points, at)
		}
		if i, err := consensus.Krum(points, faulty); err == nil {
			require.True(t, i >= 0 && i < len(points))
		}
	}
}
