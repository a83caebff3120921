package builtins

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/internal/consensus"
	"github.com/parallax-run/parallax/runtime"
)

// slack is what the arithmetic of shares may lose before a threshold counts as missed.
const slack = 1e-12

// close decides a poll by how its options stand.
func (p *poll) close(s *standing) (*Tally, error) {
	t, err := p.blank()
	if err != nil {
		return nil, err
	}
	t.distribution, t.ranking = p.distribution(s.scores), p.lists(s.ranking)
	t.margin = starlark.Float(s.margin)
	head, err := p.head(t, s)
	if err != nil {
		return nil, err
	}
	agreement := 0.0
	if front := s.front(head); len(front) > 0 {
		top := slices.MaxFunc(front, func(a, b int) int { return cmp.Compare(p.share(a), p.share(b)) })
		agreement = p.share(top)
		t.confidence = p.confidence(agreement, front)
		t.interval = p.interval(top)
	}
	t.agreement = starlark.Float(agreement)
	t.status = p.status(head, agreement)
	p.sides(t, s, head)
	return t, nil
}

// front is the head alone, or all that lead when there is none.
func (s *standing) front(head int) []int {
	if head >= 0 {
		return []int{head}
	}
	return s.leaders
}

// blank is a tally of which only the numbers of answers are known.
func (p *poll) blank() (*Tally, error) {
	c := p.call
	t := &Tally{
		kind: p.kind, method: p.method, asked: p.panel.asked, valid: len(p.panel.answers), answers: p.panel.answers,
		winner: starlark.None, leading: starlark.None, ranking: starlark.None, confidence: starlark.None, interval: starlark.None,
		probability: starlark.None, stdev: starlark.None,
		agreement: starlark.Float(0), margin: starlark.Float(0), distribution: starlark.NewDict(0),
	}
	if t.valid == 0 {
		t.confidence = starlark.Float(0)
		return t, nil
	}
	weights, err := p.votingWeights()
	if err != nil {
		return nil, err
	}
	if t.effective, err = consensus.EffectiveVotes(weights, p.correlation); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Decl.Name, err)
	}
	return t, nil
}

// votingWeights is what each answer weighs in the count, which is by log_odds the size of its log-odds.
func (p *poll) votingWeights() ([]float64, error) {
	if p.weights == nil {
		return slices.Repeat([]float64{1}, len(p.panel.answers)), nil
	}
	if p.method != logOdds {
		return p.weights, nil
	}
	sizes := make([]float64, len(p.weights))
	for i, accuracy := range p.weights {
		odds, _, err := consensus.LogOdds([]int{0}, []float64{accuracy}, 1)
		if err != nil {
			return nil, err
		}
		sizes[i] = math.Abs(odds[0])
	}
	return sizes, nil
}

// head is the option that leads, with the help of on_tie where several do, or -1.
func (p *poll) head(t *Tally, s *standing) (int, error) {
	switch len(s.leaders) {
	case 0:
		return -1, nil
	case 1:
		return s.leaders[0], nil
	}
	for _, i := range s.leaders {
		t.tied = append(t.tied, p.register.options[i].value)
	}
	c := p.call
	i := c.param("on_tie")
	if !c.given(i) || t.valid < p.quorum {
		return -1, nil
	}
	if fn, ok := c.Args[i].(starlark.Callable); ok {
		return p.untie(fn, i, s.leaders)
	}
	return s.leaders[0], nil
}

// untie lets a function of the script choose among options.
func (p *poll) untie(fn starlark.Callable, arg int, tied []int) (int, error) {
	c := p.call
	v, err := starlark.Call(c.Thread, fn, starlark.Tuple{p.values(tied)}, nil)
	if err != nil {
		return -1, err
	}
	k, err := p.register.key(v)
	if err != nil {
		return -1, c.wrong(arg, "%w", err)
	}
	n, known := p.register.byKey[k]
	if !known || !slices.Contains(tied, n) {
		return -1, c.wrong(arg, "the function gave %s, which is not one of the options that are tied", shown(v))
	}
	return n, nil
}

func (p *poll) status(head int, agreement float64) string {
	switch {
	case len(p.panel.answers) == 0 || len(p.panel.answers) < p.quorum:
		return noQuorum
	case head < 0:
		return tie
	case agreement+slack < p.threshold:
		return belowThreshold
	}
	return decided
}

// sides says who backed the head and who did not.
func (p *poll) sides(t *Tally, s *standing, head int) {
	if head >= 0 {
		t.leading = p.register.options[head].value
		if t.status == decided {
			t.winner = t.leading
		}
		if s.probabilities != nil {
			t.probability = starlark.Float(s.probabilities[head])
		}
		t.backers = p.backed[head]
	}
	if head >= 0 && p.method == approval {
		p.forHead = make([]bool, len(p.panel.answers))
		for _, k := range p.backed[head] {
			p.forHead[k] = true
		}
	}
	for _, group := range ranked(s.scores) {
		for _, i := range group {
			if i != head {
				t.dissent = append(t.dissent, p.dissenter(i, head, s.scores[i]))
			}
		}
	}
}

// dissenter tells of an option that is not the head, and of those who backed it alone.
func (p *poll) dissenter(i, head int, score float64) dissenter {
	d := dissenter{option: p.register.options[i].value, votes: p.number(score), share: p.share(i), backers: p.backed[i]}
	if head >= 0 && p.method == approval {
		d.backers = slices.DeleteFunc(slices.Clone(d.backers), func(k int) bool { return p.forHead[k] })
	}
	return d
}

// share is the weight of those who back option i, of all; by log_odds that of its score among those above zero.
func (p *poll) share(i int) float64 {
	backers := p.backed[i]
	if p.method == logOdds && p.total > 0 {
		return max(p.odds[i], 0) / p.total
	}
	if p.weights == nil || p.method == logOdds {
		return float64(len(backers)) / float64(len(p.panel.answers))
	}
	those := make([]float64, len(backers))
	for n, k := range backers {
		those[n] = p.weights[k]
	}
	return consensus.Sum(those) / p.total
}

// confidence is the share of the leader times the mean confidence of those who back a leader; None when none of them states one.
func (p *poll) confidence(share float64, leaders []int) starlark.Value {
	var stated []float64
	counted := make(map[int]bool)
	for _, i := range leaders {
		for _, k := range p.backed[i] {
			if c := p.panel.answers[k].confidence; c != nil && !counted[k] {
				stated, counted[k] = append(stated, *c), true
			}
		}
	}
	if len(stated) == 0 {
		return starlark.None
	}
	return starlark.Float(share * consensus.Mean(stated))
}

// interval is where the share of heads for option i may lie; weights have no heads.
func (p *poll) interval(i int) starlark.Value {
	if p.weights != nil || p.isRanked() {
		return starlark.None
	}
	low, high := consensus.Wilson(len(p.backed[i]), len(p.panel.answers), 0.95)
	return starlark.Tuple{starlark.Float(low), starlark.Float(high)}
}

// distribution gives the score of each option, best first.
func (p *poll) distribution(scores []float64) *starlark.Dict {
	d := starlark.NewDict(len(scores))
	for _, group := range ranked(scores) {
		for _, i := range group {
			setKey(d, p.register.options[i].text, p.number(scores[i]))
		}
	}
	d.Freeze()
	return d
}

// number is a score: a whole number where heads are counted.
func (p *poll) number(score float64) starlark.Value {
	if p.weights == nil && (p.method == plurality || p.method == approval) {
		return starlark.MakeInt64(int64(score))
	}
	return starlark.Float(score)
}

func (p *poll) values(options []int) *starlark.List {
	list := make([]starlark.Value, len(options))
	for k, i := range options {
		list[k] = p.register.options[i].value
	}
	return starlark.NewList(list)
}

// lists is a ranking as lists of options, or None.
func (p *poll) lists(groups [][]int) starlark.Value {
	if groups == nil {
		return starlark.None
	}
	list := make([]starlark.Value, len(groups))
	for k, g := range groups {
		list[k] = p.values(g)
	}
	ranking := starlark.NewList(list)
	ranking.Freeze()
	return ranking
}

// numeric decides a poll on numbers: its winner is their mean or median, its agreement one less their relative spread.
func (p *poll) numeric() (*Tally, error) {
	c := p.call
	if c.given(c.param("weight")) {
		return nil, c.wrong(c.param("weight"), "method=%q takes no weights; stats.mean(xs, weights=...) is a weighted mean", p.method)
	}
	t, err := p.blank()
	if err != nil || t.valid == 0 {
		t.status = noQuorum
		return t, err
	}
	xs := make([]float64, t.valid)
	for i := range xs {
		v := p.subject(i)
		f, ok := starlark.AsFloat(v)
		if _, isBool := v.(starlark.Bool); !ok || isBool {
			return nil, runtime.Errorf(runtime.Schema, "%s: answer %d is %s, want a number for method=%q", c.Decl.Name, i, shown(v), p.method)
		}
		xs[i] = f
	}
	spreadOf := consensus.Spread
	if p.method == median {
		spreadOf = consensus.MedianSpread
	}
	center, spread, agreement, err := spreadOf(xs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Decl.Name, err)
	}
	t.leading, t.stdev, t.agreement = starlark.Float(center), starlark.Float(spread), starlark.Float(agreement)
	t.confidence = p.meanConfidence()
	if t.status = p.status(0, agreement); t.status == decided {
		t.winner = t.leading
	}
	return t, nil
}

// meanConfidence is the mean of the confidences that were stated, or None.
func (p *poll) meanConfidence() starlark.Value {
	var stated []float64
	for i := range p.panel.answers {
		if c := p.panel.answers[i].confidence; c != nil {
			stated = append(stated, *c)
		}
	}
	if len(stated) == 0 {
		return starlark.None
	}
	return starlark.Float(consensus.Mean(stated))
}
