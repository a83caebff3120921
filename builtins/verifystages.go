package builtins

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// verification is one call of verify.
type verification struct {
	*Call
	branch *runtime.Branch

	name     string
	oracles  []oracle
	policy   thresholds
	retry    *mender // nil when nobody may retry
	escalate []mender

	stages   []stage
	best     candidate // the value that stands
	approver string    // the person who accepted it, or ""
	decided  bool      // a person accepted it
}

// candidate is a value with what the oracles say of it.
type candidate struct {
	value starlark.Value
	by    string // whose value it is
	found findings
}

// findings are what the oracles say of one value.
type findings struct {
	evidence []evidence
	absent   bool    // there is no value to check
	known    bool    // at least one has a score
	score    float64 // the least
	whole    bool    // all that were asked have one
}

// passes says whether a value may be accepted without a person.
func (f *findings) passes(t thresholds) bool { return f.whole && t.band(f.score) >= warned }

// better says whether f beats g: whole evidence comes before less, then the score counts, then what each oracle says in turn.
func (f *findings) better(g *findings) bool {
	if f.whole != g.whole {
		return f.whole
	}
	if f.known != g.known {
		return f.known
	}
	if f.score != g.score {
		return f.score > g.score
	}
	for i := range min(len(f.evidence), len(g.evidence)) {
		if a, b := f.evidence[i].score, g.evidence[i].score; a != b {
			return a > b
		}
	}
	return false
}

// reasons are the doubts of all oracles, each under the name of its oracle.
func (f *findings) reasons() []string {
	if f.absent {
		return []string{noValue}
	}
	var all []string
	for _, e := range f.evidence {
		if e.skipped || e.known && e.score == 1 {
			continue
		}
		for _, r := range e.reasons {
			all = append(all, e.oracle+": "+r)
		}
	}
	return all
}

// noValue is why None does not pass.
const noValue = "there is no value"

// stage is one step of a verification.
type stage struct {
	name     string // "given", "retry", "escalate 1"
	by       string
	result   string   // what came of it, one of those below
	reasons  []string // of a step that gave no value
	key      string   // one for values that are equal, "" when the value has none
	findings findings
}

// Results of stages.
const (
	stageAccepted   = "accepted"
	stageDoubtful   = "doubtful"
	stageRefuted    = "refuted"
	stageNoEvidence = "no_evidence"
	stageFailed     = "failed"   // no value came of it
	stageRejected   = "rejected" // by a person
)

// run goes through the stages, and stops at the first that settles the matter.
func (v *verification) run(given starlark.Value) error {
	const own = "given"
	if err := v.consider(own, own, given); err != nil {
		return err
	}
	if v.retry != nil && v.retriable() {
		if err := v.turnTo("retry", "retry", *v.retry, v.reasonList()); err != nil {
			return err
		}
	}
	for i, m := range v.escalate {
		if v.settled() {
			return nil
		}
		if err := v.turnTo(fmt.Sprintf("escalate %d", i+1), m.name, m, v.verdict()); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) settled() bool { return v.decided || v.best.found.passes(v.policy) }

// empty says that there is no value yet.
func (v *verification) empty() bool { return v.best.value == nil || v.best.value == starlark.None }

// retriable says whether the value is in the band that is mended once.
func (v *verification) retriable() bool {
	return v.best.found.whole && v.policy.band(v.best.found.score) == doubtful
}

// consider has a value checked, frozen before, so that what passes is what was checked; it stands if it is better than the one before.
func (v *verification) consider(name, by string, value starlark.Value) error {
	if err := v.branch.Freeze(v.Thread, "verify", value); err != nil {
		return err
	}
	key, err := v.identity(value)
	if err != nil {
		return err
	}
	f, seen := v.seen(key)
	if !seen {
		if f, err = v.check(value); err != nil {
			return err
		}
	}
	v.stages = append(v.stages, stage{name: name, by: by, key: key, result: v.resultOf(&f), findings: f})
	if v.empty() || f.better(&v.best.found) {
		v.best = candidate{value, by, f}
	}
	return nil
}

// identity is one text for equal values of a type, "" for what has no JSON form, or when nobody can give another value.
func (v *verification) identity(value starlark.Value) (string, error) {
	if v.retry == nil && len(v.escalate) == 0 {
		return "", nil
	}
	key, err := exactKey(value)
	if err != nil {
		return "", nil //nolint:nilerr // it is checked each time
	}
	return value.Type() + " " + key, charge(v.Thread, 2*len(key))
}

// seen are the findings of an equal value. It is not checked again: an oracle that does not always say the same would get another draw
// from each who gives the value back.
func (v *verification) seen(key string) (findings, bool) {
	for i := range v.stages {
		if s := &v.stages[i]; key != "" && s.key == key {
			return s.findings, true
		}
	}
	return findings{}, false
}

func (v *verification) resultOf(f *findings) string {
	if !f.whole {
		return stageNoEvidence
	}
	switch v.policy.band(f.score) {
	case accepted, warned:
		return stageAccepted
	case doubtful:
		return stageDoubtful
	case refuted:
	}
	return stageRefuted
}

// check asks the oracles, until what follows no longer depends on those that are left.
func (v *verification) check(value starlark.Value) (findings, error) {
	f := findings{score: 1, whole: value != starlark.None, absent: value == starlark.None}
	for _, o := range v.oracles {
		if !f.whole || v.policy.band(f.score) == refuted {
			f.evidence = append(f.evidence, evidence{oracle: o.name, skipped: true})
			continue
		}
		said, err := v.caught(o.ask(v, value))
		if err != nil {
			return f, err
		}
		e := said.evidence(o.name)
		if err := charge(v.Thread, e.bytes()); err != nil {
			return f, err
		}
		f.evidence = append(f.evidence, e)
		f.whole = e.known
		if e.known {
			f.known, f.score = true, min(f.score, e.score)
		}
	}
	if !f.known {
		f.score = 0
	}
	return f, nil
}

// mender is somebody who may help: an agent, or a function.
type mender struct {
	name  string
	agent *Agent
	fn    starlark.Callable // unless it is an agent
}

func menderOf(v starlark.Value) (mender, bool) {
	switch v := v.(type) {
	case *Agent:
		return mender{name: v.name, agent: v}, true
	case starlark.Callable:
		return mender{name: knownAs(v), fn: v}, true
	}
	return mender{}, false
}

// mendTask is what an agent is asked to do with a value that did not pass.
const mendTask = `Mend the value: it did not pass its checks, for the given reasons. Answer with the whole mended value and nothing else.`

// turnTo asks somebody for a better value, or a decision. known is what a function learns beside the value.
func (v *verification) turnTo(name, by string, m mender, known starlark.Value) error {
	answer, err := v.help(m, known)
	if err != nil {
		e := runtime.Caught(v.Thread, err)
		if e == nil {
			return err
		}
		v.note(name, m.name, stageFailed, trimmedReason(failure{e}.String()))
		return nil
	}
	if d, ok := answer.(*decision); ok {
		v.decide(name, m, d)
		return nil
	}
	value, trouble := held(answer)
	switch value {
	case nil:
	case starlark.None:
		trouble = "it gave no value"
	default:
		return v.consider(name, by, value)
	}
	v.note(name, m.name, stageFailed, trimmedReason(trouble))
	return nil
}

func (v *verification) help(m mender, known starlark.Value) (starlark.Value, error) {
	if m.agent == nil {
		return callWith(v.Thread, m.fn, v.best.value, known)
	}
	returns, err := v.mendedType()
	if err != nil {
		return nil, err
	}
	return v.askAgent(m.agent, mendTask, returns,
		starlark.Tuple{starlark.String("reasons"), v.reasonList()},
		starlark.Tuple{starlark.String("value"), v.best.value},
	)
}

// mendedType is the type that a mended value is asked to have, or nil: that of the value when it is a record, else that of the first
// oracle with a type, as a schema, so that the mended value is plain data like the one before.
func (v *verification) mendedType() (starlark.Value, error) {
	if r, ok := v.best.value.(*record); ok {
		return r.typ, nil
	}
	for _, o := range v.oracles {
		if o.types == nil {
			continue
		}
		p, err := schemaOf(o.types)
		if err != nil {
			return nil, fmt.Errorf("verify: the type of oracle %s: %w", o.name, err)
		}
		return runtime.Decode(p)
	}
	return nil, nil
}

// decide notes what a person decided.
func (v *verification) decide(name string, m mender, d *decision) {
	said := choice(d)
	e := said.evidence(m.name)
	f := findings{evidence: []evidence{e}, known: e.known, whole: e.known, score: e.score}
	s := stage{name: name, by: m.name, result: stageNoEvidence, findings: f}
	if d.by != "" {
		s.by = d.by
	}
	switch {
	case v.empty():
		s.result, s.reasons = stageFailed, []string{noValue}
	case said.sense == scored && said.score == 1:
		s.result = stageAccepted
		v.decided, v.approver = true, s.by
	case said.sense == scored:
		s.result = stageRejected
	}
	v.stages = append(v.stages, s)
}

// note records a stage that gave no value.
func (v *verification) note(name, by, result, reason string) {
	v.stages = append(v.stages, stage{name: name, by: by, result: result, reasons: []string{reason}})
}

// reasonList is why the value that stands is doubted, as a list that the script may change.
func (v *verification) reasonList() *starlark.List { return textList(v.best.found.reasons()) }

// verdict is how things stand.
func (v *verification) verdict() *Verdict {
	verdict := &Verdict{candidate: v.best, approved: v.decided, passed: v.settled(), stages: slices.Clip(v.stages)}
	if v.decided {
		verdict.by = v.approver
	}
	verdict.warning = verdict.passed && !v.decided && v.policy.band(v.best.found.score) == warned
	return verdict
}
