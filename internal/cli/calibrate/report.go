package calibrate

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/consensus"
)

// bins are those of the expected calibration error.
const bins = 10

// folds are the parts of a cross-validation, and fewestJudged how many labels leave enough to fit to without any of them.
const (
	folds        = 10
	fewestJudged = 34
)

// report is what is known of an agent.
type report struct {
	Agent  string  `json:"agent"`
	Labels int     `json:"labels"`
	Right  int     `json:"right"`
	Share  float64 `json:"share"`
	Low    float64 `json:"low"` // the Wilson interval of the share, 95 %
	High   float64 `json:"high"`
	Stated int     `json:"stated"` // labels with a confidence

	// Nil where there are too few labels; after is by cross-validation.
	ECE        *float64 `json:"ece"`
	ECEAfter   *float64 `json:"ece_after"`
	Brier      *float64 `json:"brier"`
	BrierAfter *float64 `json:"brier_after"`

	fit *consensus.Map
}

// mapping is an agent in the file of maps: what it was fitted to, and the fields of its method. Without a method there is no map.
type mapping struct {
	Method      string    `json:"method,omitempty"`
	Temperature *float64  `json:"temperature,omitempty"`
	Slope       *float64  `json:"slope,omitempty"`
	Intercept   *float64  `json:"intercept,omitempty"`
	Confidences []float64 `json:"confidences,omitempty"`
	Values      []float64 `json:"values,omitempty"`
	N           int       `json:"n"` // labels
	Correct     int       `json:"correct"`
	Low         float64   `json:"low"` // the Wilson interval of the share, 95 %
	High        float64   `json:"high"`
}

// mapping gives what the file of maps says of the agent.
func (r *report) mapping() mapping {
	out := mapping{N: r.Labels, Correct: r.Right, Low: r.Low, High: r.High}
	m := r.fit
	if m == nil {
		return out
	}
	out.Method = m.Method
	switch m.Method {
	case consensus.Temperature:
		out.Temperature = &m.Temperature
	case consensus.Platt:
		out.Slope, out.Intercept = &m.Slope, &m.Intercept
	default:
		out.Confidences, out.Values = m.Confidences, m.Values
	}
	return out
}

// mappings is the file of maps.
func mappings(reports []report) map[string]mapping {
	all := make(map[string]mapping, len(reports))
	for i := range reports {
		all[reports[i].Agent] = reports[i].mapping()
	}
	return all
}

// reportOf measures an agent, and fits a map if there are enough labels.
func reportOf(a *labelled, fit fitter) (report, error) {
	r := report{Agent: a.name, Labels: a.n, Right: a.right, Share: float64(a.right) / float64(a.n), Stated: len(a.stated)}
	r.Low, r.High = consensus.Wilson(a.right, a.n, 0.95)
	if len(a.stated) < consensus.FewestLabels {
		return r, nil
	}
	m, err := fit(a.stated)
	if err != nil {
		return r, err
	}
	r.fit = &m
	if r.ECE, r.Brier, err = measured(a.stated, a.stated); err != nil {
		return r, err
	}
	if len(a.stated) < fewestJudged {
		return r, nil
	}
	after, err := judged(a.stated, fit)
	if err != nil {
		return r, err
	}
	r.ECEAfter, r.BrierAfter, err = measured(a.stated, after)
	return r, err
}

// measured gives the calibration error and the Brier score of confidences that were given to stated ones.
func measured(stated, given consensus.Labels) (ece, brier *float64, err error) {
	e, err := errorIn(stated, given)
	if err != nil {
		return nil, nil, err
	}
	b, err := given.Brier()
	return &e, &b, err
}

// errorIn is the expected calibration error of given confidences, in the bins of the stated ones: in bins of their own the maps of different folds would come
// apart, each a little off to the side on which its own labels are not.
func errorIn(stated, given consensus.Labels) (float64, error) {
	groups := make([]consensus.Labels, bins)
	for i := range stated {
		k := bin(stated[i].Confidence)
		groups[k] = append(groups[k], given[i])
	}
	var gaps []float64
	for _, g := range groups {
		if len(g) == 0 {
			continue
		}
		gap, err := g.ECE(1)
		if err != nil {
			return 0, err
		}
		gaps = append(gaps, gap*float64(len(g)))
	}
	return consensus.Sum(gaps) / float64(len(stated)), nil
}

// bin is the bin of a confidence: above k/10 and at most (k+1)/10, the first also 0.
func bin(confidence float64) int {
	for k := range bins - 1 {
		if confidence <= float64(k+1)/bins {
			return k
		}
	}
	return bins - 1
}

// judged gives each label the confidence of a map that was fitted without it and its fold, every tenth label being of one fold.
func judged(ls consensus.Labels, fit fitter) (consensus.Labels, error) {
	out := make(consensus.Labels, len(ls))
	for fold := range folds {
		var others consensus.Labels
		for i, l := range ls {
			if i%folds != fold {
				others = append(others, l)
			}
		}
		m, err := fit(others)
		if err != nil {
			return nil, err
		}
		for i := fold; i < len(ls); i += folds {
			out[i] = ls[i]
			if out[i].Confidence, err = m.Apply(ls[i].Confidence); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// summary is what --json prints.
type summary struct {
	Method string             `json:"method"`
	Agents []report           `json:"agents"`
	Maps   map[string]mapping `json:"maps"` // what --out writes
}

// print writes the table, or JSON. A table gives way to maps on standard output.
func (o *Options) print(reports []report) error {
	if o.JSON {
		return cli.JSON(o.App, summary{o.Method, reports, mappings(reports)})
	}
	to := o.App.Out
	if o.Out == "-" {
		to = o.App.Err
	}
	_, err := fmt.Fprint(to, table(reports, o.Method))
	return err
}

func table(reports []report, method string) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AGENT\tLABELS\tRIGHT\tSHARE\t95 %\tECE\tBRIER\tMAP")
	for i := range reports {
		r := &reports[i]
		fmt.Fprintf(w, "%s\t%d\t%d\t%.3f\t%.3f to %.3f\t%s\t%s\t%s\n", printable(r.Agent), r.Labels, r.Right, r.Share, r.Low, r.High,
			change(r.ECE, r.ECEAfter), change(r.Brier, r.BrierAfter), r.fitted(method))
	}
	_ = w.Flush() // into memory
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

func change(before, after *float64) string {
	switch {
	case before == nil:
		return "-"
	case after == nil:
		return fmt.Sprintf("%.3f", *before)
	default:
		return fmt.Sprintf("%.3f -> %.3f", *before, *after)
	}
}

// fitted says what the map is, or why there is none.
func (r *report) fitted(method string) string {
	switch {
	case r.fit == nil && r.Stated < r.Labels:
		return fmt.Sprintf("none: %d of %d labels state a confidence, %d needed", r.Stated, r.Labels, consensus.FewestLabels)
	case r.fit == nil:
		return fmt.Sprintf("none: needs %d labels", consensus.FewestLabels)
	case method == consensus.Temperature:
		return fmt.Sprintf("temperature %.2f", r.fit.Temperature)
	case method == consensus.Platt:
		return fmt.Sprintf("platt, slope %.2f, intercept %.2f", r.fit.Slope, r.fit.Intercept)
	default:
		return "isotonic, " + counted(len(r.fit.Confidences), "point")
	}
}

// printable shows a name from a file without what could move the cursor.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, name)
}
