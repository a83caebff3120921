package main

import (
	"math"
	"math/rand/v2"
)

// Options of a question. The truth is option 0, and 1 is the error that suggests itself.
const (
	truth = iota
	decoy
	options = 4
)

// agreeWrong is how often a wrong answer is the one that suggests itself. Two wrong answers are then equal in 60 % of cases, as measured of
// models (arXiv 2506.07962): 0.756^2 + 0.244^2/2.
const agreeWrong = 0.756

// agent is one kind of voter.
type agent struct {
	accuracy float64
	cost     float64 // of a call; a cheap one is 1
	// adversary always gives the decoy, with a high confidence.
	adversary bool
}

// scenario is a panel and how it errs.
type scenario struct {
	name        string
	says        string // what is special about it
	panel       []agent
	correlation float64 // intra-class, of being right: what is hard for one is hard for all
	coinciding  bool    // wrong answers coincide; otherwise each is any of the wrong ones
	boast       float64 // added to the log odds of each stated confidence; 0 is calibrated
}

// sample is one answer.
type sample struct {
	option     int
	confidence float64
}

// How often an agent can be asked, and an oracle, about one question.
const (
	maxSamples = 15
	maxChecks  = 3
)

// question is what all methods are asked in turn: the answers are drawn before, so that methods differ in nothing but themselves.
type question struct {
	answers [][]sample         // by agent, then by how often it was asked
	checks  [maxChecks]float64 // the luck of each check by an oracle, 0 to 1
}

// world draws questions.
type world struct {
	scenario
	skill []curve // of each agent: its chance to be right at each quantile of difficulty
}

func newWorld(s scenario) *world {
	w := &world{scenario: s}
	for _, a := range s.panel {
		w.skill = append(w.skill, betaCurve(a.accuracy, s.correlation))
	}
	return w
}

// draw makes question number i: how hard it is for all, and with it the chance of each to be right, which is beta distributed
// with the agent's accuracy as its mean. So the number of right answers of equal agents is beta-binomial.
func (w *world) draw(seed uint64, i int) *question {
	luck := rand.New(rand.NewPCG(seed, uint64(i))) //nolint:gosec // reproducible on purpose
	q := &question{}
	easy := luck.Float64()
	for k, a := range w.panel {
		samples := make([]sample, maxSamples)
		for n := range samples {
			samples[n] = w.answer(luck, a, w.skill[k].at(easy))
		}
		q.answers = append(q.answers, samples)
	}
	for i := range q.checks {
		q.checks[i] = luck.Float64()
	}
	return q
}

func (w *world) answer(luck *rand.Rand, a agent, chance float64) sample {
	right, wrong, noise := luck.Float64() < chance, luck.Float64(), luck.NormFloat64()
	s := sample{option: truth, confidence: stated(chance, w.boast, noise)}
	switch {
	case a.adversary:
		return sample{option: decoy, confidence: 0.97}
	case right:
	case w.coinciding && wrong < agreeWrong:
		s.option = decoy
	case w.coinciding:
		s.option = decoy + 1 + luck.IntN(options-2)
	default:
		s.option = decoy + int(wrong*(options-1))
	}
	return s
}

// stated is the confidence that somebody states whose chance to be right is as given: with noise, and with a boast.
func stated(chance, boast, noise float64) float64 {
	odds := math.Log(min(max(chance, 0.02), 0.98)/(1-min(max(chance, 0.02), 0.98))) + boast + float64(0.5*noise)
	return 1 / (1 + math.Exp(-odds))
}
