package consensus

import (
	"math"
	"math/bits"
)

// totals casts every ballot into the cells and sums up what each cell got, correctly rounded, in plain additions. cast adds the weight of
// every ballot, times a whole number, to any cells; no cell gets more than times the weights' sum.
func totals(weights []float64, ballots, cells, times int, cast func(weights, into []float64)) []float64 {
	if weights == nil {
		weights = ones(ballots)
	}
	weights, scale := scaledDown(weights)
	layers := layersOf(weights, times)
	sums := make([][]float64, len(layers))
	for i, layer := range layers {
		sums[i] = make([]float64, cells)
		cast(layer, sums[i])
	}
	switch len(sums) {
	case 0:
		return make([]float64, cells)
	case 1:
		return scaledUp(sums[0], scale)
	}
	parts := make([]float64, len(sums))
	for cell := range sums[0] {
		for i := range sums {
			parts[i] = sums[i][cell]
		}
		sums[0][cell] = Sum(parts)
	}
	return scaledUp(sums[0], scale)
}

// Bounds within which weights are split into layers: above the first they are scaled down, so that no grid overflows; and what is smaller than the
// largest by the second, as a power of two, cannot be seen in any sum.
const (
	tallest = 900
	deepest = 180
)

// scaledDown divides weights by a power of two where the largest is near the end of what there is.
func scaledDown(weights []float64) ([]float64, int) {
	_, exponent := math.Frexp(largest(weights))
	if exponent <= tallest {
		return weights, 0
	}
	small := make([]float64, len(weights))
	for i, w := range weights {
		small[i] = math.Ldexp(w, tallest-exponent)
	}
	return small, exponent - tallest
}

func scaledUp(sums []float64, scale int) []float64 {
	if scale != 0 {
		for i, s := range sums {
			sums[i] = math.Ldexp(s, scale)
		}
	}
	return sums
}

// layersOf splits weights into layers that add up to them. A layer is a grid so coarse that every sum in it of the weights, each taken up to
// times, is exact in any order (Rump, Ogita and Oishi 2008, Accurate Floating-Point Summation). Weights of like size make two or three.
func layersOf(weights []float64, times int) [][]float64 {
	var layers [][]float64
	rest := weights
	_, highest := math.Frexp(largest(weights))
	for {
		most := largest(rest)
		_, exponent := math.Frexp(most)
		if most == 0 || exponent < highest-deepest {
			return layers
		}
		coarse := math.Ldexp(1, exponent+bits.Len(uint(len(weights)))+bits.Len(uint(times))+1)
		layer, below := make([]float64, len(weights)), make([]float64, len(weights))
		for i, w := range rest {
			layer[i] = (coarse + w) - coarse
			below[i] = w - layer[i]
		}
		layers, rest = append(layers, layer), below
	}
}

// ones is n weights of one.
func ones(n int) []float64 {
	ws := make([]float64, n)
	for i := range ws {
		ws[i] = 1
	}
	return ws
}
