package story

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// Vote is a count or a verification that was found in a value, as vote, consensus and verify give them.
type Vote struct {
	At         string // where in the value, such as `$.tally`
	Status     string // "decided", "tie" ...; of a verification "accepted" or "surfaced"
	Method     string
	Winner     string // "" when none is named
	Agreement  *float64
	Confidence *float64
	Score      *float64 // of a verification
	Interval   []float64
	Asked      int
	Valid      int
	Options    []Option   // those with most votes first
	Evidence   []Evidence // of a verification, in the order of asking
}

// Option is something that was voted for.
type Option struct {
	Name    string
	Votes   float64 // or whatever score the method gives
	Share   float64 // of all votes, 0..1
	Won     bool
	Dissent bool // somebody backed it and not the winner
	Agents  []string
	Reasons []string
}

// Evidence is what one oracle said.
type Evidence struct {
	Stage   string
	Oracle  string
	Score   *float64
	Reasons []string
	Skipped bool
}

// String says what was decided, in a line.
func (v *Vote) String() string {
	s := v.Status
	if v.Winner != "" {
		s = joined(": ", s, v.Winner)
	}
	if v.Agreement != nil && v.Valid > 0 {
		s += fmt.Sprintf(", agreement %.2f of %d", *v.Agreement, v.Valid)
	}
	if v.Score != nil {
		s += fmt.Sprintf(", score %.2f", *v.Score)
	}
	return s
}

// Bounds on the search for votes.
const (
	maxVotes     = 50
	maxVoteDepth = 12
	maxVoteBytes = 4 << 20
)

// votesIn finds the votes in a value, in the order of its keys.
func votesIn(p runtime.Payload) []Vote {
	if len(p) > maxVoteBytes || !bytes.Contains(p, []byte(`"distribution"`)) && !bytes.Contains(p, []byte(`"evidence"`)) {
		return nil
	}
	var v any
	if json.Unmarshal(p, &v) != nil {
		return nil
	}
	var found []Vote
	search(v, "$", maxVoteDepth, &found)
	return found
}

func search(v any, at string, depth int, found *[]Vote) {
	if depth == 0 || len(*found) == maxVotes {
		return
	}
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			search(x, at+"["+strconv.Itoa(i)+"]", depth-1, found)
		}
	case map[string]any:
		if vote, ok := voteOf(v); ok {
			vote.At = at
			*found = append(*found, vote)
			return
		}
		for _, key := range sortedKeys(v) {
			search(v[key], at+"."+key, depth-1, found)
		}
	}
}

func sortedKeys(o map[string]any) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// voteOf reads an object that looks like a count or a verification.
func voteOf(o map[string]any) (Vote, bool) {
	status, _ := o["status"].(string)
	method, _ := o["method"].(string)
	v := Vote{Status: status, Method: method, Confidence: number(o["confidence"]), Agreement: number(o["agreement"])}
	if evidence, ok := o["evidence"].([]any); ok && (status != "" || o["score"] != nil) {
		v.Score = number(o["score"])
		for _, e := range evidence {
			if e, ok := e.(map[string]any); ok {
				v.Evidence = append(v.Evidence, evidenceOf(e))
			}
		}
		return v, len(v.Evidence) > 0
	}
	distribution, ok := o["distribution"].(map[string]any)
	if !ok {
		return v, false
	}
	winner, named := o["winner"]
	if !named {
		winner, named = o["answer"]
	}
	if !named && status == "" {
		return v, false
	}
	if winner != nil {
		v.Winner = text(winner)
	}
	v.Asked, v.Valid = count(o["asked"]), count(o["valid"])
	if interval, ok := o["interval"].([]any); ok {
		for _, x := range interval {
			if f := number(x); f != nil {
				v.Interval = append(v.Interval, *f)
			}
		}
	}
	return v, v.options(distribution, o["dissent"])
}

// options reads who voted for what; false says that the distribution is none.
func (v *Vote) options(distribution map[string]any, dissent any) bool {
	sum := 0.0
	for _, name := range sortedKeys(distribution) {
		n := number(distribution[name])
		if n == nil {
			return false
		}
		sum += max(*n, 0)
		v.Options = append(v.Options, Option{Name: name, Votes: *n, Won: v.Winner != "" && name == v.Winner})
	}
	list, _ := dissent.([]any)
	for _, d := range list {
		if d, ok := d.(map[string]any); ok {
			v.dissenter(d)
		}
	}
	for i := range v.Options {
		if o := &v.Options[i]; o.Share == 0 && sum > 0 {
			o.Share = max(o.Votes, 0) / sum
		}
	}
	slices.SortStableFunc(v.Options, func(a, b Option) int { return cmp.Compare(b.Votes, a.Votes) })
	return true
}

// dissenter adds what is known of those who backed another option.
func (v *Vote) dissenter(d map[string]any) {
	name := text(d["option"])
	i := slices.IndexFunc(v.Options, func(o Option) bool { return o.Name == name })
	if i < 0 {
		o := Option{Name: name}
		if n := number(d["votes"]); n != nil {
			o.Votes = *n
		}
		i = len(v.Options)
		v.Options = append(v.Options, o)
	}
	o := &v.Options[i]
	o.Dissent = true
	if share := number(d["share"]); share != nil {
		o.Share = min(max(*share, 0), 1)
	}
	o.Agents, o.Reasons = texts(d["agents"]), texts(d["reasons"])
}

func evidenceOf(e map[string]any) Evidence {
	skipped, _ := e["skipped"].(bool)
	ev := Evidence{Score: number(e["score"]), Reasons: texts(e["reasons"]), Skipped: skipped}
	ev.Stage, _ = e["stage"].(string)
	ev.Oracle, _ = e["oracle"].(string)
	return ev
}

func number(v any) *float64 {
	if f, ok := v.(float64); ok {
		return &f
	}
	return nil
}

// count is a number of things, at most a billion.
func count(v any) int {
	f, _ := v.(float64)
	return int(min(max(f, 0), 1e9))
}

// text is a string as it is, anything else as JSON: as options are named in a distribution.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

func texts(v any) []string {
	list, _ := v.([]any)
	var all []string
	for _, x := range list {
		if x != nil {
			all = append(all, text(x))
		}
	}
	return all
}
