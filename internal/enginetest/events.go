package enginetest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// effect is all that is recorded of an effect or a fork.
type effect struct {
	at        runtime.Address
	kind      string // of the effect, or the builtin that forks
	request   runtime.Payload
	branches  int // of a fork
	done      *runtime.Fact
	delivered []*runtime.Fact
	stopped   *runtime.Fact
}

// effectsOf brings together what is recorded of each address.
func effectsOf(facts []runtime.Fact) map[runtime.Address]*effect {
	all := make(map[runtime.Address]*effect)
	for i := range facts {
		f := &facts[i]
		if f.Kind == runtime.Counted {
			continue
		}
		e := all[f.Addr]
		if e == nil {
			e = &effect{at: f.Addr}
			all[f.Addr] = e
		}
		if len(f.Request) > 0 {
			e.request = f.Request
		}
		switch f.Kind {
		case runtime.Begun:
		case runtime.Done:
			e.done = f
		case runtime.Delivered:
			e.delivered = append(e.delivered, f)
		case runtime.Stopped:
			e.stopped = f
		case runtime.Counted: // it is no effect
		}
	}
	for _, e := range all {
		var of struct{ Effect string }
		_ = json.Unmarshal(e.request, &of)
		e.kind, e.branches = of.Effect, runtime.BranchesOf(e.request)
	}
	return all
}

// only gives the facts of addresses of which one fact may say that they are effects of a kind: reading them all takes its time where they are long.
func only(kind string, facts []runtime.Fact) (some []runtime.Fact) {
	where := make(map[runtime.Address]bool)
	for i := range facts {
		if bytes.Contains(facts[i].Request, []byte(`"effect":"`+kind+`"`)) {
			where[facts[i].Addr] = true
		}
	}
	for i := range facts {
		if where[facts[i].Addr] {
			some = append(some, facts[i])
		}
	}
	return some
}

// Events tells what happened in a run and in its child runs, a line for each effect and fork, by address. It is the same on every engine:
//   - it says nothing of when, of what was asked how often after the host had died, and in which order a fork delivered;
//   - branches that a fork cancelled are said to be cancelled, whether they had begun or not, and however far they came. So are those that succeeded
//     in time in a fork of which another branch failed: how many of them the script had seen by then is chance.
func Events(run string, facts map[string][]runtime.Fact) string {
	t := teller{facts: facts}
	t.run(run, "")
	return t.b.String()
}

type teller struct {
	facts map[string][]runtime.Fact
	b     strings.Builder
}

// line is one line, at an address; that of a branch itself is 0 in it.
type line struct {
	at   runtime.Address
	text string
}

func (t *teller) run(id, child string) {
	effects := effectsOf(t.facts[id])
	lost := lostBranches(effects)
	var lines []line
	var children []runtime.Address
	for at, e := range effects {
		if lost.above(at.Path) {
			continue
		}
		lines = append(lines, line{at, e.String()})
		lines = append(lines, e.ends(lost)...)
		if e.kind == "run" && at.N > 0 {
			children = append(children, at)
		}
	}
	lines = append(lines, counts(t.facts[id], lost)...)
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	for _, l := range lines {
		where := l.at.String()
		switch {
		case l.at.N == 0 && l.at.Path == "":
			where = "run"
		case l.at.N == 0:
			where = string(l.at.Path)
		}
		fmt.Fprintf(&t.b, "%-10s %s\n", child+where, l.text)
	}
	slices.SortFunc(children, runtime.Address.Compare)
	for _, at := range children {
		t.run(id+"/"+at.String(), child+at.String()+": ")
	}
}

// counts tells what was found when votes were counted.
func counts(facts []runtime.Fact, lost losers) (lines []line) {
	var counted []*runtime.Fact
	for i := range facts {
		if f := &facts[i]; f.Kind == runtime.Counted && !lost.above(f.Addr.Path) {
			counted = append(counted, f)
		}
	}
	slices.SortFunc(counted, func(a, b *runtime.Fact) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, f := range counted {
		var of struct{ Effect string }
		_ = json.Unmarshal(f.Request, &of)
		lines = append(lines, line{f.Addr, of.Effect + " counted " + brief(f.Outcome)})
	}
	return lines
}

// losers are the branches that forks cancelled.
type losers map[runtime.Path]bool

// lostBranches are those of forks that were stopped which do not count.
func lostBranches(effects map[runtime.Address]*effect) losers {
	lost := make(losers)
	for at, e := range effects {
		if e.stopped == nil {
			continue
		}
		for i := range e.branches {
			lost[at.Path.Child(at.N, i)] = true
		}
		for _, f := range e.delivered {
			delete(lost, at.Path.Child(at.N, f.Index))
		}
		if !e.stopped.Late {
			continue
		}
		for pair := range slices.Chunk(e.stopped.Kept, 2) {
			for i := pair[0]; i <= pair[1]; i++ {
				delete(lost, at.Path.Child(at.N, i))
			}
		}
	}
	return lost
}

// above says whether the branch, or one above it, was lost.
func (l losers) above(p runtime.Path) bool {
	for p != "" {
		if l[p] {
			return true
		}
		for range 2 {
			p = p[:max(strings.LastIndexByte(string(p), '.'), 0)]
		}
	}
	return false
}

// ends tells of the branches of a fork that failed or were cancelled.
func (e *effect) ends(lost losers) (lines []line) {
	for i := range e.branches {
		path := e.at.Path.Child(e.at.N, i)
		if lost[path] {
			lines = append(lines, line{runtime.Address{Path: path}, "cancelled"})
		}
	}
	for _, f := range e.delivered {
		if f.Err != nil {
			lines = append(lines, line{runtime.Address{Path: e.at.Path.Child(e.at.N, f.Index)}, failure(f.Err)})
		}
	}
	return lines
}

func (e *effect) String() string {
	if e.branches > 0 || e.at.N > 0 && e.forks() {
		s := fmt.Sprintf("%s of %d", e.kind, e.branches)
		if e.stopped != nil {
			s += ", stopped"
			if e.stopped.Late {
				s += " when the time was up"
			}
		}
		return s
	}
	s := e.kind + " " + brief(e.asked())
	switch {
	case e.at.N == 0:
	case e.done == nil:
		s += " -> nothing"
	case e.done.Err != nil:
		s += " -> " + e.failure() + e.attempts()
	case e.kind == "agent":
		s += " -> " + brief(answerOf(e.done.Outcome)) + e.attempts()
	case e.kind == "budget" && strings.Contains(e.request.String(), `"time"`):
		s += " -> some"
	case string(e.done.Outcome) != "null":
		s += " -> " + brief(e.done.Outcome)
	}
	return s
}

// forks says whether a fork has no branches.
func (e *effect) forks() bool {
	return slices.Contains([]string{"parallel", "pipeline", "gather", "race", "within"}, e.kind)
}

// asked is the request without what kind it is.
func (e *effect) asked() runtime.Payload {
	if len(e.request) > longest {
		return e.request
	}
	var fields map[string]runtime.Payload
	if json.Unmarshal(e.request, &fields) != nil {
		return e.request
	}
	delete(fields, "effect")
	raw, err := json.Marshal(fields)
	if err != nil {
		return e.request
	}
	p, err := runtime.Canonical(raw)
	if err != nil {
		return e.request
	}
	return p
}

// answerOf is an answer without how often it was asked for.
func answerOf(p runtime.Payload) runtime.Payload {
	a, err := runtime.ParseAnswer(p)
	if err != nil {
		return p
	}
	a.Attempts = 0
	return a.Payload()
}

var attempts = regexp.MustCompile(` \(\d+ attempts(, \d+ tokens)?(, \$\d+e-6)?\)$`)

// attempts says how often was asked, and what that took, where it was more than once.
func (e *effect) attempts() string {
	f := e.done
	if f.Attempt < 2 {
		return ""
	}
	s := fmt.Sprintf(" (%d attempts", f.Attempt)
	if n := f.Usage.InputTokens + f.Usage.OutputTokens; n > 0 {
		s += fmt.Sprintf(", %d tokens", n)
	}
	if f.Usage.CostMicroUSD > 0 {
		s += fmt.Sprintf(", $%de-6", f.Usage.CostMicroUSD)
	}
	return s + ")"
}

// withoutAttempts leaves out of events how often was asked.
func withoutAttempts(events string) string {
	lines := strings.Split(events, "\n")
	for i, l := range lines {
		lines[i] = attempts.ReplaceAllString(l, "")
	}
	return strings.Join(lines, "\n")
}

// failure is what an effect ended in. Where a pattern was looked for is the engine's own.
func (e *effect) failure() string {
	if (e.kind == "run" || e.kind == "") && e.done.Err.Code == runtime.NotFound {
		return string(runtime.NotFound)
	}
	return failure(e.done.Err)
}

func failure(e *runtime.Error) string {
	s := string(e.Code) + ": " + e.Message
	if len(e.Details) > 0 {
		s += " " + brief(e.Details)
	}
	return strings.ReplaceAll(s, "\n", `\n`)
}

// longest is how many bytes of a payload are shown.
const longest = 600

// brief is a payload, or what it is known by when it is long.
func brief(p runtime.Payload) string {
	if len(p) <= longest {
		return cmp.Or(p.String(), "nothing")
	}
	return fmt.Sprintf("%d bytes, sha256 %s", len(p), p.Digest())
}
