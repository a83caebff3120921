package consensus

import (
	"errors"
	"fmt"
	"math"
)

// BradleyTerry gives the strength of each player, with a sum of 1, so that i beats j with probability s[i]/(s[i]+s[j]): the most likely
// ones for the wins (Bradley and Terry 1952; the iteration is that of Newman 2023, arXiv 2207.00076). wins[i][j] is how often i beat j; a
// draw is half a win for each.
//
// Without a prior there is an answer only if nobody is out of reach: a player, or group of them, that never lost to the rest, or never met
// it, is an *Unreachable. With a prior each player also wins and loses so many games against one imagined player, which bounds all strengths.
func BradleyTerry(wins [][]float64, prior float64) ([]float64, error) {
	if err := winsOK(wins, prior); err != nil {
		return nil, err
	}
	n := len(wins)
	t := newTournament(wins, prior)
	if prior == 0 {
		if top := t.unreachable(); top != nil {
			return nil, &Unreachable{Players: top}
		}
	}
	if !t.settle() {
		return nil, errors.New("the strengths do not settle, the games are too one-sided; use a prior such as 0.5")
	}
	return scaled(t.strengths[:n]), nil
}

// Unreachable says that players never lost to any of the others, so that nothing bounds their strength.
type Unreachable struct{ Players []int }

func (e *Unreachable) Error() string {
	return fmt.Sprintf("players %v never lost to any of the others, so that nothing bounds their strength; use a prior such as 0.5", e.Players)
}

func winsOK(wins [][]float64, prior float64) error {
	if len(wins) == 0 {
		return errors.New("there is no player")
	}
	if !(prior >= 0 && prior <= heaviest) {
		return fmt.Errorf("the prior %v is not a number of games", prior)
	}
	for i, row := range wins {
		if len(row) != len(wins) {
			return fmt.Errorf("row %d has %d columns, want %d", i, len(row), len(wins))
		}
		for j, w := range row {
			if !(w >= 0 && w <= heaviest) {
				return fmt.Errorf("the wins of %d against %d are %v, not a number of games", i, j, w)
			}
		}
		if row[i] != 0 {
			return fmt.Errorf("%d played against itself", i)
		}
	}
	return nil
}

// tournament is the search for strengths. With a prior there is one player more, the imagined one.
type tournament struct {
	met       [][]meeting
	strengths []float64
}

// meeting is what happened between a player and another one.
type meeting struct {
	other     int
	won, lost float64
}

// newTournament keeps the pairs that met, with wins as shares of the largest number.
func newTournament(wins [][]float64, prior float64) *tournament {
	n, most := len(wins), prior
	for _, row := range wins {
		most = max(most, largest(row))
	}
	t := &tournament{met: make([][]meeting, n)}
	for i := range n {
		for j := range n {
			if won, lost := wins[i][j]/most, wins[j][i]/most; won+lost > 0 {
				t.met[i] = append(t.met[i], meeting{j, won, lost})
			}
		}
	}
	if prior > 0 {
		var all []meeting
		for i := range n {
			t.met[i] = append(t.met[i], meeting{n, prior / most, prior / most})
			all = append(all, meeting{i, prior / most, prior / most})
		}
		t.met = append(t.met, all)
	}
	t.strengths = make([]float64, len(t.met))
	for i := range t.strengths {
		t.strengths[i] = 1
	}
	return t
}

// unreachable gives players that never lost to any of the others, or nil: the best strengths are finite exactly if from each player a
// chain of losses leads to each other one (Ford 1957).
func (t *tournament) unreachable() []int {
	beaten := t.chain(func(m meeting) bool { return m.lost > 0 })
	if top := members(beaten, true); len(top) < len(t.met) {
		return top
	}
	// All are above the first by a chain of wins; those that it does not beat by one never lost to the rest.
	return members(t.chain(func(m meeting) bool { return m.won > 0 }), false)
}

// chain marks the players that a chain of such meetings leads to from the first one, itself included.
func (t *tournament) chain(leads func(meeting) bool) []bool {
	seen := make([]bool, len(t.met))
	seen[0] = true
	for next := []int{0}; len(next) > 0; {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		for _, m := range t.met[i] {
			if !seen[m.other] && leads(m) {
				seen[m.other] = true
				next = append(next, m.other)
			}
		}
	}
	return seen
}

// members are the indices with this mark, nil when there is none.
func members(marks []bool, mark bool) []int {
	var all []int
	for i, m := range marks {
		if m == mark {
			all = append(all, i)
		}
	}
	return all
}

// Rounds of the search for strengths, and the change, as a share of a strength, at which it ends.
const (
	strengthRounds = 5_000
	strengthChange = 1e-14
)

// settle improves the strengths, one player after the other, until they change no more, and says whether they did.
func (t *tournament) settle() bool {
	var won, lost []float64
	for range strengthRounds {
		change := 0.0
		for i, met := range t.met {
			if len(met) == 0 {
				continue
			}
			won, lost = won[:0], lost[:0]
			own := t.strengths[i]
			for _, m := range met {
				both := own + t.strengths[m.other]
				won = append(won, float64(m.won*t.strengths[m.other])/both)
				lost = append(lost, m.lost/both)
			}
			better := Sum(won) / Sum(lost)
			if !(better > 0) || math.IsInf(better, 0) {
				return false
			}
			t.strengths[i] = better
			change = max(change, math.Abs(better-own)/better)
		}
		copy(t.strengths, scaled(t.strengths))
		if change <= strengthChange*float64(len(t.met)) {
			return true
		}
	}
	return false
}

// scaled gives positive numbers as shares of their sum.
func scaled(xs []float64) []float64 {
	sum := Sum(xs)
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = x / sum
	}
	return out
}

// FleissKappa is how far raters agree beyond chance: 1 means always, 0 as often as chance would have it (Fleiss 1971). counts[i][k] is how
// many raters put item i into category k; each item has the same number of raters, two at least. When all ratings are in one category
// chance explains everything, and kappa is undefined.
func FleissKappa(counts [][]int) (float64, error) {
	raters, err := ratersOf(counts)
	if err != nil {
		return 0, err
	}
	items, pairs := float64(len(counts)), float64(raters)*float64(raters-1)
	totals := make([]float64, len(counts[0]))
	agreeing := make([]float64, len(counts))
	for i, row := range counts {
		for k, c := range row {
			totals[k] += float64(c)
			agreeing[i] += float64(float64(c) * float64(c-1))
		}
	}
	byChance := make([]float64, len(totals))
	for k, total := range totals {
		share := total / float64(items*float64(raters))
		byChance[k] = float64(share * share)
	}
	observed, chance := Sum(agreeing)/float64(items*pairs), Sum(byChance)
	if chance >= 1 {
		return 0, errors.New("all ratings are in one category, so that kappa is undefined")
	}
	return (observed - chance) / (1 - chance), nil
}

// ratersOf is how many raters each item has.
func ratersOf(counts [][]int) (int, error) {
	if len(counts) == 0 {
		return 0, errors.New("there is no item")
	}
	raters := 0
	for i, row := range counts {
		if len(row) != len(counts[0]) {
			return 0, fmt.Errorf("item %d has %d categories, the first has %d", i, len(row), len(counts[0]))
		}
		here := 0
		for k, c := range row {
			if c < 0 || c > maxRaters || here > maxRaters {
				return 0, fmt.Errorf("item %d has %d ratings in category %d", i, c, k)
			}
			here += c
		}
		if i == 0 {
			raters = here
		}
		if here != raters {
			return 0, fmt.Errorf("item %d has %d ratings, the first has %d", i, here, raters)
		}
		if here < 2 {
			return 0, fmt.Errorf("item %d has %d ratings, want at least 2", i, here)
		}
	}
	return raters, nil
}

// maxRaters bounds the ratings of an item, so that counts of pairs stay exact.
const maxRaters = 1 << 25
