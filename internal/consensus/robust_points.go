package consensus

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// GeometricMedian is the point with the least sum of distances to the points. Where all points lie on one line several may be, and it is
// one of them. The best of the points is the median if the others do not pull harder at it than it holds (Vardi and Zhang 2000); otherwise
// the search goes down from there, by Newton's method or where that fails by Weiszfeld's, and so never meets another point. It is found to
// about ten digits, in time quadratic in the number of points.
func GeometricMedian(points [][]float64) ([]float64, error) {
	if err := samePoints(points); err != nil {
		return nil, err
	}
	if len(points[0]) == 1 {
		return medianOnLine(points)
	}
	scale := 0.0
	for _, p := range points {
		scale = max(scale, largest(p))
	}
	_, e := math.Frexp(scale)
	m := newCentre(points, e)
	for round := 0; round < centreRounds && m.step(); round++ {
	}
	out := make([]float64, len(m.at))
	for d, x := range m.at {
		out[d] = math.Ldexp(x, e)
	}
	return out, nil
}

// medianOnLine is the median of points of one coordinate.
func medianOnLine(points [][]float64) ([]float64, error) {
	xs := make([]float64, len(points))
	for i, p := range points {
		xs[i] = p[0]
	}
	x, err := Median(xs)
	return []float64{x}, err
}

// Rounds of the search for a geometric median, and of the search for each of its steps.
const (
	centreRounds = 200
	centreInner  = 50
)

// centre is the search for a geometric median, of points whose largest coordinate is about one.
type centre struct {
	points [][]float64 // in order, so that the order of the input does not matter
	at     []float64
	total  float64   // of the distances from there
	pulls  []float64 // room for one term of a sum each
	away   []float64 // distance of each point
}

// newCentre starts at the point with the least sum of distances; e is the exponent of the largest coordinate.
func newCentre(points [][]float64, e int) *centre {
	m := &centre{points: make([][]float64, len(points)), pulls: make([]float64, len(points)), away: make([]float64, len(points))}
	for i, p := range points {
		m.points[i] = make([]float64, len(p))
		for d, x := range p {
			m.points[i][d] = unsigned(math.Ldexp(x, -e))
		}
	}
	slices.SortFunc(m.points, slices.Compare)
	m.total = math.Inf(1)
	for _, p := range m.points {
		if total := m.measure(p); total < m.total {
			m.total, m.at = total, p
		}
	}
	return m
}

// measure takes the distances of the points from a place, and gives their sum.
func (m *centre) measure(from []float64) float64 {
	for i, p := range m.points {
		m.away[i] = distance(p, from)
	}
	return Sum(m.away)
}

// pull is the sum of the unit vectors from a measured place to the points, and how many points lie at it or next to it.
func (m *centre) pull(from []float64) (pull []float64, same int) {
	pull = make([]float64, len(from))
	for d := range pull {
		same = 0
		for i, p := range m.points {
			m.pulls[i] = 0
			if m.away[i] <= nearly {
				same++
				continue
			}
			m.pulls[i] = (p[d] - from[d]) / m.away[i]
		}
		pull[d] = Sum(m.pulls)
	}
	return pull, same
}

// step moves the centre once, and says whether that was worth it.
func (m *centre) step() bool {
	m.measure(m.at)
	pull, same := m.pull(m.at)
	strength := norm(pull)
	if strength <= float64(float64(same)*(1+nearly)) {
		return false
	}
	if same == 0 {
		way := m.newton(pull)
		if m.down(way) || m.settle(way, strength) {
			return true
		}
		m.measure(m.at)
	}
	weight := m.weight()
	if weight == 0 {
		return false
	}
	return m.down(times(pull, (1-float64(same)/strength)/weight))
}

// weight is the sum of one over each distance that was measured.
func (m *centre) weight() float64 {
	for i, d := range m.away {
		m.pulls[i] = 0
		if d > nearly {
			m.pulls[i] = 1 / d
		}
	}
	return Sum(m.pulls)
}

// newton is the step to where the pull would be nothing if it changed evenly, found by conjugate gradients.
func (m *centre) newton(pull []float64) []float64 {
	step, rest, way := make([]float64, len(pull)), pull, pull
	square := dot(rest, rest)
	enough := float64(square * 1e-24)
	for range min(len(pull)+1, centreInner) {
		bent := m.bend(way)
		curve := dot(way, bent)
		if square <= enough || curve <= float64(nearly*dot(way, way)) {
			break
		}
		far := square / curve
		step, rest = plus(step, times(way, far)), plus(rest, times(bent, -far))
		before := square
		square = dot(rest, rest)
		way = plus(rest, times(way, square/before))
	}
	return step
}

// bend is how the pull falls along a way from the measured place: for each point, what of the way is not towards it, over its distance.
func (m *centre) bend(way []float64) []float64 {
	along := make([]float64, len(m.points))
	for i, p := range m.points {
		if m.away[i] > nearly {
			along[i] = dot(way, times(plus(p, times(m.at, -1)), 1/m.away[i]))
		}
	}
	out := make([]float64, len(way))
	for d := range out {
		for i, p := range m.points {
			m.pulls[i] = 0
			if m.away[i] > nearly {
				m.pulls[i] = (way[d] - float64(along[i]*(p[d]-m.at[d]))/m.away[i]) / m.away[i]
			}
		}
		out[d] = Sum(m.pulls)
	}
	return out
}

// down moves the centre along a way, or half of it, or a quarter and so on, if the distances become less.
func (m *centre) down(way []float64) bool {
	for range centreHalvings {
		next := plus(m.at, way)
		if total := m.measure(next); total < m.total {
			m.at, m.total = next, total
			return true
		}
		way = times(way, 0.5)
	}
	return false
}

// settle moves the centre along a way if the pull there is less than half of what it was. Near the median the distances no longer tell.
func (m *centre) settle(way []float64, strength float64) bool {
	next := plus(m.at, way)
	total := m.measure(next)
	if pull, _ := m.pull(next); norm(pull) > strength/2 || total > float64(m.total*(1+nearly)) {
		return false
	}
	m.at, m.total = next, min(m.total, total)
	return true
}

// centreHalvings is how often a step is halved before it counts as none.
const centreHalvings = 12

// plus is the sum of two vectors.
func plus(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for d := range a {
		out[d] = a[d] + b[d]
	}
	return out
}

// times is a vector stretched by a factor.
func times(a []float64, by float64) []float64 {
	out := make([]float64, len(a))
	for d := range a {
		out[d] = float64(a[d] * by)
	}
	return out
}

// dot is the inner product of two vectors.
func dot(a, b []float64) float64 {
	terms := make([]float64, len(a))
	for d := range a {
		terms[d] = float64(a[d] * b[d])
	}
	return Sum(terms)
}

// Krum is the index of the point that lies closest to its nearest len(points)-faulty-2 others, by the sum of the squared distances; the
// first of equals. It needs at least 2*faulty+3 points, of which at most faulty may be anything (Blanchard et al. 2017, arXiv 1703.02757).
func Krum(points [][]float64, faulty int) (int, error) {
	if err := samePoints(points); err != nil {
		return 0, err
	}
	if faulty < 0 {
		return 0, fmt.Errorf("%d faulty points, want at least 0", faulty)
	}
	if faulty > (len(points)-3)/2 || len(points) < 3 {
		return 0, fmt.Errorf("%d points of which %d may be faulty, want at least %d", len(points), faulty, 2*uint64(faulty)+3)
	}
	scale := 0.0
	for _, p := range points {
		scale = max(scale, largest(p))
	}
	if scale == 0 {
		return 0, nil
	}
	_, e := math.Frexp(scale)
	best, least := 0, math.Inf(1)
	away := make([]float64, 0, len(points))
	for i, p := range points {
		away = away[:0]
		for j, q := range points {
			if j != i {
				away = append(away, squares(p, q, -e))
			}
		}
		slices.Sort(away)
		if score := Sum(away[:len(points)-faulty-2]); score < least {
			best, least = i, score
		}
	}
	if math.IsInf(least, 0) {
		return 0, errors.New("the points are too far apart")
	}
	return best, nil
}

// squares is the squared distance of two points, whose coordinates are taken times two to the power of e.
func squares(p, q []float64, e int) float64 {
	each := make([]float64, 0, smallVector)
	for d := range p {
		by := math.Ldexp(p[d], e) - math.Ldexp(q[d], e)
		each = append(each, float64(by*by))
	}
	return Sum(each)
}

// smallVector is how many coordinates need no memory of their own.
const smallVector = 16

func distance(p, q []float64) float64 {
	by := make([]float64, 0, smallVector)
	for d := range p {
		by = append(by, p[d]-q[d])
	}
	return norm(by)
}

// norm is the length of a vector, without overflow or loss of small ones.
func norm(v []float64) float64 {
	most := largest(v)
	if most == 0 {
		return 0
	}
	squares := make([]float64, 0, smallVector)
	for _, x := range v {
		squares = append(squares, float64((x/most)*(x/most)))
	}
	return float64(most * math.Sqrt(Sum(squares)))
}
