package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/internal/consensus"
	"github.com/parallax-run/parallax/runtime"
)

// poll is a question that a panel answered, and the rules by which it is decided.
type poll struct {
	call        *Call
	kind        string // "tally" or "consensus"
	panel       *panel
	method      string
	by          starlark.Callable // or nil
	quorum      int               // the least number of valid answers
	correlation float64           // of being right, for effective_votes
	threshold   float64           // the least agreement

	subjects []starlark.Value // what by gives of each answer, nil without by
	register *register
	choice   []int     // the option that each answer is for, of methods without ballots
	ballots  [][]int   // the options that each answer names, best first, of methods with ballots
	weights  []float64 // nil means that all count alike
	total    float64   // of the weights
	backed   [][]int   // who backs each option: of a ranking the first choice counts
	odds     []float64 // of log_odds: the score of each option
	forHead  []bool    // of approval: who backs the head
	seen     []int     // the last ballot, counted from 1, on which each option was seen
	turn     int       // the ballot that is being read
}

// standing is how the options of a poll stand.
type standing struct {
	scores        []float64
	leaders       []int
	ranking       [][]int   // of ranked methods, best first
	probabilities []float64 // of log_odds
	margin        float64
}

// Methods of a poll.
const (
	plurality = "plurality"
	weighted  = "weighted"
	logOdds   = "log_odds"
	borda     = "borda"
	copeland  = "copeland"
	schulze   = "schulze"
	irv       = "irv"
	approval  = "approval"
	mean      = "mean"
	median    = "median"
)

func (p *poll) hasBallots() bool { return p.method == approval || p.isRanked() }

func (p *poll) isRanked() bool {
	return slices.Contains([]string{borda, copeland, schulze, irv}, p.method)
}

// newPoll reads what vote and consensus have in common; parameters are found by their names.
func newPoll(c *Call, kind, method string) (*poll, error) {
	p := &poll{call: c, kind: kind, method: method, quorum: 1, threshold: math.Inf(-1)}
	if by := c.param("by"); c.given(by) {
		fn, err := c.callableArg(by)
		if err != nil {
			return nil, err
		}
		p.by = fn
	}
	if err := p.readRules(); err != nil {
		return nil, err
	}
	var err error
	p.panel, err = c.panelArg(0)
	return p, err
}

// readRules checks what may not be needed, so that a mistake in it does not wait for the day when it is.
func (p *poll) readRules() (err error) {
	c := p.call
	if i := c.param("on_tie"); c.given(i) {
		if _, isFunction := c.Args[i].(starlark.Callable); !isFunction {
			if _, err := c.choiceArg(i, "", "first"); err != nil {
				return err
			}
		}
	}
	if i := c.param("correlation"); c.given(i) {
		p.correlation, err = c.shareArg(i)
	}
	return err
}

// param is the index of a declared parameter.
func (c *Call) param(name string) int {
	return slices.IndexFunc(c.Decl.Params, func(p Param) bool { return p.Name == name })
}

// decide counts the poll.
func (p *poll) decide() (*Tally, error) {
	if err := p.compare(); err != nil {
		return nil, err
	}
	if p.method == mean || p.method == median {
		return p.numeric()
	}
	if err := p.read(); err != nil {
		return nil, err
	}
	if err := p.weigh(); err != nil {
		return nil, err
	}
	s, err := p.stand()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.call.Decl.Name, err)
	}
	return p.close(&s)
}

// compare asks by what is compared of each answer. Answers of which that is None abstain.
func (p *poll) compare() error {
	if p.by == nil {
		return nil
	}
	p.subjects = make([]starlark.Value, 0, len(p.panel.answers))
	stays := p.panel.answers[:0]
	for _, a := range p.panel.answers {
		v, err := starlark.Call(p.call.Thread, p.by, starlark.Tuple{a.said}, nil)
		if err != nil {
			return err
		}
		if v != starlark.None {
			p.subjects, stays = append(p.subjects, v), append(stays, a)
		}
	}
	p.panel.answers = stays
	return nil
}

// subject is what is compared of answer i.
func (p *poll) subject(i int) starlark.Value {
	if p.subjects != nil {
		return p.subjects[i]
	}
	return p.panel.answers[i].value()
}

// read makes options of what was said.
func (p *poll) read() (err error) {
	p.register = newRegister(charged(p.call.Thread, answerKey))
	if p.by != nil {
		p.register = newRegister(charged(p.call.Thread, exactKey))
	}
	n := len(p.panel.answers)
	if p.hasBallots() {
		p.ballots = make([][]int, n)
	} else {
		p.choice = make([]int, n)
	}
	for i := range n {
		if p.ballots != nil {
			p.ballots[i], err = p.ballot(p.subject(i))
		} else {
			p.choice[i], err = p.register.number(p.subject(i))
		}
		if err != nil {
			return p.unusable(i, err)
		}
	}
	return nil
}

// unusable is the error of an answer that is none for the method: whoever asked can catch it, as one that does not fit returns=.
func (p *poll) unusable(i int, err error) error {
	if uncatchable(err) && !errors.As(err, new(*badBallot)) {
		return fmt.Errorf("%s: answer %d: %w", p.call.Decl.Name, i, err)
	}
	return runtime.Errorf(runtime.Schema, "%s: answer %d: %w", p.call.Decl.Name, i, err)
}

// badBallot says why an answer is none for the method.
type badBallot struct{ why string }

func (e *badBallot) Error() string { return e.why }

// ballotBytes is about what an option on a ballot takes.
const ballotBytes = 24

// ballot reads a list of options.
func (p *poll) ballot(v starlark.Value) ([]int, error) {
	list, ok := v.(starlark.Iterable)
	if _, isDict := v.(starlark.Mapping); !ok || isDict {
		return nil, &badBallot{fmt.Sprintf("got %s, want a list of options for method=%q", runtime.A(v.Type()), p.method)}
	}
	if err := charge(p.call.Thread, ballotBytes*max(starlark.Len(v), 0)); err != nil {
		return nil, err
	}
	p.turn++
	ballot := make([]int, 0, max(starlark.Len(v), 0))
	for x := range starlark.Elements(list) {
		if len(ballot) >= maxRanked {
			return nil, &badBallot{fmt.Sprintf("a ballot of more than %d options", maxRanked)}
		}
		n, err := p.register.number(x)
		if err != nil {
			return nil, err
		}
		for len(p.seen) <= n {
			p.seen = append(p.seen, 0)
		}
		if p.seen[n] == p.turn {
			return nil, &badBallot{fmt.Sprintf("the option %s stands twice in one ballot", shown(x))}
		}
		p.seen[n] = p.turn
		ballot = append(ballot, n)
	}
	return ballot, nil
}

// weigh gives the answers their weights.
func (p *poll) weigh() (err error) {
	c := p.call
	p.weights, err = c.weightsArg(c.param("weight"), p.panel)
	switch {
	case err != nil:
		return err
	case p.method == logOdds && p.weights == nil:
		return fmt.Errorf("%s: log_odds needs the accuracy of each who answered; give weight=, a function or a dict of accuracies by agent", c.Decl.Name)
	case p.method == weighted && p.weights == nil:
		p.weights, err = c.confidences(p.panel)
	case p.method == plurality && p.weights != nil:
		p.method = weighted
	}
	if p.total = float64(len(p.panel.answers)); p.weights != nil && p.method != logOdds {
		p.total = consensus.Sum(p.weights)
	}
	switch {
	case err != nil:
		return err
	case math.IsInf(p.total, 0):
		return fmt.Errorf("%s: the weights are too large to be added", c.Decl.Name)
	case p.total == 0 && len(p.panel.answers) > 0:
		return fmt.Errorf("%s: all weights are 0, so nobody can win", c.Decl.Name)
	}
	return nil
}

// stand asks the kernels.
func (p *poll) stand() (s standing, err error) {
	n := len(p.register.options)
	if n == 0 {
		return s, nil
	}
	p.index(n)
	if err := p.affordable(n); err != nil {
		return s, err
	}
	switch p.method {
	case plurality, weighted:
		s.scores, err = consensus.Count(p.choice, p.weights, n)
	case logOdds:
		s.scores, s.probabilities, err = consensus.LogOdds(p.choice, p.weights, max(n, 2)) // of one option alone it is asked whether it is right
		s.scores = s.scores[:min(n, len(s.scores))]
		p.weighOdds(s.scores)
	case approval:
		s.scores, err = consensus.Approval(p.ballots, p.weights, n)
	case borda:
		s.scores, err = consensus.Borda(p.ballots, p.weights, n)
	case copeland:
		s.scores, err = consensus.Copeland(p.ballots, p.weights, n)
	case schulze:
		s.scores, s.ranking, err = consensus.Schulze(p.ballots, p.weights, n)
	case irv:
		var rounds [][]float64
		if s.ranking, rounds, err = consensus.IRV(p.ballots, p.weights, n); err == nil {
			s.scores = rounds[0]
		}
	}
	if err != nil {
		return s, err
	}
	if s.leaders = consensus.Leaders(s.scores); s.ranking != nil {
		s.leaders = s.ranking[0]
	} else if p.isRanked() {
		s.ranking = ranked(s.scores)
	}
	s.margin, err = p.margin(&s)
	return s, err
}

// weighOdds makes shares of log-odds: what speaks for an option, of what speaks for any.
func (p *poll) weighOdds(scores []float64) {
	p.odds = scores
	positive := make([]float64, len(scores))
	for i, x := range scores {
		positive[i] = max(x, 0)
	}
	p.total = consensus.Sum(positive)
}

// index notes who backs each of n options.
func (p *poll) index(n int) {
	p.backed = make([][]int, n)
	sizes := make([]int, n)
	p.eachChoice(func(_, i int) { sizes[i]++ })
	for i, size := range sizes {
		p.backed[i] = make([]int, 0, size)
	}
	p.eachChoice(func(k, i int) { p.backed[i] = append(p.backed[i], k) })
}

// eachChoice visits the options that answer k backs, for each k: of a ranking its first.
func (p *poll) eachChoice(visit func(k, i int)) {
	for k, i := range p.choice {
		visit(k, i)
	}
	for k, ballot := range p.ballots {
		if p.isRanked() {
			ballot = ballot[:min(1, len(ballot))]
		}
		for _, i := range ballot {
			visit(k, i)
		}
	}
}

// maxRanked is how many options a ranked method compares with each other.
const maxRanked = 1000

// affordable charges for comparing each option with each other.
func (p *poll) affordable(n int) error {
	if !p.isRanked() {
		return nil
	}
	if n > maxRanked {
		return fmt.Errorf("%d options are too many to rank, the most are %d", n, maxRanked)
	}
	work := float64(len(p.panel.answers)) * float64(n) * float64(n)
	if p.method == schulze || p.method == irv {
		work += float64(n) * float64(n) * float64(n)
	}
	if work > maxWork {
		return fmt.Errorf("to rank %d options by %d ballots takes about %.0f million steps, want at most %d million; rank fewer options",
			n, len(p.panel.answers), work/1e6, maxWork/1_000_000)
	}
	return charge(p.call.Thread, int(work))
}

// ranked orders options by their scores, best first, equal ones together.
func ranked(scores []float64) [][]int {
	order := make([]int, len(scores))
	largest := 0.0
	for i, x := range scores {
		order[i] = i
		largest = max(largest, math.Abs(x))
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	var groups [][]int
	for first := 0; first < len(order); {
		last := first + 1
		for last < len(order) && scores[order[first]]-scores[order[last]] <= slack*largest {
			last++
		}
		group := order[first:last:last]
		slices.Sort(group)
		groups, first = append(groups, group), last
	}
	return groups
}

// margin is how far the leader is ahead: of the next, as a share of the weight; for ranked methods of the option that comes closest to
// it when only the two are compared.
func (p *poll) margin(s *standing) (float64, error) {
	if len(s.leaders) != 1 {
		return 0, nil
	}
	top := s.leaders[0]
	switch {
	case p.method == logOdds && p.total == 0:
		return 0, nil
	case p.isRanked():
		prefer, err := consensus.Prefer(p.ballots, p.weights, len(s.scores))
		if err != nil {
			return 0, err
		}
		least := math.Inf(1)
		for i := range prefer {
			if i != top {
				least = min(least, prefer[top][i]-prefer[i][top])
			}
		}
		if math.IsInf(least, 1) {
			return 1, nil
		}
		return least / p.total, nil
	}
	return (s.scores[top] - highestBut(s.scores, top)) / p.total, nil
}

// highestBut is the highest score of all but one, or zero.
func highestBut(scores []float64, but int) float64 {
	high := 0.0
	for i, x := range scores {
		if i != but {
			high = max(high, x)
		}
	}
	return high
}
