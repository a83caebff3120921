package consensus

import (
	"errors"
	"fmt"
	"math"
)

// FewestLabels is how many labels calibration needs. With fewer, its measures say more about luck than about whoever is measured.
const FewestLabels = 30

// Label is a confidence that was stated, and whether the answer was correct.
type Label struct {
	Confidence float64
	Correct    bool
}

// Labels are what is known of how far stated confidences can be trusted.
type Labels []Label

// TooFewLabels says that there are fewer labels than FewestLabels. What can be said of them is in its fields.
type TooFewLabels struct {
	N, Correct int
	Low, High  float64 // the Wilson interval of the accuracy, 95 %; 0 and 1 without labels
}

func (e *TooFewLabels) Error() string {
	return fmt.Sprintf("%d labels of which %d are correct are too few, want at least %d; all they say is an accuracy of %.2f to %.2f",
		e.N, e.Correct, FewestLabels, e.Low, e.High)
}

// Check says which confidence is not in [0, 1], or that there are no labels.
func (ls Labels) Check() error {
	if len(ls) == 0 {
		return errors.New("there is no label")
	}
	for i, l := range ls {
		if err := share(fmt.Sprintf("the confidence of label %d", i), l.Confidence); err != nil {
			return err
		}
	}
	return nil
}

// Enough is a *TooFewLabels if there are too few to calibrate.
func (ls Labels) Enough() error {
	if len(ls) >= FewestLabels {
		return nil
	}
	e := &TooFewLabels{N: len(ls), Correct: ls.Correct(), High: 1}
	if e.N > 0 {
		e.Low, e.High = Wilson(e.Correct, e.N, 0.95)
	}
	return e
}

// Correct is how many answers were correct.
func (ls Labels) Correct() int {
	n := 0
	for _, l := range ls {
		if l.Correct {
			n++
		}
	}
	return n
}

// ECE is the expected calibration error: the mean gap between stated confidence and accuracy in bins of equal width, each weighing as many
// labels as it holds (Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599). Bin k of n holds what is more than k/n and at most (k+1)/n,
// and the first also holds 0.
func (ls Labels) ECE(bins int) (float64, error) {
	gaps, counts, err := ls.gaps(bins)
	if err != nil {
		return 0, err
	}
	for k := range gaps {
		gaps[k] = float64(gaps[k] * float64(counts[k]))
	}
	return Sum(gaps) / float64(len(ls)), nil
}

// MCE is the maximum calibration error: the largest gap of the bins of ECE that hold a label.
func (ls Labels) MCE(bins int) (float64, error) {
	gaps, _, err := ls.gaps(bins)
	if err != nil {
		return 0, err
	}
	return largest(gaps), nil
}

// maxBins bounds the bins of ECE.
const maxBins = 1000

// gaps is the gap between mean confidence and accuracy in each bin, 0 where there is no label, and how many labels it holds.
func (ls Labels) gaps(bins int) (gaps []float64, counts []int, err error) {
	if err := ls.Check(); err != nil {
		return nil, nil, err
	}
	if bins < 1 || bins > maxBins {
		return nil, nil, fmt.Errorf("%d bins, want 1 to %d", bins, maxBins)
	}
	stated := make([][]float64, bins)
	correct := make([]int, bins)
	for _, l := range ls {
		k := binOf(l.Confidence, bins)
		stated[k] = append(stated[k], l.Confidence)
		if l.Correct {
			correct[k]++
		}
	}
	gaps, counts = make([]float64, bins), make([]int, bins)
	for k, cs := range stated {
		if counts[k] = len(cs); len(cs) > 0 {
			gaps[k] = math.Abs(meanOf(cs) - float64(correct[k])/float64(len(cs)))
		}
	}
	return gaps, counts, nil
}

// binOf is the bin of a confidence; one that is written as an edge, such as 0.3 of 10 bins, is on it.
func binOf(confidence float64, bins int) int {
	k := min(int(confidence*float64(bins)), bins-1)
	for k > 0 && confidence <= float64(k)/float64(bins) {
		k--
	}
	for k < bins-1 && confidence > float64(k+1)/float64(bins) {
		k++
	}
	return k
}

// Brier is the mean squared distance of the confidences from what came, 1 or 0 (Brier 1950): 0 is perfect, and 0.25 what one half always
// gives.
func (ls Labels) Brier() (float64, error) {
	if err := ls.Check(); err != nil {
		return 0, err
	}
	terms := make([]float64, len(ls))
	for i, l := range ls {
		off := l.Confidence
		if l.Correct {
			off = 1 - off
		}
		terms[i] = float64(off * off)
	}
	return meanOf(terms), nil
}

// NLL is the negative log-likelihood: the mean of minus the natural logarithm of the confidence in what came. An answer that was sure to be
// one thing and was the other makes it infinite, which is a *CertainAndWrong.
func (ls Labels) NLL() (float64, error) {
	if err := ls.Check(); err != nil {
		return 0, err
	}
	terms := make([]float64, len(ls))
	for i, l := range ls {
		p := l.Confidence
		if !l.Correct {
			p = 1 - p
		}
		if p == 0 {
			return 0, &CertainAndWrong{Label: i}
		}
		terms[i] = -ln(p)
	}
	return meanOf(terms), nil
}

// CertainAndWrong says which label was certain of what did not come, so that the log-likelihood is infinite.
type CertainAndWrong struct{ Label int }

func (e *CertainAndWrong) Error() string {
	return fmt.Sprintf("label %d was certain and wrong, which makes the log-likelihood infinite", e.Label)
}
