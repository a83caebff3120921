package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// How a count can end.
const (
	decided        = "decided"
	tie            = "tie"
	noQuorum       = "no_quorum"
	belowThreshold = "below_threshold"
)

// Tally is what vote and consensus give: what was decided, how strongly, and who dissents. Its attributes cannot be changed.
type Tally struct {
	kind   string // "tally" or "consensus"
	method string
	status string

	winner       starlark.Value // None unless decided
	leading      starlark.Value // None when nobody leads
	agreement    starlark.Value
	margin       starlark.Value
	distribution *starlark.Dict
	tied         []starlark.Value
	ranking      starlark.Value // list of lists, or None
	dissent      []dissenter
	answers      []answer // all that are valid
	backers      []int    // those of them who back the leader

	asked, valid int
	effective    float64
	confidence   starlark.Value
	interval     starlark.Value
	probability  starlark.Value
	stdev        starlark.Value
}

// dissenter is an option that did not win, with those who backed it and not the winner.
type dissenter struct {
	option  starlark.Value
	votes   starlark.Value
	share   float64
	backers []int
}

var tallyAttrs = []string{
	"agreed", "agreement", "asked", "confidence", "decided", "dissent", "distribution", "effective_votes", "interval", "leading", "margin", "method",
	"probability", "ranking", "status", "stdev", "supporters", "tied", "valid", "winner",
}

// String shows the outcome in a line.
func (d *Tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s(%s", d.kind, d.status)
	if d.status == decided {
		fmt.Fprintf(&b, ", winner=%s", d.winner)
	}
	fmt.Fprintf(&b, ", agreement=%s, valid=%d, asked=%d)", d.agreement, d.valid, d.asked)
	return b.String()
}
func (d *Tally) Type() string         { return d.kind }
func (d *Tally) Truth() starlark.Bool { return d.status == decided }
func (d *Tally) Hash() (uint32, error) {
	return 0, fmt.Errorf("a %s cannot be a key, its .winner may", d.kind)
}
func (d *Tally) AttrNames() []string { return tallyAttrs }

// Freeze freezes what was counted.
func (d *Tally) Freeze() {
	for _, v := range d.Parts() {
		v.Freeze()
	}
}

// Parts are what was decided and all that was said.
func (d *Tally) Parts() []starlark.Value {
	parts := []starlark.Value{d.winner, d.leading, d.ranking, d.distribution}
	parts = append(parts, d.tied...)
	for _, x := range d.dissent {
		parts = append(parts, x.option)
	}
	for i := range d.answers {
		parts = append(parts, d.answers[i].said)
	}
	return parts
}

// said is a fresh list of what some of the answers were.
func (d *Tally) said(which []int) *starlark.List {
	list := make([]starlark.Value, len(which))
	for i, k := range which {
		list[i] = d.answers[k].said
	}
	return starlark.NewList(list)
}

// agents and reasons are who backed a dissenter, and why, where that is known.
func (d *Tally) agents(x *dissenter) (names []starlark.Value) {
	for _, k := range x.backers {
		if name := d.answers[k].agent; name != "" {
			names = append(names, starlark.String(name))
		}
	}
	return names
}

func (d *Tally) reasons(x *dissenter) (texts []starlark.Value) {
	for _, k := range x.backers {
		texts = append(texts, d.answers[k].reasons()...)
	}
	return texts
}

// Attr gives one fact of the count; lists are fresh.
func (d *Tally) Attr(name string) (starlark.Value, error) {
	switch name {
	case "agreed", "decided":
		return d.Truth(), nil
	case "agreement":
		return d.agreement, nil
	case "asked":
		return starlark.MakeInt(d.asked), nil
	case "confidence":
		return d.confidence, nil
	case "dissent":
		return d.dissents(), nil
	case "distribution":
		return d.distribution, nil
	case "effective_votes":
		return starlark.Float(d.effective), nil
	case "interval":
		return d.interval, nil
	case "leading":
		return d.leading, nil
	case "margin":
		return d.margin, nil
	case "method":
		return starlark.String(d.method), nil
	case "probability":
		return d.probability, nil
	case "ranking":
		return d.ranking, nil
	case "status":
		return starlark.String(d.status), nil
	case "stdev":
		return d.stdev, nil
	case "supporters":
		return d.said(d.backers), nil
	case "tied":
		return freshList(d.tied), nil
	case "valid":
		return starlark.MakeInt(d.valid), nil
	case "winner":
		return d.winner, nil
	}
	return nil, nil
}

func freshList(values []starlark.Value) *starlark.List {
	return starlark.NewList(append([]starlark.Value(nil), values...))
}

func (d *Tally) dissents() starlark.Value {
	list := make([]starlark.Value, len(d.dissent))
	for i := range d.dissent {
		x := &d.dissent[i]
		list[i] = starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
			"option": x.option, "votes": x.votes, "share": starlark.Float(x.share),
			"agents": starlark.NewList(d.agents(x)), "reasons": starlark.NewList(d.reasons(x)), "results": d.said(x.backers),
		})
	}
	return starlark.NewList(list)
}

// Plain is the count as it goes into results and inputs: an object of what it can say. The answers themselves are left out.
func (d *Tally) Plain() starlark.Value {
	o := starlark.NewDict(len(tallyAttrs))
	for _, name := range []string{
		"status", "winner", "leading", "agreement", "margin", "confidence", "asked", "valid", "effective_votes", "method", "distribution",
		"interval", "probability", "stdev", "ranking", "tied",
	} {
		v, err := d.Attr(name)
		if err != nil || v == starlark.None && name != "winner" && name != "confidence" {
			continue
		}
		if l, ok := v.(*starlark.List); ok && l.Len() == 0 {
			continue
		}
		setKey(o, name, v)
	}
	setKey(o, "dissent", d.plainDissent())
	return o
}

func (d *Tally) plainDissent() starlark.Value {
	list := make([]starlark.Value, len(d.dissent))
	for i := range d.dissent {
		x := &d.dissent[i]
		o := starlark.NewDict(5)
		setKey(o, "option", x.option)
		setKey(o, "votes", x.votes)
		setKey(o, "share", starlark.Float(x.share))
		if agents := d.agents(x); agents != nil {
			setKey(o, "agents", starlark.NewList(agents))
		}
		if reasons := d.reasons(x); reasons != nil {
			setKey(o, "reasons", starlark.NewList(reasons))
		}
		list[i] = o
	}
	return starlark.NewList(list)
}
