package consensus

import (
	"cmp"
	"math"
	"slices"
)

// usable says why the labels cannot be fitted to.
func (ls Labels) usable() error {
	if len(ls) > 0 {
		if err := ls.Check(); err != nil {
			return err
		}
	}
	return ls.Enough()
}

// targets are the log-odds of the stated confidences and what they should have said: 1 or 0, or, smoothed, the shares that Platt (1999)
// takes for them, which leave room for what was not seen: (n+1)/(n+2) of n correct ones, and 1/(n+2) of n wrong ones.
func (ls Labels) targets(smoothed bool) (odds, wanted []float64) {
	right := ls.Correct()
	yes, no := 1.0, 0.0
	if smoothed {
		yes, no = float64(right+1)/float64(right+2), 1/float64(len(ls)-right+2)
	}
	odds, wanted = make([]float64, len(ls)), make([]float64, len(ls))
	for i, l := range ls {
		odds[i], wanted[i] = oddsStated(l.Confidence), no
		if l.Correct {
			wanted[i] = yes
		}
	}
	return odds, wanted
}

// Bounds of a temperature, and the halvings of the search for it: enough to reach neighbouring numbers.
const (
	coldest       = 0.01
	hottest       = 100.0
	coldnessSteps = 80
)

// FitTemperature finds the temperature by which to divide the log-odds so that the labels are most likely (Guo et al. 2017, arXiv
// 1706.04599), between 0.01 and 100. Above 1 the confidences were too firm, below 1 too timid. Where none is cold enough because
// everything above one half was correct and everything below was wrong, the targets of Platt (1999) are fitted to instead.
// Labels that all say one half have temperature 1.
func FitTemperature(ls Labels) (Map, error) {
	if err := ls.usable(); err != nil {
		return Map{}, err
	}
	odds, wanted := ls.targets(false)
	if split(odds, wanted) {
		odds, wanted = ls.targets(true)
	}
	m := Map{Method: Temperature, N: len(ls), Temperature: 1}
	if largest(odds) > 0 {
		m.Temperature = coolest(odds, wanted)
	}
	return m, nil
}

// split says whether everything above one half was correct and everything below was wrong.
func split(odds, wanted []float64) bool {
	for i, z := range odds {
		if z > 0 && wanted[i] == 0 || z < 0 && wanted[i] == 1 {
			return false
		}
	}
	return true
}

// coolest bisects for the temperature, in the logarithm: the loss is convex in one over the temperature.
func coolest(odds, wanted []float64) float64 {
	low, high := ln(coldest), ln(hottest)
	if steepness(odds, wanted, 1/hottest) >= 0 {
		return hottest
	}
	for range coldnessSteps {
		middle := (low + high) / 2
		if steepness(odds, wanted, exp(-middle)) < 0 {
			high = middle
		} else {
			low = middle
		}
	}
	return exp((low + high) / 2)
}

// steepness is how the loss changes with the factor on the log-odds.
func steepness(odds, wanted []float64, factor float64) float64 {
	terms := make([]float64, len(odds))
	for i, z := range odds {
		terms[i] = float64(z * (logistic(float64(factor*z)) - wanted[i]))
	}
	return Sum(terms)
}

// FitPlatt fits a slope and an intercept to the log-odds of the confidences (Platt 1999, with his smoothed targets), by Newton's method
// with a line search (Lin, Lin and Weng 2007, A Note on Platt's Probabilistic Outputs).
func FitPlatt(ls Labels) (Map, error) {
	if err := ls.usable(); err != nil {
		return Map{}, err
	}
	odds, wanted := ls.targets(true)
	slope, intercept := plattLine(odds, wanted, ls.Correct())
	return Map{Method: Platt, N: len(ls), Slope: slope, Intercept: intercept}, nil
}

// The method's own numbers: rounds, the shortest step of its search, what keeps the curvature above nothing, and a slope that is none.
const (
	plattRounds   = 100
	plattShortest = 1e-10
	plattRidge    = 1e-12
	plattLevel    = 1e-11
)

// plattLine is the slope and intercept whose logistic curve fits best; right is how many were correct.
func plattLine(scores, wanted []float64, right int) (slope, intercept float64) {
	intercept = ln(float64(right+1) / float64(len(scores)-right+1))
	f := curveFit{scores: scores, wanted: wanted, terms: make([]float64, len(scores))}
	loss := f.loss(slope, intercept)
	for range plattRounds {
		gs, gi, curve := f.slopes(slope, intercept)
		if max(math.Abs(gs), math.Abs(gi)) < plattLevel {
			break
		}
		ds, di := curve.solve(-gs, -gi)
		fall := float64(gs*ds) + float64(gi*di)
		step := 1.0
		for ; step >= plattShortest; step /= 2 {
			next := f.loss(slope+float64(step*ds), intercept+float64(step*di))
			if next < loss+float64(1e-4*float64(step*fall)) {
				slope, intercept, loss = slope+float64(step*ds), intercept+float64(step*di), next
				break
			}
		}
		if step < plattShortest {
			// Too near for the loss to tell: one last full step, which is then a good one.
			return slope + ds, intercept + di
		}
	}
	return slope, intercept
}

// curveFit is a logistic curve and the points to which it is fitted.
type curveFit struct{ scores, wanted, terms []float64 }

// loss is minus the log-likelihood of the targets.
func (f *curveFit) loss(slope, intercept float64) float64 {
	for i, z := range f.scores {
		x := float64(slope*z) + intercept
		f.terms[i] = max(x, 0) + ln1p(exp(-math.Abs(x))) - float64(f.wanted[i]*x)
	}
	return Sum(f.terms)
}

// slopes is how the loss changes with slope and intercept, and how that changes again.
func (f *curveFit) slopes(slope, intercept float64) (bySlope, byIntercept float64, c curvature) {
	n := len(f.scores)
	off, bends, rows := make([]float64, n), make([]float64, n), make([]float64, n)
	for i, z := range f.scores {
		p := logistic(float64(slope*z) + intercept)
		off[i], bends[i] = p-f.wanted[i], float64(p*(1-p))
		f.terms[i], rows[i] = float64(z*off[i]), float64(z*bends[i])
	}
	bySlope, byIntercept = Sum(f.terms), Sum(off)
	for i, z := range f.scores {
		f.terms[i] = float64(z * rows[i])
	}
	return bySlope, byIntercept, curvature{Sum(f.terms) + plattRidge, Sum(rows), Sum(bends) + plattRidge}
}

// curvature is a symmetric matrix of two rows.
type curvature struct{ first, both, second float64 }

// solve is the vector that the matrix turns into (a, b).
func (c curvature) solve(a, b float64) (x, y float64) {
	det := float64(c.first*c.second) - float64(c.both*c.both)
	return (float64(c.second*a) - float64(c.both*b)) / det, (float64(c.first*b) - float64(c.both*a)) / det
}

// ln1p is the natural logarithm of 1+x, for x from 0 to 1, also where x is small.
func ln1p(x float64) float64 {
	one := 1 + x
	if one == 1 {
		return x
	}
	return float64(ln(one)*x) / (one - 1)
}

// FitIsotonic finds the accuracies, never falling as the confidence rises, that are nearest to the labels by squares: neighbours whose
// accuracies are out of order are pooled (Ayer et al. 1955; Zadrozny and Elkan 2002). Equal confidences are one. Between two pools the
// map is interpolated.
func FitIsotonic(ls Labels) (Map, error) {
	if err := ls.usable(); err != nil {
		return Map{}, err
	}
	m := Map{Method: Isotonic, N: len(ls)}
	for _, p := range pools(ls) {
		value := float64(p.correct) / float64(p.n)
		m.Confidences, m.Values = append(m.Confidences, p.low), append(m.Values, value)
		if p.high > p.low {
			m.Confidences, m.Values = append(m.Confidences, p.high), append(m.Values, value)
		}
	}
	return m, nil
}

// pooled are labels of neighbouring confidences.
type pooled struct {
	low, high  float64
	n, correct int
}

// pools pools adjacent violators, after equal confidences.
func pools(ls Labels) []pooled {
	var all []pooled
	for _, next := range alike(ls) {
		for len(all) > 0 && !all[len(all)-1].below(next) {
			last := all[len(all)-1]
			all = all[:len(all)-1]
			next = pooled{last.low, next.high, last.n + next.n, last.correct + next.correct}
		}
		all = append(all, next)
	}
	return all
}

// alike pools labels of equal confidence, in increasing order of it.
func alike(ls Labels) []pooled {
	sorted := slices.SortedFunc(slices.Values(ls), func(a, b Label) int { return cmp.Compare(a.Confidence, b.Confidence) })
	var all []pooled
	for _, l := range sorted {
		if len(all) == 0 || all[len(all)-1].high < l.Confidence {
			all = append(all, pooled{low: unsigned(l.Confidence), high: unsigned(l.Confidence)})
		}
		last := &all[len(all)-1]
		last.n++
		if l.Correct {
			last.correct++
		}
	}
	return all
}

// below says whether the accuracy of p is less than that of q, by whole numbers.
func (p pooled) below(q pooled) bool {
	return int64(p.correct)*int64(q.n) < int64(q.correct)*int64(p.n)
}
