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
		return sums[0]
	}
	parts := make([]float64, len(sums))
	for cell := range sums[0] {
		for i := range sums {
			parts[i] = sums[i][cell]
		}
		sums[0][cell] = Sum(parts)
	}
	return sums[0]
}

// layersOf splits weights into layers that add up to them. A layer is a grid so coarse that every sum in it of the weights, each taken up to
// times, is exact in any order (Rump, Ogita and Oishi 2008, Accurate Floating-Point Summation). Weights of like size make two or three.
func layersOf(weights []float64, times int) [][]float64 {
	var layers [][]float64
	rest := weights
	for {
		largest := 0.0
		for _, w := range rest {
			largest = max(largest, math.Abs(w))
		}
		if largest == 0 {
			return layers
		}
		_, exponent := math.Frexp(largest)
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
