package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// statsModule is what scripts call `stats`.
func statsModule() module {
	return module{
		Name: "stats",
		Doc: `stats has the numbers behind decisions: robust means, pools of probabilities, intervals, strengths, agreement of judges, and calibration of
stated confidences. vote and consensus use the same. The order of the numbers never matters, except to median_of_means. What is no finite number,
out of range, or empty is an error that names it; nothing is clamped.

    stats.median([3, 1, 100])       # 3.0
    stats.pool([0.8, 0.7, 0.4])     # 0.6477..., by the mean of the log-odds
    stats.wilson(4, 7)              # (0.2504..., 0.8418...)`,
		Decls: []*Decl{
			statsMean(), statsMedian(), statsStdev(), statsQuantile(), statsTrimmedMean(), statsMAD(), statsHuber(), statsMedianOfMeans(),
			statsGeometricMedian(), statsKrum(),
			statsWilson(), statsPool(), statsBradleyTerry(), statsKappa(), statsMajorityError(), statsDawidSkene(), statsEffectiveVotes(),
			statsCalibration(), statsFit(), statsCalibrated(), statsFitCascade(),
		},
	}
}

// maxWork bounds the work of one call of a kernel, in elementary steps; each is charged as a byte, so that a run's limit on bytes bounds
// their time.
const maxWork = 50_000_000

// work charges for that many steps on parameter i; n is a float because it is a product of sizes.
func (c *Call) work(i int, n float64) error {
	if n > maxWork {
		return c.wrong(i, "this takes about %.0f million steps, want at most %d million; take fewer elements", n/1e6, maxWork/1_000_000)
	}
	return charge(c.Thread, int(n))
}

// numbersArg is parameter i as at least one finite number.
func (c *Call) numbersArg(i int) ([]float64, error) {
	values, err := c.elements(i)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, c.wrong(i, "there are no numbers")
	}
	xs, err := finiteNumbers(values)
	if err != nil {
		return nil, c.wrong(i, "%w", err)
	}
	return xs, charge(c.Thread, 32*len(xs))
}

// finiteNumbers reads values as finite numbers.
func finiteNumbers(values []starlark.Value) ([]float64, error) {
	xs := make([]float64, len(values))
	for k, v := range values {
		x, err := finiteNumber(v)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", k, err)
		}
		xs[k] = x
	}
	return xs, nil
}

// finiteNumber reads a value as a finite number.
func finiteNumber(v starlark.Value) (float64, error) {
	x, ok := starlark.AsFloat(v)
	if !ok {
		return 0, fmt.Errorf("got %s, want a number", runtime.A(v.Type()))
	}
	if x-x != 0 {
		return 0, fmt.Errorf("got %s, want a finite number", shown(v))
	}
	return x, nil
}

// probabilityArg is parameter i as a number in [0, 1], or 0 when it was not given.
func (c *Call) probabilityArg(i int) (float64, error) {
	x, err := c.floatArg(i, 0)
	if err == nil && !(x >= 0 && x <= 1) {
		return 0, c.wrong(i, "got %s, want a number between 0 and 1", shown(c.Args[i]))
	}
	return x, err
}

// sharesArg is parameter i as at least one number in [0, 1].
func (c *Call) sharesArg(i int) ([]float64, error) {
	ps, err := c.numbersArg(i)
	if err != nil {
		return nil, err
	}
	for k, p := range ps {
		if !(p >= 0 && p <= 1) {
			return nil, c.wrong(i, "element %d: got %v, want a probability between 0 and 1", k, p)
		}
	}
	return ps, nil
}

// heavyArg is parameter i as n weights, nil when it was not given.
func (c *Call) heavyArg(i, n int) ([]float64, error) {
	if !c.given(i) {
		return nil, nil
	}
	weights, err := c.numbersArg(i)
	if err != nil {
		return nil, err
	}
	if n >= 0 && len(weights) != n {
		return nil, c.wrong(i, "got %d weights, want %d", len(weights), n)
	}
	for k, w := range weights {
		if w < 0 {
			return nil, c.wrong(i, "element %d: the weight %v is negative", k, w)
		}
	}
	return weights, nil
}

// tupleOf reads a value as a tuple or list of least to most elements.
func tupleOf(v starlark.Value, least, most int) ([]starlark.Value, bool) {
	var items starlark.Indexable
	switch v := v.(type) {
	case starlark.Tuple:
		items = v
	case *starlark.List:
		items = v
	default:
		return nil, false
	}
	if items.Len() < least || items.Len() > most {
		return nil, false
	}
	out := make([]starlark.Value, items.Len())
	for k := range out {
		out[k] = items.Index(k)
	}
	return out, true
}

// floatList is numbers as a list.
func floatList(xs []float64) *starlark.List {
	values := make([]starlark.Value, len(xs))
	for k, x := range xs {
		values[k] = starlark.Float(x)
	}
	return starlark.NewList(values)
}

// described is a value for a message: short ones as they are, others by their type and size.
func described(v starlark.Value) string {
	if starlark.Len(v) >= 0 {
		if _, isText := v.(starlark.String); !isText {
			return "a " + sizeOf(v)
		}
	}
	return shown(v)
}
