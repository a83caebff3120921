package builtins

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/runtime"
)

// sense is how much an answer says of a score.
type sense uint8

// Senses of answers.
const (
	silent   sense = iota // it says nothing of one
	unusable              // it says something that cannot be taken for one
	scored
)

// reading is what an answer was understood to say.
type reading struct {
	sense   sense
	score   float64  // in [0, 1] when scored, else 0
	why     string   // what was read, or why nothing was
	reasons []string // that the answer gives
	tails   []string // ends of what it printed, for want of reasons
}

func scoreOf(score float64, why string) reading {
	return reading{sense: scored, score: score, why: why}
}

func notUsable(format string, args ...any) reading {
	return reading{sense: unusable, why: fmt.Sprintf(format, args...)}
}

// least is both readings of one answer: the lesser score counts. What cannot be used spoils the other, unless that is 0 already.
func (r reading) least(s reading) reading {
	low := r
	switch {
	case r.isZero():
	case s.isZero() || s.sense == unusable:
		low = s
	case r.sense == silent && s.sense == scored:
		low = s
	case s.sense == scored && r.sense == scored && s.score < r.score:
		low = s
	}
	low.reasons = slices.Concat(r.reasons, s.reasons)
	low.tails = slices.Concat(r.tails, s.tails)
	return low
}

func (r reading) isZero() bool { return r.sense == scored && r.score == 0 }

// reader reads one answer of an oracle. Its errors are limits of the run, never the answer's fault.
type reader struct {
	thread *starlark.Thread // charged for what is decoded; nil charges nothing
	depth  int
}

// maxHeld bounds answers that hold answers.
const maxHeld = 8

func (r *reader) read(v starlark.Value) (reading, error) {
	if r.depth++; r.depth > maxHeld {
		return notUsable("an answer within more than %d answers", maxHeld), nil
	}
	switch v := v.(type) {
	case starlark.Bool:
		return yesOrNo(bool(v)), nil
	case starlark.Int, starlark.Float:
		return shareIn("the answer", v), nil
	case starlark.String:
		return r.text(string(v))
	case *decision:
		return choice(v), nil
	case *Verdict:
		return v.reading(), nil
	case *Result:
		return r.result(v)
	case *outcome, *tried:
		inner, trouble := held(v)
		if inner == nil {
			return notUsable("%s", trouble), nil
		}
		return r.read(inner)
	case *starlark.Dict:
		return r.fields(lookup(v))
	case *starlarkstruct.Struct, *record:
		return r.fields(attributes(v.(starlark.HasAttrs)))
	}
	return reading{why: "the answer is " + describe(v) + ", which says nothing of a score"}, nil
}

// attributes gives the fields of a struct or record by name, nil for those that it lacks.
func attributes(v starlark.HasAttrs) func(string) starlark.Value {
	return func(name string) starlark.Value {
		f, err := v.Attr(name)
		if err != nil {
			return nil
		}
		return f
	}
}

func yesOrNo(yes bool) reading {
	if yes {
		return scoreOf(1, "it says yes")
	}
	return scoreOf(0, "it says no")
}

func shareIn(what string, v starlark.Value) reading {
	f, ok := starlark.AsFloat(v)
	if !ok || !isShare(f) {
		return notUsable("%s is %s, want a number from 0 to 1", what, describe(v))
	}
	return scoreOf(math.Abs(f), "its score is "+starlark.Float(f).String()) // -0.0 is 0
}

// choice reads what a person decided.
func choice(d *decision) reading {
	who := d.by
	if who == "" {
		who = "nobody"
	}
	r := reading{why: fmt.Sprintf("%s chose %q", who, brief(d.choice))}
	switch d.choice {
	case approved, "accept", "yes":
		r.sense, r.score = scored, 1
	case rejected, "no":
		r.sense, r.score = scored, 0
	default:
		r.why += ", which says neither yes nor no"
	}
	if d.comment != "" {
		r.reasons = []string{trimmedReason(d.comment)}
	}
	return r
}

// verifierBasis is the basis of a confidence that comes from a check of the world.
const verifierBasis = "verifier"

// exitCode is the field in which a command's exit code stands.
const exitCode = "exit_code"

// result reads what an agent answered. A verifier's confidence is evidence of its own; what others say of themselves is not.
func (r *reader) result(v *Result) (reading, error) {
	said, err := r.read(v.value)
	if err != nil {
		return said, err
	}
	if a := &v.answer; a.Basis == verifierBasis {
		if said = ofCommand(v.value, said); a.Confidence != nil {
			said = said.least(sureness(said, *a.Confidence))
		}
	}
	if v.answer.Reasoning != "" && len(said.reasons) == 0 {
		said.tails = append([]string{trimmedReason(v.answer.Reasoning)}, said.tails...)
	}
	return said, nil
}

// ofCommand is what a verifier says by its answer, read as said. Words and bare numbers are what it printed, and no score; its exit code
// alone is one, which its confidence tells.
func ofCommand(answer starlark.Value, said reading) reading {
	switch answer.(type) {
	case starlark.Int, starlark.Float:
		said.why = "a command printed " + describe(answer) + ", which is no score; want an object with score"
	default:
		if said.sense == scored || said.sense == silent && hasExitCode(answer) {
			return said
		}
	}
	said.sense, said.score = unusable, 0
	return said
}

func hasExitCode(answer starlark.Value) bool {
	_, ok := fieldNamed(answer, exitCode).(starlark.Int)
	return ok
}

// sureness is a verifier's confidence in what it said.
func sureness(said reading, confidence float64) reading {
	sure := shareIn("the confidence", starlark.Float(confidence))
	if sure.sense == scored {
		sure.why = "its confidence is " + starlark.Float(confidence).String()
	}
	if said.sense == scored {
		sure.why = said.why + ", and " + sure.why
	}
	return sure
}

// text reads a text that is a JSON object, with or without a fence around it.
func (r *reader) text(s string) (reading, error) {
	none := reading{why: "the answer is text that is no JSON object", tails: tail(s)}
	body := unfenced(s)
	if err := chargeDecoding(r.thread, body); err != nil {
		return none, err
	}
	v, err := runtime.Decode(runtime.Payload(body))
	if err != nil {
		return none, nil //nolint:nilerr // text is an answer, too, if one that says nothing of a score
	}
	if object, ok := v.(*starlark.Dict); ok {
		return r.fields(lookup(object))
	}
	return none, nil
}

// unfenced takes away a code fence around the whole of a text.
func unfenced(s string) string {
	s = strings.TrimSpace(s)
	inner, opened := strings.CutPrefix(s, "```")
	inner, closed := strings.CutSuffix(inner, "```")
	if !opened || !closed {
		return s
	}
	if word, rest, found := strings.Cut(inner, "\n"); found && !strings.ContainsAny(word, "{[\"") {
		inner = rest
	}
	return strings.TrimSpace(inner)
}

// chargeDecoding charges the value of a JSON text before it is made.
func chargeDecoding(t *starlark.Thread, text string) error {
	if t == nil {
		return nil
	}
	b, err := runtime.BranchOf(t)
	if err != nil {
		return nil //nolint:nilerr // no branch, no charge
	}
	return b.Charge(t, uint64(len(text))+decodedBytes(text))
}

// fields reads an object.
func (r *reader) fields(get func(string) starlark.Value) (reading, error) {
	said := reading{why: "the answer has no score, no passed or ok, and no counts passed and failed"}
	if v := present(get("score")); v != nil {
		said = said.least(shareIn("score", v))
	}
	said = said.least(answeredCounts(get)).least(flag("ok", present(get("ok"))))
	if said.sense != silent {
		said = said.least(exited(present(get(exitCode))))
	}
	for _, name := range []string{"reason", "reasons"} {
		reasons, err := r.reasons(present(get(name)))
		if err != nil {
			return said, err
		}
		said.reasons = append(said.reasons, reasons...)
	}
	for _, name := range []string{"error", "stderr", "stdout"} {
		if s, ok := present(get(name)).(starlark.String); ok {
			said.tails = append(said.tails, tail(string(s))...)
		}
	}
	return said, nil
}

// exited reads the exit code beside a score: one that is not 0 says no, whatever was counted.
func exited(v starlark.Value) reading {
	switch code := v.(type) {
	case nil:
		return reading{}
	case starlark.Int:
		if code.Sign() == 0 {
			return reading{}
		}
		return scoreOf(0, "its exit code is "+describe(code))
	}
	return notUsable("exit_code is %s, want an int", describe(v))
}

// present gives nil for None: a field that says nothing is as good as absent.
func present(v starlark.Value) starlark.Value {
	if v == starlark.None {
		return nil
	}
	return v
}

// flag reads a yes or no; v is nil when there is none.
func flag(name string, v starlark.Value) reading {
	switch v := v.(type) {
	case nil:
		return reading{why: name + " is absent"}
	case starlark.Bool:
		return yesOrNo(bool(v))
	}
	return notUsable("%s is %s, want True or False", name, describe(v))
}

// Bounds on the reasons of one oracle.
const (
	maxReasons     = 20
	maxReasonBytes = 2 << 10
)

// reasons reads a string, or a list of what may be written as strings.
func (r *reader) reasons(v starlark.Value) ([]string, error) {
	switch list := v.(type) {
	case nil:
		return nil, nil
	case starlark.Indexable:
		if _, isText := v.(starlark.String); isText {
			break
		}
		var all []string
		for i := range min(list.Len(), maxReasons) {
			text, err := textOf(r.thread, list.Index(i))
			if err != nil {
				return nil, err
			}
			if text = trimmedReason(text); text != "" {
				all = append(all, text)
			}
		}
		return all, nil
	}
	text, err := textOf(r.thread, v)
	if text = trimmedReason(text); err != nil || text == "" {
		return nil, err
	}
	return []string{text}, nil
}

// trimmedReason is a text as a reason: short, and UTF-8.
func trimmedReason(s string) string {
	return strings.ToValidUTF8(clipped(strings.TrimSpace(s), maxReasonBytes), "\uFFFD")
}

// tail is the end of what was printed, where the trouble stands, or nothing.
func tail(s string) []string {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil
	}
	if len(s) > maxReasonBytes {
		at := len(s) - maxReasonBytes + 3
		for at < len(s) && !utf8.RuneStart(s[at]) {
			at++
		}
		s = "..." + s[at:]
	}
	return []string{strings.ToValidUTF8(s, "\uFFFD")}
}

// held is the value that an answer holds: of a Result, an outcome, an attempt or a verdict theirs, else the value itself. When there
// is none because something failed, it is nil, and trouble says what.
func held(v starlark.Value) (inner starlark.Value, trouble string) {
	for range maxHeld {
		if inner, trouble = answerIn(v); inner == nil {
			return nil, trouble
		}
		verdict, ok := inner.(*Verdict)
		if !ok {
			return inner, ""
		}
		v = verdict.value
	}
	return nil, tooManyHeld()
}

// answerIn is held, but a verdict is an answer of its own.
func answerIn(v starlark.Value) (inner starlark.Value, trouble string) {
	for range maxHeld {
		switch x := v.(type) {
		case *Result:
			v = x.value
		case *tried:
			if x.err != nil {
				return nil, failure{x.err}.String()
			}
			v = x.value
		case *outcome:
			if x.status == failed {
				return nil, failure{x.err}.String()
			}
			if x.status != succeeded {
				return nil, fmt.Sprintf("outcome %d was %s", x.index, x.status)
			}
			v = x.value
		default:
			return v, ""
		}
	}
	return nil, tooManyHeld()
}

func tooManyHeld() string { return fmt.Sprintf("a value within more than %d answers", maxHeld) }
