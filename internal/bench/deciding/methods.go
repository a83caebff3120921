package main

import (
	"slices"

	"github.com/parallax-run/parallax/internal/consensus"
)

// trial is one question being decided: it counts what is asked.
type trial struct {
	*question
	world *world
	known *lessons
	asked []int // how often, by agent
	calls int
	check int // how often the oracle was asked
	cost  float64
}

// lessons is what was learned from questions with known answers, or from answers alone.
type lessons struct {
	accuracies []float64       // of each agent, from labels
	estimated  []float64       // of each agent, from their agreement alone (Dawid and Skene)
	maps       []consensus.Map // of each agent's confidences, from labels
	thresholds []float64       // of the cascade, from labels
}

// method is a way of deciding. It gives an option, or none when it gives no answer.
type method struct {
	name   string
	decide func(t *trial) (option int, answered bool)
}

// ask gives the next answer of an agent.
func (t *trial) ask(agent int) sample {
	s := t.answers[agent][t.asked[agent]]
	t.asked[agent]++
	t.calls++
	t.cost += t.world.panel[agent].cost
	return s
}

// all asks everybody on the panel once.
func (t *trial) all() []sample {
	samples := make([]sample, len(t.world.panel))
	for i := range samples {
		samples[i] = t.ask(i)
	}
	return samples
}

// oracle checks an answer against reality, as tests or a compiler do: it passes 95 of 100 right answers and 10 of 100 wrong ones. It
// costs a tenth of a cheap call.
func (t *trial) oracle(option int) bool {
	luck := t.checks[t.check]
	t.check++
	t.cost += 0.1
	if option == truth {
		return luck < 0.95
	}
	return luck < 0.10
}

// methods are all that are compared. The first is what people do today.
func methods() []method {
	return []method{
		{"one agent", func(t *trial) (int, bool) { return t.ask(0).option, true }},
		{"the same agent five times, plurality", repeated(5)},
		{"plurality of the panel", func(t *trial) (int, bool) { return elect(t.all(), nil), true }},
		{"weighted by stated confidence", func(t *trial) (int, bool) {
			return elect(t.all(), func(_ int, s sample) float64 { return s.confidence }), true
		}},
		{"weighted by calibrated confidence", func(t *trial) (int, bool) {
			return elect(t.all(), func(i int, s sample) float64 { return must(t.known.maps[i].Apply(s.confidence)) }), true
		}},
		{"log odds, accuracies from 500 labels", func(t *trial) (int, bool) { return logOdds(t.all(), t.known.accuracies), true }},
		{"log odds, accuracies from agreement alone", func(t *trial) (int, bool) { return logOdds(t.all(), t.known.estimated), true }},
		{"stop when the majority is locked", untilLocked},
		{"adaptive(0.95), one agent, at most 15", adaptive},
		{"consensus of four in five, else no answer", agreed},
		{"cascade, thresholds from 500 labels", cascade},
		{"verify, retry once, escalate", verified},
	}
}

// elect gives the option with the most votes, or with the most weight; the first voter decides a tie.
func elect(samples []sample, weight func(i int, s sample) float64) int {
	votes, weights := make([]int, len(samples)), make([]float64, len(samples))
	for i, s := range samples {
		votes[i], weights[i] = s.option, 1
		if weight != nil {
			weights[i] = weight(i, s)
		}
	}
	return first(votes, must(consensus.Count(votes, weights, options)))
}

func logOdds(samples []sample, accuracies []float64) int {
	votes := make([]int, len(samples))
	for i, s := range samples {
		votes[i] = s.option
	}
	scores, _, err := consensus.LogOdds(votes, accuracies, options)
	return first(votes, must(scores, err))
}

// first is the leader who was voted for first.
func first(votes []int, scores []float64) int {
	leaders := consensus.Leaders(scores)
	for _, v := range votes {
		if slices.Contains(leaders, v) {
			return v
		}
	}
	return leaders[0]
}

func repeated(n int) func(t *trial) (int, bool) {
	return func(t *trial) (int, bool) {
		samples := make([]sample, n)
		for i := range samples {
			samples[i] = t.ask(0)
		}
		return elect(samples, nil), true
	}
}

// tops gives the two highest counts.
func tops(samples []sample) (top, second int) {
	var counts [options]int
	for _, s := range samples {
		counts[s.option]++
	}
	slices.Sort(counts[:])
	return counts[options-1], counts[options-2]
}

func untilLocked(t *trial) (int, bool) {
	var samples []sample
	for i := range t.world.panel {
		samples = append(samples, t.ask(i))
		if top, second := tops(samples); top-second > len(t.world.panel)-len(samples) {
			break
		}
	}
	return elect(samples, nil), true
}

func adaptive(t *trial) (int, bool) {
	var samples []sample
	for len(samples) < maxSamples {
		samples = append(samples, t.ask(0))
		if top, second := tops(samples); consensus.LeadsBeyond(top, second, 0.95) {
			break
		}
	}
	return elect(samples, nil), true
}

func agreed(t *trial) (int, bool) {
	samples := t.all()
	top, _ := tops(samples)
	return elect(samples, nil), 5*top >= 4*len(samples)
}

func cascade(t *trial) (int, bool) {
	for i, least := range t.known.thresholds {
		if s := t.ask(i); s.confidence >= least {
			return s.option, true
		}
	}
	return t.ask(len(t.world.panel) - 1).option, true
}

// verified asks the first agent, checks, asks it again, checks, and asks the last one; what still fails is surfaced to a person.
func verified(t *trial) (int, bool) {
	for _, agent := range []int{0, 0, len(t.world.panel) - 1} {
		if s := t.ask(agent); t.oracle(s.option) {
			return s.option, true
		}
	}
	return 0, false
}

// must is for kernels whose input the simulation itself has made.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
