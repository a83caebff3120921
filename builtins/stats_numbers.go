package builtins

import (
	"math"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/internal/consensus"
)

// numbersParam is the parameter of most functions of stats.
func numbersParam() Param { return Param{Name: "xs", Type: "list of numbers"} }

// ofNumbers declares a function of some numbers, and of one more number if param says what it is called.
func ofNumbers(name, doc string, param *Param, def float64, fn func(xs []float64, y float64) (float64, error)) *Decl {
	d := &Decl{Name: name, Params: []Param{numbersParam()}, Result: "float", Doc: doc}
	if param != nil {
		d.Params = append(d.Params, *param)
	}
	d.Impl = func(c *Call) (starlark.Value, error) {
		xs, err := c.numbersArg(0)
		if err != nil {
			return nil, err
		}
		y, blame := def, 0
		if param != nil {
			blame = 1
			if y, err = c.floatArg(1, def); err != nil {
				return nil, err
			}
		}
		x, err := fn(xs, y)
		if err != nil {
			return nil, c.wrong(blame, "%w", err)
		}
		return starlark.Float(x), nil
	}
	return d
}

// plain makes a function of numbers fit for ofNumbers.
func plain(fn func([]float64) (float64, error)) func([]float64, float64) (float64, error) {
	return func(xs []float64, _ float64) (float64, error) { return fn(xs) }
}

func statsMean() *Decl {
	return &Decl{
		Name:   "mean",
		Params: []Param{numbersParam(), {Name: "weights", Type: "list of numbers", Default: "None"}},
		Result: "float",
		Doc: `stats.mean(xs, weights=None) is the mean of the numbers, each as heavy as its weight. Weights are at least 0, and not all 0.

    stats.mean([1, 2, 6])              # 3.0
    stats.mean([10, 20], weights = [9, 1]) # 11.0`,
		Impl: func(c *Call) (starlark.Value, error) {
			xs, err := c.numbersArg(0)
			if err != nil {
				return nil, err
			}
			weights, err := c.heavyArg(1, len(xs))
			if err != nil {
				return nil, err
			}
			x, err := consensus.WeightedMean(xs, weights)
			if err != nil {
				return nil, c.wrong(1, "%w", err)
			}
			return starlark.Float(x), nil
		},
	}
}

func statsMedian() *Decl {
	return ofNumbers("median", `stats.median(xs) is the middle of the numbers, or half way between the two in the middle. Wrong numbers do not move it while
they are fewer than half.

    stats.median([3, 1, 100]) # 3.0`, nil, 0, plain(consensus.Median))
}

func statsStdev() *Decl {
	return &Decl{
		Name:   "stdev",
		Params: []Param{numbersParam(), {Name: "sample", Type: "bool", Default: "False", Kind: Named}},
		Result: "float",
		Doc: `stats.stdev(xs, sample=False) is the standard deviation of the numbers as a population: the root of the mean squared distance from
their mean. With sample=True it estimates that of a population of which they are a sample, and needs two.

    stats.stdev([2, 4, 4, 4, 5, 5, 7, 9]) # 2.0`,
		Impl: func(c *Call) (starlark.Value, error) {
			xs, err := c.numbersArg(0)
			if err != nil {
				return nil, err
			}
			x, err := consensus.StdDev(xs)
			if err != nil {
				return nil, c.wrong(0, "%w", err)
			}
			if c.given(1) && bool(c.Args[1].Truth()) {
				if len(xs) < 2 {
					return nil, c.wrong(0, "a sample needs at least 2 numbers")
				}
				n := float64(len(xs))
				x *= math.Sqrt(n / (n - 1))
			}
			return finite(c, x, xs[:1]...)
		},
	}
}

func statsQuantile() *Decl {
	return ofNumbers("quantile", `stats.quantile(xs, q) is the number below which the share q of the numbers lies, interpolated between two of them.

    stats.quantile([1, 2, 3, 4], 0.25) # 1.75`,
		&Param{Name: "q", Type: "int or float"}, 0, consensus.Quantile)
}

func statsTrimmedMean() *Decl {
	return ofNumbers("trimmed_mean", `stats.trimmed_mean(xs, cut=0.1) is the mean of what is left when the share cut of the numbers, less than one half and rounded down
to whole numbers, is left out at each end.

    stats.trimmed_mean([1, 2, 3, 100], cut = 0.25) # 2.5`,
		&Param{Name: "cut", Type: "float", Default: "0.1"}, 0.1, consensus.TrimmedMean)
}

func statsMAD() *Decl {
	return ofNumbers("mad", `stats.mad(xs) is the median of the distances of the numbers from their median. Times 1.4826 it estimates a standard deviation.

    stats.mad([1, 2, 3, 100]) # 1.0`, nil, 0, plain(consensus.MAD))
}

func statsHuber() *Decl {
	return ofNumbers("huber", `stats.huber(xs, k=1.345) is Huber's estimate of the centre: where the pulls of the numbers balance, each of which pulls with its distance
but with no more than k times 1.4826 times stats.mad(xs). It is nearly as exact as the mean where numbers are normal, and outliers do not carry it away.
Where more than half of the numbers are the same it is that number.

    stats.huber([3.1, 2.9, 3.4, 28.9]) # 3.2995...`,
		&Param{Name: "k", Type: "int or float", Default: "1.345"}, 1.345, consensus.Huber)
}

func statsMedianOfMeans() *Decl {
	return &Decl{
		Name:   "median_of_means",
		Params: []Param{numbersParam(), {Name: "groups", Type: "int", Default: "None"}},
		Result: "float",
		Doc: `stats.median_of_means(xs, groups=None) cuts the numbers, in their order, into so many groups, and is the median of the groups' means.
Unless said there are as many groups as the root of their number, rounded up. It depends on the order; shuffle numbers whose order means something.

    stats.median_of_means([1, 3, 2, 4, 1000, 3], groups = 3) # 3.0`,
		Impl: func(c *Call) (starlark.Value, error) {
			xs, err := c.numbersArg(0)
			if err != nil {
				return nil, err
			}
			groups, err := c.intArg(1, int(math.Ceil(math.Sqrt(float64(len(xs))))), 1)
			if err != nil {
				return nil, err
			}
			x, err := consensus.MedianOfMeans(xs, groups)
			if err != nil {
				return nil, c.wrong(1, "%w", err)
			}
			return starlark.Float(x), nil
		},
	}
}

// pointsParam is the parameter of functions of vectors.
func pointsParam() Param { return Param{Name: "points", Type: "list of lists of numbers"} }

// pointsArg is parameter 0 as points of the same number of coordinates; each pair of them costs so many steps for each.
func (c *Call) pointsArg() ([][]float64, error) {
	values, err := c.elements(0)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, c.wrong(0, "there are no points")
	}
	points := make([][]float64, len(values))
	for k, v := range values {
		row, ok := tupleOf(v, 1, maxItems)
		if !ok {
			return nil, c.wrong(0, "element %d: got %s, want a list of numbers", k, described(v))
		}
		if err := charge(c.Thread, 48*len(row)); err != nil {
			return nil, err
		}
		if points[k], err = finiteNumbers(row); err != nil {
			return nil, c.wrong(0, "element %d: %w", k, err)
		}
		if len(row) != len(points[0]) {
			return nil, c.wrong(0, "element %d: got %d coordinates, the first has %d", k, len(row), len(points[0]))
		}
	}
	n := float64(len(points))
	return points, c.work(0, 2*n*(n+100)*float64(len(points[0])))
}

func statsGeometricMedian() *Decl {
	return &Decl{
		Name:   "geometric_median",
		Params: []Param{pointsParam()},
		Result: "list of floats",
		Doc: `stats.geometric_median(points) is the point with the least sum of distances to the points, which are lists of as many numbers each. Wrong
points do not carry it away while they are fewer than half. Work is quadratic in the number of points.

    stats.geometric_median([[1, 1], [1, 1], [1, 1], [900, -900]]) # [1.0, 1.0]`,
		Impl: func(c *Call) (starlark.Value, error) {
			points, err := c.pointsArg()
			if err != nil {
				return nil, err
			}
			at, err := consensus.GeometricMedian(points)
			if err != nil {
				return nil, c.wrong(0, "%w", err)
			}
			return floatList(at), nil
		},
	}
}

func statsKrum() *Decl {
	return &Decl{
		Name:   "krum",
		Params: []Param{pointsParam(), {Name: "faulty", Type: "int", Default: "1"}},
		Result: "int",
		Doc: `stats.krum(points, faulty=1) is the index of the point that lies closest to its neighbours, when up to so many points may be anything; the first
of equals. It needs at least 2 * faulty + 3 points.

    stats.krum([[1.0], [1.1], [0.9], [50], [1.05]]) # 4`,
		Impl: func(c *Call) (starlark.Value, error) {
			points, err := c.pointsArg()
			if err != nil {
				return nil, err
			}
			faulty, err := c.intArg(1, 1, 0)
			if err != nil {
				return nil, err
			}
			i, err := consensus.Krum(points, faulty)
			if err != nil {
				return nil, c.wrong(1, "%w", err)
			}
			return starlark.MakeInt(i), nil
		},
	}
}
