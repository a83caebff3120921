package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Study is one simulation: everything in it follows from the two numbers.
type Study struct {
	Seed      uint64
	Questions int
}

// score is what a method made of a scenario.
type score struct {
	method                string
	right, wrong, nothing int
	calls                 int
	cost                  float64
}

func (s *score) asked() float64 { return float64(s.right + s.wrong + s.nothing) }

// accuracy is the share of right answers among those given.
func (s *score) accuracy() float64 { return float64(s.right) / math.Max(1, float64(s.right+s.wrong)) }

func panelOf(n int, a agent) []agent { return slices.Repeat([]agent{a}, n) }

// mixed are five agents of which the better ones cost more.
func mixed() []agent {
	return []agent{{accuracy: 0.70, cost: 1}, {accuracy: 0.75, cost: 1}, {accuracy: 0.80, cost: 2}, {accuracy: 0.85, cost: 4}, {accuracy: 0.90, cost: 8}}
}

// scenarios are the panels of the tables.
func scenarios() []scenario {
	equal := panelOf(5, agent{accuracy: 0.85, cost: 1})
	turned := slices.Clone(equal)
	turned[1].adversary, turned[3].adversary = true, true
	return []scenario{
		{name: "Independent", says: "five equal agents, right in 85 of 100, whose errors have nothing to do with each other: the textbook case, which models are not", panel: equal},
		{
			name: "Correlated", says: "the same, but what is hard for one is hard for all (intra-class correlation 0.3)",
			panel: equal, correlation: 0.3,
		},
		{
			name: "Correlated, and wrong in the same way", says: "the same, and two that are wrong agree in 60 of 100 cases, as models do",
			panel: equal, correlation: 0.3, coinciding: true,
		},
		{
			name: "Unequal", says: "agents right in 70, 75, 80, 85 and 90 of 100, at a cost of 1, 1, 2, 4 and 8, correlated and wrong in the same way",
			panel: mixed(), correlation: 0.3, coinciding: true,
		},
		{
			name: "Unequal and boastful", says: "the same, but what is meant as even odds is stated as 82 %",
			panel: mixed(), correlation: 0.3, coinciding: true, boast: 1.5,
		},
		{
			name: "Two adversaries", says: "five equal agents, correlated and wrong in the same way, of whom the second and fourth always give the same wrong answer, and are sure of it",
			panel: turned, correlation: 0.3, coinciding: true,
		},
	}
}

// play asks all methods the same questions.
func (s Study) play(sc scenario, questions int, compared []method) []score {
	w := newWorld(sc)
	known := learn(w, s.Seed+1)
	scores := make([]score, len(compared))
	for i, m := range compared {
		scores[i].method = m.name
	}
	for i := range questions {
		q := w.draw(s.Seed, i)
		for k, m := range compared {
			t := &trial{question: q, world: w, known: known, asked: make([]int, len(w.panel))}
			scores[k].add(t, m)
		}
	}
	return scores
}

func (s *score) add(t *trial, m method) {
	option, answered := m.decide(t)
	switch {
	case !answered:
		s.nothing++
	case option == truth:
		s.right++
	default:
		s.wrong++
	}
	s.calls += t.calls
	s.cost += t.cost
}

// tables are the results of all scenarios in Markdown.
func (s Study) tables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Seed %d, %d questions in each scenario.\n", s.Seed, s.Questions)
	for _, sc := range scenarios() {
		fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n", sc.name, strings.ToUpper(sc.says[:1])+sc.says[1:])
		b.WriteString("| method | right, of its answers | answered | wrong, of all questions | calls | cost |\n|---|---|---|---|---|---|\n")
		for _, r := range s.play(sc, s.Questions, methods()) {
			n := r.asked()
			fmt.Fprintf(&b, "| %s | %.1f %% | %.1f %% | %.1f %% | %.2f | %.2f |\n", r.method,
				100*r.accuracy(), 100*(n-float64(r.nothing))/n, 100*float64(r.wrong)/n, float64(r.calls)/n, r.cost/n)
		}
	}
	return b.String()
}

// Marks in deciding.md between which the tables stand.
const (
	begin = "<!-- begin: make deciding -->\n"
	end   = "<!-- end: make deciding -->\n"
)

// fill puts the tables between the marks of a page.
func fill(page, tables string) (string, error) {
	head, rest, found := strings.Cut(page, begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", errors.New("the marks between which the tables stand are missing; restore the lines with \"make deciding\"")
	}
	return head + begin + "\n" + tables + "\n" + end + tail, nil
}
