package report

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/story"
)

// ballot is a count or a verification on the page.
type ballot struct {
	Title   string
	Link    string // id of the node in which it is, or ""
	Status  string
	Notes   []string
	Choices []choice
	Folded  string
}

// choice is an option with its votes, or an oracle with its score.
type choice struct {
	Name    string
	Figure  string  // the number in words
	Width   string  // of the bar, in hundredths
	Class   string  // won, dissent or other
	Says    string  // that it won, or dissents
	Who     string  // names, where they are known
	Reasons []value // why
}

// maxChoices bounds the options of one ballot, maxReasons what is quoted of one.
const (
	maxChoices = 20
	maxReasons = 3
)

// ballots collects the votes of a run, those of the result first.
func (p *planting) ballots(r *story.Run, most int) (list []ballot, more int) {
	r.Root.Walk(func(n *story.Node, depth int) bool {
		for i := range n.Votes {
			if n.Kind == story.Count && again(&n.Votes[i], r.Root.Votes) {
				continue // it is in the result
			}
			if len(list) == most {
				more++
				continue
			}
			list = append(list, ballotOf(n, &n.Votes[i], p.ids[n], depth))
		}
		return true
	})
	return list, more
}

// again says whether a vote is one of these, wherever it stands.
func again(v *story.Vote, votes []story.Vote) bool {
	return slices.ContainsFunc(votes, func(other story.Vote) bool {
		other.At = v.At
		return reflect.DeepEqual(other, *v)
	})
}

func ballotOf(n *story.Node, v *story.Vote, id string, depth int) ballot {
	title := "The result"
	if depth > 0 {
		title = line(n.Title(), 120)
	}
	if at := strings.TrimPrefix(strings.TrimPrefix(v.At, "$"), "."); at != "" {
		title += ", " + line(at, 80)
	}
	b := ballot{Title: title, Link: id, Status: line(strings.ReplaceAll(v.Status, "_", " "), 60), Notes: ballotNotes(v)}
	b.options(v)
	b.evidence(v)
	return b
}

func ballotNotes(v *story.Vote) []string {
	var list []string
	if v.Winner != "" {
		list = append(list, "winner: "+line(v.Winner, 200))
	}
	if v.Method != "" {
		list = append(list, "by "+line(v.Method, 60))
	}
	if v.Asked > 0 {
		list = append(list, fmt.Sprintf("%s of %s answers count", number(v.Valid), number(v.Asked)))
	}
	for _, f := range []struct {
		name string
		v    *float64
	}{{"agreement", v.Agreement}, {"confidence", v.Confidence}, {"score", v.Score}} {
		if f.v != nil {
			list = append(list, f.name+" "+score(*f.v))
		}
	}
	if len(v.Interval) == 2 {
		list = append(list, "interval "+score(v.Interval[0])+" to "+score(v.Interval[1]))
	}
	return list
}

func (b *ballot) options(v *story.Vote) {
	for i := range v.Options {
		if i == maxChoices {
			b.Folded = plural(len(v.Options)-i, "more option") + " left out here."
			return
		}
		o := &v.Options[i]
		c := choice{
			Name: line(o.Name, 200), Figure: fmt.Sprintf("%s (%s %%)", score(o.Votes), score(math.Round(o.Share*1000)/10)), Width: percent(o.Share), Class: "other",
			Who: line(strings.Join(o.Agents, ", "), 300), Reasons: reasons(o.Reasons),
		}
		switch {
		case o.Won:
			c.Class, c.Says = "won", "winner"
		case o.Dissent:
			c.Class, c.Says = "dissent", "dissent"
		}
		b.Choices = append(b.Choices, c)
	}
}

func (b *ballot) evidence(v *story.Vote) {
	for i := range v.Evidence {
		if i == maxChoices {
			b.Folded = plural(len(v.Evidence)-i, "more piece") + " of evidence left out here."
			return
		}
		e := &v.Evidence[i]
		c := choice{Name: line(strings.TrimSpace(e.Stage+" "+e.Oracle), 200), Figure: "no score", Width: "0", Class: "other", Reasons: reasons(e.Reasons)}
		switch {
		case e.Skipped:
			c.Figure = "not asked"
		case e.Score != nil:
			c.Figure, c.Width = score(*e.Score), percent(*e.Score)
		}
		b.Choices = append(b.Choices, c)
	}
}

func reasons(texts []string) []value {
	var list []value
	for i, text := range texts {
		if i == maxReasons {
			return append(list, value{Text: "… " + plural(len(texts)-i, "more reason")})
		}
		list = append(list, value{Text: line(text, 400)})
	}
	return list
}

// percent is a share as the width of a bar.
func percent(share float64) string {
	if math.IsNaN(share) {
		return "0"
	}
	return coordinate(100 * min(max(share, 0), 1))
}
