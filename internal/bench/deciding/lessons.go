package main

import (
	"errors"

	"github.com/parallax-run/parallax/internal/consensus"
)

// labelled is how many questions with known answers there are to learn from.
const labelled = 500

// learn draws questions that are used for nothing else, and fits what methods need to know.
func learn(w *world, seed uint64) *lessons {
	n := len(w.panel)
	k := &lessons{accuracies: make([]float64, n), maps: make([]consensus.Map, n)}
	labels := make([]consensus.Labels, n)
	var answers [][]int
	var rows [][]consensus.Stage
	for i := range labelled {
		q := w.draw(seed, i)
		row, stages := make([]int, n), make([]consensus.Stage, n)
		for a := range n {
			s := q.answers[a][0]
			row[a] = s.option
			stages[a] = consensus.Stage{Score: s.confidence, Correct: s.option == truth, Cost: w.panel[a].cost}
			labels[a] = append(labels[a], consensus.Label{Confidence: s.confidence, Correct: s.option == truth})
		}
		answers, rows = append(answers, row), append(rows, stages)
	}
	for a := range n {
		k.accuracies[a] = float64(labels[a].Correct()+1) / float64(labelled+2)
		k.maps[a] = must(consensus.FitPlatt(labels[a]))
	}
	var err error
	if k.estimated, _, err = consensus.DawidSkene(answers, options); err != nil {
		panic(err)
	}
	k.thresholds = fitCascade(rows, n)
	return k
}

// fitCascade asks for the accuracy of the last stage alone, as cheaply as it can be had; it takes the most accurate thresholds if there
// are none such. Only the first two stages and the last take part.
func fitCascade(rows [][]consensus.Stage, n int) []float64 {
	right := 0
	for i, row := range rows {
		if row[n-1].Correct {
			right++
		}
		rows[i] = []consensus.Stage{row[0], row[1], row[n-1]}
	}
	c, err := consensus.FitCascade(rows, float64(right)/float64(len(rows)))
	if missed, ok := errors.AsType[*consensus.TargetMissed](err); ok {
		return missed.Best.Thresholds
	}
	return must(c, err).Thresholds
}
