package builtins

import (
	"fmt"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/runtime/guard"
)

// Verdict is what verify found: a value with the evidence for and against it. Its attributes cannot be changed.
type Verdict struct {
	candidate
	passed   bool
	warning  bool
	approved bool // by a person, whatever the score
	stages   []stage
}

var (
	_ guard.Composite   = (*Verdict)(nil)
	_ starlark.HasAttrs = (*Verdict)(nil)
)

var verdictAttrs = []string{"by", "evidence", "passed", "reasons", "score", "stages", "status", "value", "warning"}

// String shows the value and what was found.
func (v *Verdict) String() string {
	return "verdict(" + v.value.String() + ", " + v.status() + ", score=" + v.score().String() + ", by=" + strconv.Quote(v.by) + ")"
}
func (v *Verdict) Type() string         { return "verdict" }
func (v *Verdict) Freeze()              { v.value.Freeze() }
func (v *Verdict) Truth() starlark.Bool { return starlark.Bool(v.passed) }
func (v *Verdict) Hash() (uint32, error) {
	return 0, fmt.Errorf("a verdict cannot be a key, its .value may")
}

// Parts is the value.
func (v *Verdict) Parts() []starlark.Value { return []starlark.Value{v.value} }

func (v *Verdict) AttrNames() []string { return verdictAttrs }

// Attr gives fresh lists each time, so that the script may change them.
func (v *Verdict) Attr(name string) (starlark.Value, error) {
	switch name {
	case "by":
		return starlark.String(v.by), nil
	case "evidence":
		return v.evidence(), nil
	case "passed":
		return starlark.Bool(v.passed), nil
	case "reasons":
		return textList(v.found.reasons()), nil
	case "score":
		return v.score(), nil
	case "stages":
		return v.stageList(), nil
	case "status":
		return starlark.String(v.status()), nil
	case "value":
		return v.value, nil
	case "warning":
		return starlark.Bool(v.warning), nil
	}
	return nil, nil
}

// Plain is the verdict as it goes into results and inputs.
func (v *Verdict) Plain() starlark.Value {
	d := starlark.NewDict(len(verdictAttrs))
	for _, name := range verdictAttrs {
		if a, err := v.Attr(name); err == nil {
			setKey(d, name, a)
		}
	}
	return d
}

func (v *Verdict) status() string {
	if v.passed {
		return "accepted"
	}
	return "surfaced"
}

func (v *Verdict) score() starlark.Value { return scoreOrNone(v.found.known, v.found.score) }

func scoreOrNone(known bool, score float64) starlark.Value {
	if !known {
		return starlark.None
	}
	return starlark.Float(score)
}

// evidence lists what was said at every stage, in the order of asking.
func (v *Verdict) evidence() *starlark.List {
	var all []starlark.Value
	for _, s := range v.stages {
		for _, e := range s.findings.evidence {
			all = append(all, starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
				"stage":   starlark.String(s.name),
				"oracle":  starlark.String(e.oracle),
				"score":   scoreOrNone(e.known, e.score),
				"reasons": textList(e.reasons),
				"skipped": starlark.Bool(e.skipped),
			}))
		}
	}
	return starlark.NewList(all)
}

func (v *Verdict) stageList() *starlark.List {
	all := make([]starlark.Value, len(v.stages))
	for i, s := range v.stages {
		reasons := s.reasons
		if reasons == nil {
			reasons = s.findings.reasons()
		}
		all[i] = starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
			"stage":   starlark.String(s.name),
			"by":      starlark.String(s.by),
			"score":   scoreOrNone(s.findings.known, s.findings.score),
			"result":  starlark.String(s.result),
			"reasons": textList(reasons),
		})
	}
	return starlark.NewList(all)
}

// reading is the verdict as an oracle's answer: one verification may be an oracle of another. What did not pass there, by its score
// or because a person rejected it, does not pass here.
func (v *Verdict) reading() reading {
	r := reading{why: "its verdict is " + v.status(), reasons: v.found.reasons()}
	switch f := &v.found; {
	case v.approved:
		r.sense, r.score = scored, 1
	case !f.known || !f.whole:
		r.sense = unusable
	case v.passed:
		r.sense, r.score = scored, f.score
	default:
		r.sense = scored
	}
	return r
}

func textList(texts []string) *starlark.List {
	list := make([]starlark.Value, len(texts))
	for i, s := range texts {
		list[i] = starlark.String(s)
	}
	return starlark.NewList(list)
}
