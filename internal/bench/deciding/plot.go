package main

import (
	"fmt"
	"strings"
)

// line is one method over all correlations: the share of questions that it answers wrongly.
type line struct {
	method string
	wrong  []float64
}

// curves plays the equal panel at growing correlations.
func (s Study) curves() (correlations []float64, lines []line) {
	shown := []string{
		"one agent", "the same agent five times, plurality", "plurality of the panel", "consensus of four in five, else no answer",
		"verify, retry once, escalate",
	}
	var compared []method
	for _, m := range methods() {
		for _, name := range shown {
			if m.name == name {
				compared = append(compared, m)
				lines = append(lines, line{method: name})
			}
		}
	}
	for i := range 9 {
		rho := float64(i) * 0.1
		correlations = append(correlations, rho)
		sc := scenario{panel: panelOf(5, agent{accuracy: 0.85, cost: 1}), correlation: rho, coinciding: true}
		for k, r := range s.play(sc, s.Questions/2, compared) {
			lines[k].wrong = append(lines[k].wrong, float64(r.wrong)/r.asked())
		}
	}
	return correlations, lines
}

// Geometry of the plot, in pixels, and what the axes show.
const (
	width, height             = 800, 440
	left, right, above, under = 64, 330, 40, 56
	mostWrong                 = 0.20
	mostCorrelated            = 0.8
)

var strokes = [...]string{"#7a7a7a", "#c2571a", "#1f6fb4", "#7b4fb0", "#2a8a4a"}

// plot draws wrong answers over correlation.
func (s Study) plot() string {
	xs, lines := s.curves()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" role="img" aria-labelledby="title">
<title id="title">Wrong answers by how much the errors of five agents correlate</title>
<style>text{fill:#333}.axis{stroke:#999}@media (prefers-color-scheme:dark){text{fill:#ccc}.axis{stroke:#777}}</style>
`, width, height)
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"22\" font-weight=\"600\">Wrong answers, of all questions: five agents that are right in 85 of 100</text>\n", left)
	for i := range 5 {
		share := float64(i) * 0.05
		fmt.Fprintf(&b, "<line class=\"axis\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke-opacity=\"0.4\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f %%</text>\n",
			left, yOf(share), width-right, yOf(share), left-8, yOf(share)+4, 100*share)
	}
	for i := 0; i < len(xs); i += 2 {
		fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.1f</text>\n", xOf(xs[i]), height-under+20, xs[i])
	}
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">correlation of being right</text>\n", (left+width-right)/2, height-12)
	for k, l := range lines {
		var points []string
		for i, x := range xs {
			points = append(points, fmt.Sprintf("%.1f,%.1f", xOf(x), yOf(l.wrong[i])))
		}
		fmt.Fprintf(&b, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", strings.Join(points, " "), strokes[k])
		at := height/2 - 80 + 22*k
		fmt.Fprintf(&b, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"3\"/><text x=\"%d\" y=\"%d\">%s</text>\n",
			width-right+14, at, width-right+34, at, strokes[k], width-right+42, at+4, l.method)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func xOf(correlation float64) float64 {
	return left + float64(correlation/mostCorrelated*(width-left-right))
}

func yOf(share float64) float64 {
	return height - under - float64(share/mostWrong*(height-above-under))
}
