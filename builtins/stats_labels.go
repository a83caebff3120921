package builtins

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/internal/consensus"
	"github.com/parallax-run/parallax/runtime"
)

const labelsDoc = `A label is (confidence, correct), or a dict or struct with those fields, such as what outcome records.`

// labelsParam is the parameter of calibration.
func labelsParam() Param { return Param{Name: "labels", Type: "list"} }

// labelsArg is parameter i as labels.
func (c *Call) labelsArg(i int) (consensus.Labels, error) {
	values, err := c.elements(i)
	if err != nil {
		return nil, err
	}
	if err := charge(c.Thread, 64*len(values)); err != nil {
		return nil, err
	}
	labels := make(consensus.Labels, len(values))
	for k, v := range values {
		if labels[k], err = labelIn(v); err != nil {
			return nil, c.wrong(i, "element %d: %w", k, err)
		}
	}
	return labels, nil
}

// labelIn reads one label.
func labelIn(v starlark.Value) (consensus.Label, error) {
	parts, err := partsOf(v, 2, "confidence", "correct")
	if err != nil {
		return consensus.Label{}, err
	}
	confidence, err := shareNumber("confidence", parts[0])
	if err != nil {
		return consensus.Label{}, err
	}
	correct, ok := parts[1].(starlark.Bool)
	if !ok {
		return consensus.Label{}, fmt.Errorf("correct: got %s, want True or False", shown(parts[1]))
	}
	return consensus.Label{Confidence: confidence, Correct: bool(correct)}, nil
}

// partsOf gives the named parts of a tuple or list, of which the last may be missing, or of a dict or struct.
func partsOf(v starlark.Value, least int, names ...string) ([]starlark.Value, error) {
	switch v.(type) {
	case starlark.Tuple, *starlark.List:
		parts, ok := tupleOf(v, least, len(names))
		if !ok {
			return nil, fmt.Errorf("got %s, want (%s)", described(v), strings.Join(names, ", "))
		}
		return parts, nil
	}
	parts := make([]starlark.Value, 0, len(names))
	for k, name := range names {
		part, err := attrOf(v, name)
		if err != nil {
			if k >= least {
				break
			}
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// shareNumber reads a number in [0, 1].
func shareNumber(what string, v starlark.Value) (float64, error) {
	x, ok := starlark.AsFloat(v)
	if !ok || !(x >= 0 && x <= 1) {
		return 0, fmt.Errorf("%s: got %s, want a number between 0 and 1", what, shown(v))
	}
	return x, nil
}

func statsCalibration() *Decl {
	return &Decl{
		Name:   "calibration",
		Params: []Param{labelsParam(), {Name: "bins", Type: "int", Default: "10"}},
		Result: "struct",
		Doc: `stats.calibration(labels, bins=10) says how far stated confidences can be trusted. ` + labelsDoc + `

The struct has n, correct, accuracy (None without labels), low and high (its Wilson interval at 95 %), and from 30 labels on, None before: ece, the mean gap
between confidence and accuracy over bins of equal width; mce, the largest gap; brier, the mean squared error; nll, the mean negative log-likelihood, None when a
label was certain and wrong. Bin k of n holds what is more than k/n and at most (k+1)/n, the first also 0.

    c = stats.calibration([(0.9, True), (0.9, True), (0.9, False), (0.6, True)] * 10)
    c.accuracy # 0.75
    c.ece      # 0.275`,
		Impl: calibration,
	}
}

func calibration(c *Call) (starlark.Value, error) {
	labels, err := c.labelsArg(0)
	if err != nil {
		return nil, err
	}
	bins, err := c.intArg(1, 10, 1)
	if err != nil {
		return nil, err
	}
	n, correct := len(labels), labels.Correct()
	low, high := consensus.Wilson(correct, n, 0.95)
	out := starlark.StringDict{
		"n": starlark.MakeInt(n), "correct": starlark.MakeInt(correct), "accuracy": starlark.None,
		"low": starlark.Float(low), "high": starlark.Float(high),
		"ece": starlark.None, "mce": starlark.None, "brier": starlark.None, "nll": starlark.None,
	}
	if n > 0 {
		out["accuracy"] = starlark.Float(float64(correct) / float64(n))
	}
	if labels.Enough() == nil {
		for _, m := range []struct {
			name string
			of   func() (float64, error)
		}{
			{"ece", func() (float64, error) { return labels.ECE(bins) }},
			{"mce", func() (float64, error) { return labels.MCE(bins) }},
			{"brier", labels.Brier},
			{"nll", labels.NLL},
		} {
			x, err := m.of()
			if _, certain := errors.AsType[*consensus.CertainAndWrong](err); certain {
				continue
			}
			if err != nil {
				return nil, c.wrong(1, "%w", err)
			}
			out[m.name] = starlark.Float(x)
		}
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, out), nil
}

func statsFit() *Decl {
	return &Decl{
		Name:   "fit",
		Params: []Param{labelsParam(), {Name: "method", Type: "str", Default: `"temperature"`}},
		Result: "dict",
		Doc: `stats.fit(labels, method="temperature") is a map from stated confidences to ones that can be trusted, for stats.calibrated; plain data, to be
kept in a file or in state. ` + labelsDoc + `

"temperature" divides the log-odds by one number, which is above 1 for who is too sure, and needs the fewest labels. "platt" fits a line to the log-odds. "isotonic" fits
accuracies that never fall as the confidence rises, and needs many hundreds. For the first two, what is nearer to 0 or 1 than 0.001 is read as that near.
Fewer than 30 labels are an error that says how many there are and what they say.

    m = stats.fit([(0.9, True), (0.9, True), (0.9, True), (0.9, False)] * 10)
    m["temperature"]         # 2.0
    stats.calibrated(m, 0.9) # 0.75`,
		Impl: fitLabels,
	}
}

func fitLabels(c *Call) (starlark.Value, error) {
	labels, err := c.labelsArg(0)
	if err != nil {
		return nil, err
	}
	method, err := c.choiceArg(1, consensus.Temperature, consensus.Temperature, consensus.Platt, consensus.Isotonic)
	if err != nil {
		return nil, err
	}
	if err := c.work(0, 400*float64(len(labels))); err != nil {
		return nil, err
	}
	fit := map[string]func(consensus.Labels) (consensus.Map, error){
		consensus.Temperature: consensus.FitTemperature, consensus.Platt: consensus.FitPlatt, consensus.Isotonic: consensus.FitIsotonic,
	}[method]
	m, err := fit(labels)
	if err != nil {
		return nil, c.wrong(0, "%w", err)
	}
	out := starlark.NewDict(4)
	setKey(out, "method", starlark.String(m.Method))
	setKey(out, "n", starlark.MakeInt(m.N))
	switch m.Method {
	case consensus.Temperature:
		setKey(out, "temperature", starlark.Float(m.Temperature))
	case consensus.Platt:
		setKey(out, "slope", starlark.Float(m.Slope))
		setKey(out, "intercept", starlark.Float(m.Intercept))
	default:
		setKey(out, "confidences", floatList(m.Confidences))
		setKey(out, "values", floatList(m.Values))
	}
	return out, nil
}

func statsCalibrated() *Decl {
	return &Decl{
		Name:   "calibrated",
		Params: []Param{{Name: "map", Type: "dict"}, {Name: "p", Type: "float"}},
		Result: "float",
		Doc: `stats.calibrated(map, p) is the confidence to have when p is stated, by a map of stats.fit. Between the points of an isotonic map it is
interpolated.

    stats.calibrated({"method": "temperature", "temperature": 2}, 0.9) # 0.75`,
		Impl: calibrated,
	}
}

func calibrated(c *Call) (starlark.Value, error) {
	m, err := c.mapArg(0)
	if err != nil {
		return nil, err
	}
	if err := m.Check(); err != nil {
		return nil, c.wrong(0, "%w", err)
	}
	stated, err := c.probabilityArg(1)
	if err != nil {
		return nil, err
	}
	p, err := m.Apply(stated)
	if err != nil {
		return nil, c.wrong(1, "%w", err)
	}
	return starlark.Float(p), nil
}

// mapArg is parameter i as a map of confidences, not yet checked.
func (c *Call) mapArg(i int) (*consensus.Map, error) {
	method, err := attrOf(c.Args[i], "method")
	if err != nil {
		return nil, c.wrong(i, "%w; write what stats.fit gave", err)
	}
	name, ok := method.(starlark.String)
	if !ok {
		return nil, c.wrong(i, "method: got %s, want a string", shown(method))
	}
	m := &consensus.Map{Method: string(name)}
	switch m.Method {
	case consensus.Temperature:
		err = c.field(i, "temperature", &m.Temperature)
	case consensus.Platt:
		err = errors.Join(c.field(i, "slope", &m.Slope), c.field(i, "intercept", &m.Intercept))
	case consensus.Isotonic:
		err = errors.Join(c.fieldList(i, "confidences", &m.Confidences), c.fieldList(i, "values", &m.Values))
	}
	return m, err
}

// field reads a number of a dict or struct.
func (c *Call) field(i int, name string, to *float64) error {
	v, err := attrOf(c.Args[i], name)
	if err != nil {
		return c.wrong(i, "%w", err)
	}
	if *to, err = finiteNumber(v); err != nil {
		return c.wrong(i, "%s: %w", name, err)
	}
	return nil
}

// fieldList reads a list of numbers of a dict or struct.
func (c *Call) fieldList(i int, name string, to *[]float64) error {
	v, err := attrOf(c.Args[i], name)
	if err != nil {
		return c.wrong(i, "%w", err)
	}
	values, ok := tupleOf(v, 0, maxItems)
	if !ok {
		return c.wrong(i, "%s: got %s, want a list of numbers", name, runtime.A(v.Type()))
	}
	if err := charge(c.Thread, 32*len(values)); err != nil {
		return err
	}
	if *to, err = finiteNumbers(values); err != nil {
		return c.wrong(i, "%s: %w", name, err)
	}
	return nil
}

func statsFitCascade() *Decl {
	return &Decl{
		Name:   "fit_cascade",
		Params: []Param{{Name: "rows", Type: "list of lists"}, {Name: "target", Type: "float"}},
		Result: "struct",
		Doc: `stats.fit_cascade(rows, target) finds the cheapest thresholds of a cascade that is right often enough: stage i's answer is accepted when its score
is at least thresholds[i], and the last stage's always.

A row is the outcome of all stages for one task: for each (score, correct, cost), or a dict or struct with those fields; a cost left out is 1. The struct has thresholds, one
less than there are stages, in which 2.0 means never; accuracy, the share of the rows that the cascade gets right, and low and high, its Wilson interval at 95 %;
cost and calls, their means for a row; and n. Of equal costs the more accurate wins, then the higher thresholds. If nothing reaches the target the error says how far the best comes.
The accuracy is that of the rows it was fitted to: try it on others before relying on it.

    rows = [[(0.9, True, 1), (0.9, True, 10)], [(0.4, False, 1), (0.8, True, 10)]]
    stats.fit_cascade(rows, target = 1).thresholds # [0.9]`,
		Impl: fitCascade,
	}
}

func fitCascade(c *Call) (starlark.Value, error) {
	rows, err := c.stagesArg(0)
	if err != nil {
		return nil, err
	}
	target, err := c.probabilityArg(1)
	if err != nil {
		return nil, err
	}
	work := 100 * float64(len(rows)*len(rows[0]))
	if len(rows[0]) > 2 {
		work += 8_000_000
	}
	if err := c.work(0, work); err != nil {
		return nil, err
	}
	f, err := consensus.FitCascade(rows, target)
	if e, missed := errors.AsType[*consensus.TargetMissed](err); missed {
		return nil, c.wrong(1, "%w", e)
	}
	if err != nil {
		return nil, c.wrong(0, "%w", err)
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"thresholds": floatList(f.Thresholds), "accuracy": starlark.Float(f.Accuracy), "low": starlark.Float(f.Low), "high": starlark.Float(f.High),
		"cost": starlark.Float(f.Cost), "calls": starlark.Float(f.Calls), "n": starlark.MakeInt(f.N),
	}), nil
}

// stagesArg is parameter i as rows of stages.
func (c *Call) stagesArg(i int) ([][]consensus.Stage, error) {
	values, err := c.elements(i)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, c.wrong(i, "there are no rows")
	}
	rows := make([][]consensus.Stage, len(values))
	for k, v := range values {
		parts, ok := tupleOf(v, 1, 8)
		if !ok {
			return nil, c.wrong(i, "element %d: got %s, want a list of 1 to 8 stages", k, described(v))
		}
		if err := charge(c.Thread, 160*len(parts)); err != nil {
			return nil, err
		}
		for at, part := range parts {
			s, err := stageIn(part)
			if err != nil {
				return nil, c.wrong(i, "element %d: stage %d: %w", k, at, err)
			}
			rows[k] = append(rows[k], s)
		}
	}
	return rows, nil
}

// stageIn reads what one stage made of one task.
func stageIn(v starlark.Value) (consensus.Stage, error) {
	parts, err := partsOf(v, 2, "score", "correct", "cost")
	if err != nil {
		return consensus.Stage{}, err
	}
	score, err := shareNumber("score", parts[0])
	if err != nil {
		return consensus.Stage{}, err
	}
	correct, ok := parts[1].(starlark.Bool)
	if !ok {
		return consensus.Stage{}, fmt.Errorf("correct: got %s, want True or False", shown(parts[1]))
	}
	s := consensus.Stage{Score: score, Correct: bool(correct), Cost: 1}
	if len(parts) == 3 {
		if s.Cost, err = finiteNumber(parts[2]); err != nil || s.Cost < 0 {
			return consensus.Stage{}, fmt.Errorf("cost: got %s, want a finite number of at least 0", shown(parts[2]))
		}
	}
	return s, nil
}
