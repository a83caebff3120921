package consensus

import (
	"errors"
	"fmt"
	"slices"
)

// Stage is what one stage of a cascade made of a task: the score of its answer, whether that was correct, and what it cost.
type Stage struct {
	Score   float64 // in [0, 1]
	Correct bool
	Cost    float64 // in any unit, at least 0
}

// Cascade is how a cascade does on the rows that it was fitted to. A stage's answer is accepted when its score is at least its threshold,
// and the next stage is only called when it is not; the last stage has no threshold.
type Cascade struct {
	Thresholds []float64 // one less than there are stages; NeverAccept where the stage only costs
	N          int       // rows
	Accuracy   float64
	Low, High  float64 // the Wilson interval of the accuracy, 95 %; the fit makes it look a little better than it is
	Cost       float64 // mean for each row
	Calls      float64 // mean for each row
}

// NeverAccept is the threshold that no score reaches.
const NeverAccept = 2.0

// TargetMissed says that no thresholds reach the target; Best are the most accurate ones.
type TargetMissed struct {
	Target float64
	Best   Cascade
}

func (e *TargetMissed) Error() string {
	return fmt.Sprintf("no thresholds reach an accuracy of %v; the best is %.4g at a cost of %.4g", e.Target, e.Best.Accuracy, e.Best.Cost)
}

// Bounds of a fit: the stages, and about how many rows it looks at.
const (
	maxStages    = 8
	cascadeVisit = 4_000_000
)

// FitCascade finds the thresholds of least cost whose accuracy on the rows, each the outcome of all stages for one task, reaches the target
// (Chen, Zaharia and Zou 2023, FrugalGPT, arXiv 2305.05176). Of equal costs the more accurate wins, then the higher thresholds. Thresholds
// are scores that were seen. Two stages are fitted exactly however many rows there are, and so are more while the rows are few; then each
// stage but the last two is tried at scores evenly spread over those seen. If nothing reaches the target it is a *TargetMissed.
func FitCascade(rows [][]Stage, target float64) (Cascade, error) {
	if err := share("the target", target); err != nil {
		return Cascade{}, err
	}
	if err := checkRows(rows); err != nil {
		return Cascade{}, err
	}
	f := newCascadeFit(rows, target)
	f.stage(0, f.byScore, tally{})
	if !f.found {
		return Cascade{}, &TargetMissed{Target: target, Best: replayed(rows, f.fallback.thresholds)}
	}
	return replayed(rows, f.best.thresholds), nil
}

func checkRows(rows [][]Stage) error {
	if len(rows) == 0 {
		return errors.New("there is no row")
	}
	for i, row := range rows {
		if len(row) != len(rows[0]) {
			return fmt.Errorf("row %d has %d stages, the first has %d", i, len(row), len(rows[0]))
		}
		if len(row) < 1 || len(row) > maxStages {
			return fmt.Errorf("row %d has %d stages, want 1 to %d", i, len(row), maxStages)
		}
		for k, s := range row {
			if err := share(fmt.Sprintf("the score of row %d at stage %d", i, k), s.Score); err != nil {
				return err
			}
			if !(s.Cost >= 0 && s.Cost <= heaviest) {
				return fmt.Errorf("the cost of row %d at stage %d is %v, not a number of at least 0", i, k, s.Cost)
			}
		}
	}
	return nil
}

// tally is what a choice of thresholds comes to. Costs are shares of the largest.
type tally struct {
	correct int
	cost    float64
}

// choice is thresholds and their tally.
type choice struct {
	thresholds []float64
	tally
}

// cascadeFit is the search for thresholds.
type cascadeFit struct {
	rows       [][]Stage
	costs      [][]float64 // of each row, as shares of the largest
	need       float64
	byScore    []int       // rows, by falling score at the last stage but one if there is one
	tried      [][]float64 // falling thresholds to try at each stage before it
	thresholds []float64   // at hand

	best     choice // the cheapest that reaches the target
	found    bool
	fallback choice // the most accurate
}

func newCascadeFit(rows [][]Stage, target float64) *cascadeFit {
	rows = slices.SortedFunc(slices.Values(rows), compareRows) // so that their order does not matter
	stages := len(rows[0])
	f := &cascadeFit{rows: rows, need: target, thresholds: make([]float64, stages-1), fallback: choice{tally: tally{correct: -1}}}
	most := 0.0
	for _, row := range rows {
		for _, s := range row {
			most = max(most, s.Cost)
		}
	}
	f.costs = make([][]float64, len(rows))
	for i, row := range rows {
		f.costs[i] = make([]float64, stages)
		for k, s := range row {
			if most > 0 {
				f.costs[i][k] = s.Cost / most
			}
		}
	}
	f.byScore = make([]int, len(rows))
	for i := range rows {
		f.byScore[i] = i
	}
	if stages < 2 {
		return f
	}
	slices.SortStableFunc(f.byScore, func(a, b int) int { return falling(rows[a][stages-2].Score, rows[b][stages-2].Score) })
	f.tried = make([][]float64, stages-2)
	for k := range f.tried {
		f.tried[k] = candidates(rows, k, triesOf(len(rows), stages))
	}
	return f
}

func compareRows(a, b []Stage) int {
	return slices.CompareFunc(a, b, func(s, t Stage) int {
		switch {
		case s.Score != t.Score:
			return falling(s.Score, t.Score)
		case s.Cost != t.Cost:
			return falling(s.Cost, t.Cost)
		case s.Correct == t.Correct:
			return 0
		case s.Correct:
			return -1
		}
		return 1
	})
}

func falling(a, b float64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// triesOf is how many thresholds of each stage but the last two may be tried, 3 at least.
func triesOf(rows, stages int) int {
	tries := 3
	for visits := 0; stages > 2 && visits <= cascadeVisit && tries <= rows+2; tries++ {
		visits = rows
		for range stages - 2 {
			visits = min(visits, cascadeVisit) * (tries + 2)
		}
	}
	return tries
}

// candidates are at most so many thresholds of a stage, NeverAccept first and then scores that were seen, falling and evenly spread.
func candidates(rows [][]Stage, stage, most int) []float64 {
	seen := make([]float64, len(rows))
	for i, row := range rows {
		seen[i] = row[stage].Score
	}
	slices.SortFunc(seen, falling)
	seen = slices.Compact(seen)
	out := []float64{NeverAccept}
	if len(seen) < most {
		return append(out, seen...)
	}
	for i := range most - 1 {
		out = append(out, seen[i*(len(seen)-1)/(most-2)])
	}
	return out
}

// stage tries all thresholds from stage k on, for the rows that come so far; before is what came before.
func (f *cascadeFit) stage(k int, coming []int, before tally) {
	for _, i := range coming {
		before.cost += f.costs[i][k]
	}
	if f.found && before.cost > f.best.cost+f.slack() {
		return
	}
	switch last := len(f.rows[0]) - 1; k {
	case last:
		for _, i := range coming {
			before.correct += count(f.rows[i][k].Correct)
		}
		f.weigh(before)
	case last - 1:
		f.sweep(k, coming, before)
	default:
		for _, t := range f.tried[k] {
			f.thresholds[k] = t
			after, left := before, make([]int, 0, len(coming))
			for _, i := range coming {
				if f.rows[i][k].Score < t {
					left = append(left, i)
				} else {
					after.correct += count(f.rows[i][k].Correct)
				}
			}
			f.stage(k+1, left, after)
		}
	}
}

// sweep tries all thresholds of the last stage but one, from the highest: each score takes its rows from the last stage.
func (f *cascadeFit) sweep(k int, coming []int, t tally) {
	for _, i := range coming {
		t.correct += count(f.rows[i][k+1].Correct)
		t.cost += f.costs[i][k+1]
	}
	f.thresholds[k] = NeverAccept
	f.weigh(t)
	for at, i := range coming {
		row := f.rows[i]
		t.correct += count(row[k].Correct) - count(row[k+1].Correct)
		t.cost -= f.costs[i][k+1]
		if at+1 == len(coming) || f.rows[coming[at+1]][k].Score < row[k].Score {
			f.thresholds[k] = row[k].Score
			f.weigh(t)
		}
	}
}

func count(correct bool) int {
	if correct {
		return 1
	}
	return 0
}

// slack is the part of a cost that rounding explains.
func (f *cascadeFit) slack() float64 { return float64(nearly * float64(len(f.rows)*len(f.rows[0]))) }

// weigh keeps the thresholds at hand if they are the cheapest that reach the target, or the most accurate.
func (f *cascadeFit) weigh(t tally) {
	if float64(t.correct)/float64(len(f.rows)) >= f.need && (!f.found || f.better(t, f.best.tally)) {
		f.best, f.found = choice{slices.Clone(f.thresholds), t}, true
	}
	if than := f.fallback.tally; t.correct > than.correct || t.correct == than.correct && t.cost < than.cost-f.slack() {
		f.fallback = choice{slices.Clone(f.thresholds), t}
	}
}

// better says whether a tally is cheaper than another, or as cheap and more accurate.
func (f *cascadeFit) better(t, than tally) bool {
	return t.cost < than.cost-f.slack() || t.cost <= than.cost+f.slack() && t.correct > than.correct
}

// replayed is what the thresholds come to on the rows.
func replayed(rows [][]Stage, thresholds []float64) Cascade {
	c := Cascade{Thresholds: thresholds, N: len(rows)}
	costs := make([]float64, len(rows))
	correct, calls := 0, 0
	for i, row := range rows {
		paid := make([]float64, 0, len(row))
		for k, s := range row {
			paid = append(paid, s.Cost)
			if k == len(thresholds) || s.Score >= thresholds[k] {
				correct += count(s.Correct)
				break
			}
		}
		calls += len(paid)
		costs[i] = Sum(paid)
	}
	n := float64(len(rows))
	c.Accuracy, c.Cost, c.Calls = float64(correct)/n, meanOf(costs), float64(calls)/n
	c.Low, c.High = Wilson(correct, len(rows), 0.95)
	return c
}
