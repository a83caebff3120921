package consensus

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// GeometricMedian is the point with the least sum of distances to the points. Where all points lie on one line several may be, and it is
// one of them. It is found to about ten digits by Weiszfeld's iteration, begun as Vardi and Zhang (2000) say: from the best of the points,
// unless that is the median, so that it never meets another one. It takes time quadratic in the number of points.
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

// Rounds of the search for a geometric median, how much further than Weiszfeld each goes, which is safe up to two (Ostresh 1978), and the
// step, as a share of the largest coordinate, at which it ends.
const (
	centreRounds = 2000
	centreStride = 1.5
	centreStep   = 1e-15
)

// centre is the search for a geometric median, of points whose largest coordinate is about one.
type centre struct {
	points [][]float64 // in order, so that the order of the input does not matter
	at     []float64
	pulls  []float64 // room for one term of a sum each
	away   []float64 // distance of each point
}

// newCentre starts at the point with the least sum of distances; e is the exponent of the largest coordinate.
func newCentre(points [][]float64, e int) *centre {
	m := &centre{points: make([][]float64, len(points)), pulls: make([]float64, len(points)), away: make([]float64, len(points))}
	for i, p := range points {
		m.points[i] = make([]float64, len(p))
		for d, x := range p {
			m.points[i][d] = math.Ldexp(x, -e)
		}
	}
	slices.SortFunc(m.points, slices.Compare)
	least := math.Inf(1)
	for _, p := range m.points {
		m.measure(p)
		if total := Sum(m.away); total < least {
			least, m.at = total, p
		}
	}
	m.at = slices.Clone(m.at)
	return m
}

// measure takes the distances of the points from a place.
func (m *centre) measure(from []float64) {
	for i, p := range m.points {
		m.away[i] = distance(p, from)
	}
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
	for i, d := range m.away {
		m.pulls[i] = 0
		if d > nearly {
			m.pulls[i] = 1 / d
		}
	}
	weight := Sum(m.pulls)
	if weight == 0 {
		return false
	}
	pull, same := m.pull(m.at)
	strength := norm(pull)
	if strength <= float64(float64(same)*(1+nearly)) {
		return false
	}
	way := (1 - float64(same)/strength) / weight
	if same == 0 {
		way = float64(way * centreStride)
	}
	moved := 0.0
	for d := range m.at {
		by := float64(pull[d] * way)
		m.at[d] += by
		moved = max(moved, math.Abs(by))
	}
	return moved > centreStep
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
	each := make([]float64, len(p))
	for d := range p {
		by := math.Ldexp(p[d], e) - math.Ldexp(q[d], e)
		each[d] = float64(by * by)
	}
	return Sum(each)
}

func distance(p, q []float64) float64 {
	by := make([]float64, len(p))
	for d := range p {
		by[d] = p[d] - q[d]
	}
	return norm(by)
}

// norm is the length of a vector, without overflow or loss of small ones.
func norm(v []float64) float64 {
	most := largest(v)
	if most == 0 {
		return 0
	}
	squares := make([]float64, len(v))
	for d, x := range v {
		squares[d] = float64((x / most) * (x / most))
	}
	return float64(most * math.Sqrt(Sum(squares)))
}
