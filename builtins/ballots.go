package builtins

import (
	"fmt"
	"math"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/runtime"
)

// answer is what somebody who was asked said.
type answer struct {
	said       starlark.Value // as the script would see it: a Result, or a plain value
	agent      string         // "" when nobody is known to have said it
	confidence *float64       // nil when none was stated
}

// value is the answer itself, without what is known about it.
func (a *answer) value() starlark.Value { return answered(a.said) }

// reasons are what the Result says of its answer, or else what the answer says itself as its reason or reasons.
func (a *answer) reasons() []starlark.Value {
	if r, ok := a.said.(*Result); ok && r.answer.Reasoning != "" {
		return []starlark.Value{starlark.String(r.answer.Reasoning)}
	}
	for _, name := range []string{"reason", "reasons", "reasoning"} {
		switch v := fieldNamed(a.value(), name).(type) {
		case starlark.String:
			return []starlark.Value{v}
		case *starlark.List:
			var texts []starlark.Value
			for x := range v.Elements() {
				if s, ok := x.(starlark.String); ok {
					texts = append(texts, s)
				}
			}
			return texts
		}
	}
	return nil
}

// fieldNamed is a field of data, or nil.
func fieldNamed(v starlark.Value, name string) starlark.Value {
	switch v := v.(type) {
	case *starlark.Dict:
		x, _, _ := v.Get(starlark.String(name))
		return x
	case starlark.HasAttrs:
		if x, err := v.Attr(name); err == nil && !hasMethodsOnly(v) {
			return x
		}
	}
	return nil
}

// panel is everybody who was asked.
type panel struct {
	asked   int // failures and abstentions included, branches that were stopped early left out
	all     int // those included
	answers []answer
}

// panelArg reads parameter i: Outcomes, or a list of results, outcomes, attempts and plain values. Who failed or said None abstains.
func (c *Call) panelArg(i int) (*panel, error) {
	if o, ok := c.Args[i].(*Outcomes); ok {
		return outcomesPanel(c, o)
	}
	if _, isDict := c.Args[i].(*starlark.Dict); isDict {
		return nil, c.wrong(i, "got a dict, want a list of results; write .values() for the values of a dict")
	}
	said, err := c.itemsArg(i)
	if err != nil {
		return nil, err
	}
	if err := charge(c.Thread, len(said)*answerBytes); err != nil {
		return nil, err
	}
	p := &panel{answers: make([]answer, 0, len(said))}
	for k, v := range said {
		if err := p.add(v); err != nil {
			return nil, c.wrong(i, "element %d: %w", k, err)
		}
	}
	return p, nil
}

// answerBytes is about what an answer takes while it is counted.
const answerBytes = 96

func outcomesPanel(c *Call, o *Outcomes) (*panel, error) {
	if err := charge(c.Thread, len(o.all)*answerBytes); err != nil {
		return nil, err
	}
	p := &panel{answers: make([]answer, 0, len(o.all))}
	for i := range o.all {
		if err := p.add(&o.all[i]); err != nil {
			return nil, fmt.Errorf("%s: outcome %d: %w", c.Decl.Name, i, err)
		}
	}
	return p, nil
}

// add counts one element of the results.
func (p *panel) add(v starlark.Value) error {
	switch v := v.(type) {
	case *outcome:
		return p.addOutcome(v)
	case *tried:
		if v.err != nil {
			p.abstain()
			return nil //nolint:nilerr // it is what somebody failed with, who abstains
		}
		return p.say(v.value, "")
	}
	return p.say(v, "")
}

func (p *panel) addOutcome(o *outcome) error {
	switch o.status {
	case cancelled:
		p.all++
		return nil
	case failed, pending:
		p.abstain()
		return nil
	case succeeded:
	}
	name := ""
	if a, ok := o.item.(*Agent); ok {
		name = a.name
	}
	return p.say(o.value, name)
}

func (p *panel) abstain() { p.all, p.asked = p.all+1, p.asked+1 }

// say takes an answer; agent is who gave it, unless it says so itself.
func (p *panel) say(v starlark.Value, agent string) error {
	p.abstain()
	if _, isHandle := v.(*Agent); isHandle {
		return fmt.Errorf("got an agent, which has not been asked yet; parallel(fn, agents) asks them")
	}
	a := answer{said: v, agent: agent}
	if r, ok := v.(*Result); ok {
		a.confidence = r.answer.Confidence
		if r.answer.Agent != "" {
			a.agent = r.answer.Agent
		}
		if c := a.confidence; c != nil && !(*c >= 0 && *c <= 1) {
			return fmt.Errorf("the confidence %v is not between 0 and 1", starlark.Float(*c))
		}
	}
	if a.value() != starlark.None {
		p.answers = append(p.answers, a)
	}
	return nil
}

// option is one thing that people voted for.
type option struct {
	value starlark.Value // as it was first said, or as by= returned it
	text  string         // for the distribution: a string as it is, anything else as JSON
}

// register numbers options in the order in which they are first met.
type register struct {
	options []option
	byKey   map[string]int
	byText  map[string]int // strings as they were said, so that most need no key
	texts   map[string]bool
	bySelf  map[starlark.Value]int // the very same list or dict, said again
	key     func(v starlark.Value) (string, error)
}

func newRegister(key func(v starlark.Value) (string, error)) *register {
	return &register{byKey: make(map[string]int), byText: make(map[string]int), texts: make(map[string]bool), bySelf: make(map[starlark.Value]int), key: key}
}

// number gives the number of an option, a new one if it is the first to be so.
func (r *register) number(v starlark.Value) (int, error) {
	text, isText := v.(starlark.String)
	if isText {
		if n, ok := r.byText[string(text)]; ok {
			return n, nil
		}
	}
	isOne := isReference(v)
	if isOne {
		if n, ok := r.bySelf[v]; ok {
			return n, nil
		}
	}
	k, err := r.key(v)
	if err != nil {
		return 0, err
	}
	n, ok := r.byKey[k]
	if isOne {
		defer func() { r.bySelf[v] = n }()
	}
	if !ok {
		n = len(r.options)
		r.byKey[k] = n
		o, err := r.option(v)
		if err != nil {
			return 0, err
		}
		r.options = append(r.options, o)
	}
	if isText {
		r.byText[string(text)] = n
	}
	return n, nil
}

// isReference says that a value is one thing that may be met again, and can be told from others without looking into it.
func isReference(v starlark.Value) bool {
	switch v.(type) {
	case *starlark.List, *starlark.Dict, *starlarkstruct.Struct:
		return true
	}
	return false
}

// option names a new option so that no other has the same text.
func (r *register) option(v starlark.Value) (option, error) {
	p, err := runtime.Encode(v)
	if err != nil {
		return option{}, err
	}
	o := option{value: v, text: string(p)}
	if s, ok := v.(starlark.String); ok && !r.texts[string(s)] {
		o.text = string(s)
	}
	for r.texts[o.text] {
		o.text = strconv.Quote(o.text) // an option that is no string, beside a string that reads like it
	}
	r.texts[o.text] = true
	return o, nil
}

// weightsArg gives each answer its weight by parameter i: a function of what was said, or numbers by the agent's name. It is nil when
// the parameter was not given.
func (c *Call) weightsArg(i int, p *panel) ([]float64, error) {
	if !c.given(i) {
		return nil, nil
	}
	weights := make([]float64, len(p.answers))
	for k := range p.answers {
		v, err := c.weightOf(i, &p.answers[k])
		if err != nil {
			return nil, err
		}
		f, ok := starlark.AsFloat(v)
		if !ok {
			return nil, c.wrong(i, "answer %d has the weight %s, want a number", k, shown(v))
		}
		if math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
			return nil, c.wrong(i, "answer %d has the weight %s, want a finite number of at least 0", k, shown(v))
		}
		weights[k] = f
	}
	return weights, nil
}

func (c *Call) weightOf(i int, a *answer) (starlark.Value, error) {
	switch w := c.Args[i].(type) {
	case starlark.Callable:
		return starlark.Call(c.Thread, w, starlark.Tuple{a.said}, nil)
	case *starlark.Dict:
		if a.agent == "" {
			return nil, c.wrong(i, "an answer does not say which agent gave it; pass Results, or a function instead of a dict")
		}
		v, found, err := w.Get(starlark.String(a.agent))
		if err == nil && !found {
			err = c.wrong(i, "there is no weight for the agent %q", brief(a.agent))
		}
		return v, err
	}
	return nil, c.wrong(i, "got %s, want a function of a result, or a dict of numbers by agent", runtime.A(c.Args[i].Type()))
}

// confidences are the answers' own, as weights.
func (c *Call) confidences(p *panel) ([]float64, error) {
	all := make([]float64, len(p.answers))
	for i := range p.answers {
		if p.answers[i].confidence == nil {
			return nil, fmt.Errorf("%s: answer %d states no confidence to weigh it by; give weight=", c.Decl.Name, i)
		}
		all[i] = *p.answers[i].confidence
	}
	return all, nil
}
