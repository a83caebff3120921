// Package report writes the story of a run as one page of HTML: for people, on any screen, on paper, and through a screen reader. The page
// needs nothing beside itself and asks nobody for anything; its script only adds comfort. What agents said is hostile until it is escaped.
package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"

	"github.com/parallax-run/parallax/internal/story"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	styleText string
	//go:embed page.js
	scriptText string
)

// Limits bound a page. A zero field means its default.
type Limits struct {
	Nodes  int // parts of the run in the tree
	Lanes  int // lines of the timeline
	Bytes  int // of inputs, answers and results together
	Depth  int // levels of the tree
	Failed int // failures told of
	Votes  int // counts and verifications drawn
}

// DefaultLimits keep a page below about three megabytes.
func DefaultLimits() Limits {
	return Limits{Nodes: 2000, Lanes: 200, Bytes: 1 << 20, Depth: 40, Failed: 50, Votes: 30}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ v, or *int }{
		{&l.Nodes, &d.Nodes}, {&l.Lanes, &d.Lanes}, {&l.Bytes, &d.Bytes}, {&l.Depth, &d.Depth}, {&l.Failed, &d.Failed}, {&l.Votes, &d.Votes},
	} {
		if *f.v <= 0 {
			*f.v = *f.or
		}
	}
	return l
}

// HTML writes the page of a run. What does not fit the limits is counted where it was left out.
func HTML(w io.Writer, r *story.Run, limits Limits) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		*page
		Style  template.CSS
		Script template.JS
		Policy string
	}{
		pageOf(r, limits.withDefaults()),
		template.CSS(styleText), //nolint:gosec // it is our own
		template.JS(scriptText), //nolint:gosec // it is our own
		"default-src 'none'; style-src " + hashOf(styleText) + "; script-src " + hashOf(scriptText) + "; base-uri 'none'; form-action 'none'",
	})
}

// hashOf names a text in a content security policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(strings.ReplaceAll(text, "\r\n", "\n")))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
