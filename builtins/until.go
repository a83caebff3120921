package builtins

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/internal/consensus"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/runtime/guard"
)

// watcher looks at results as they arrive and says when enough is known.
type watcher interface {
	// see takes the next success. Its error ends the fork.
	see(v starlark.Value) error
	// enough says whether the rest, so many branches that have not ended, can change nothing that matters.
	enough(left int) bool
}

// policy is a rule for until=, as data. It is immutable; each fork watches with a watcher of its own.
type policy struct {
	text  string // as a script would write it
	by    starlark.Callable
	watch func(t *starlark.Thread) watcher
}

func (p *policy) String() string        { return p.text }
func (p *policy) Type() string          { return "policy" }
func (p *policy) Truth() starlark.Bool  { return true }
func (p *policy) Hash() (uint32, error) { return 0, fmt.Errorf("a policy cannot be a key") }
func (p *policy) Freeze() {
	if p.by != nil {
		p.by.Freeze()
	}
}

// firstWatch waits for a number of successes.
type firstWatch struct{ need, seen int }

func (w *firstWatch) see(starlark.Value) error { w.seen++; return nil }
func (w *firstWatch) enough(int) bool          { return w.seen >= w.need }

// tallyWatch counts equal answers and stops by the two highest counts.
type tallyWatch struct {
	key   func(v starlark.Value) (string, error) // "" for an abstention
	stop  func(c counts) bool
	votes map[string]int
	front string // the key that leads
	counts
}

// counts is how far a vote is.
type counts struct {
	top, second int // votes for the leading answer, and for the next
	seen        int // votes so far
	left        int // branches that have not ended
}

func (w *tallyWatch) see(v starlark.Value) error {
	k, err := w.key(v)
	if err != nil || k == "" {
		return err
	}
	w.votes[k]++
	w.seen++
	switch n := w.votes[k]; {
	case k == w.front || w.top == 0:
		w.front, w.top = k, n
	case n > w.top:
		w.front, w.top, w.second = k, n, w.top
	default:
		w.second = max(w.second, n)
	}
	return nil
}

func (w *tallyWatch) enough(left int) bool {
	w.left = left
	return w.stop(w.counts)
}

// answered is what a branch answered, without what is known about it.
func answered(v starlark.Value) starlark.Value {
	if r, ok := v.(*Result); ok {
		return r.value
	}
	return v
}

// tallyPolicy makes a policy that counts equal answers; text is what the script wrote between the parentheses, but for by.
func tallyPolicy(c *Call, text string, stop func(c counts) bool) (starlark.Value, error) {
	var by starlark.Callable
	if i := c.param("by"); c.given(i) {
		fn, err := c.callableArg(i)
		if err != nil {
			return nil, err
		}
		by = fn
		text = strings.TrimPrefix(text+", by="+by.Name(), ", ")
	}
	return &policy{text: c.Decl.Name + "(" + text + ")", by: by, watch: func(t *starlark.Thread) watcher {
		return &tallyWatch{key: keyBy(t, by), stop: stop, votes: make(map[string]int)}
	}}, nil
}

// charged makes a key function that charges for what it compares.
func charged(t *starlark.Thread, key func(v starlark.Value) (string, error)) func(v starlark.Value) (string, error) {
	owed := 0
	return func(v starlark.Value) (string, error) {
		n, err := guard.Measure(v)
		if err != nil {
			return "", err
		}
		for owed += int(n); owed >= longWork; owed -= min(owed, runtime.MaxValueBytes) {
			if err := charge(t, min(owed, runtime.MaxValueBytes)); err != nil {
				return "", err
			}
		}
		return key(v)
	}
}

// keyBy says when two answers are equal: when what by returns of them is, or by default when they are alike as answers. None abstains,
// as in vote; its key is "".
func keyBy(t *starlark.Thread, by starlark.Callable) func(v starlark.Value) (string, error) {
	exact, alike := charged(t, exactKey), charged(t, answerKey)
	return func(v starlark.Value) (string, error) {
		key := exact
		if by == nil {
			v, key = answered(v), alike
		} else {
			k, err := starlark.Call(t, by, starlark.Tuple{v}, nil)
			if err != nil {
				return "", err
			}
			v = k
		}
		if v == starlark.None {
			return "", nil
		}
		return key(v)
	}
}

func firstDecl() *Decl {
	return &Decl{
		Name:   "first",
		Params: []Param{{Name: "n", Type: "int"}},
		Result: "Policy",
		Doc: `A policy for until=: enough is known when any n branches have succeeded.

The branches that come first stay, those still at work are cancelled. When fewer than n succeed, all of them have been waited for.

    def main(question):
        done = parallel(ask_one, agents("chat"), question=question, until=first(2))
        return [r.value for r in done]
`,
		Impl: func(c *Call) (starlark.Value, error) {
			n, err := c.intArg(0, 1, 1)
			if err != nil {
				return nil, err
			}
			return &policy{
				text:  fmt.Sprintf("first(%d)", n),
				watch: func(*starlark.Thread) watcher { return &firstWatch{need: n} },
			}, nil
		},
	}
}

func quorumDecl() *Decl {
	return &Decl{
		Name: "quorum",
		Params: []Param{
			{Name: "n", Type: "int"},
			{Name: "by", Type: "function", Default: "None"},
		},
		Result: "Policy",
		Doc: `A policy for until=: enough is known when n answers are equal.

By default answers are compared as people would: upper and lower case and space around strings do not matter, numbers count by their value, and of
a Result its value counts. With by, answers are equal when by(answer) is exactly equal. Failed branches count for nothing. When no n
answers are equal, all branches have been waited for.

    def main(claim):
        votes = parallel(judge, agents("fact-check"), claim=claim, until=quorum(3, by=lambda r: r.value.answer))
        return len(votes.ok)
`,
		Impl: func(c *Call) (starlark.Value, error) {
			n, err := c.intArg(0, 1, 1)
			if err != nil {
				return nil, err
			}
			return tallyPolicy(c, strconv.Itoa(n), func(v counts) bool { return v.top >= n })
		},
	}
}

func majorityLockedDecl() *Decl {
	return &Decl{
		Name:   "majority_locked",
		Params: []Param{{Name: "by", Type: "function", Default: "None"}},
		Result: "Policy",
		Doc: `A policy for until=: enough is known when the leading answer cannot be caught up with any more.

That is when its lead over the next answer is larger than the number of branches that have not ended. Answers are compared as quorum does by
default; a failed branch has ended and voted for nothing. The winner is then the same as if all had been waited for.

    def main(question):
        votes = parallel(ask_one, agents("chat", count=9), question=question, until=majority_locked())
        return votes.values
`,
		Impl: func(c *Call) (starlark.Value, error) {
			return tallyPolicy(c, "", func(v counts) bool { return v.top-v.second > v.left })
		},
	}
}

func adaptiveDecl() *Decl {
	return &Decl{
		Name: "adaptive",
		Params: []Param{
			{Name: "confidence", Type: "float", Default: "0.95"},
			{Name: "by", Type: "function", Default: "None"},
		},
		Result: "Policy",
		Doc: `A policy for until=: enough is known when the leading answer is probably the majority's, with more than the given confidence.

With v1 votes for the leading answer and v2 for the next, the probability that the first has more than half of all possible votes for the two is that
of a Beta(v1 + 1, v2 + 1) variable to be above 1/2. At 0.95, three equal answers go on (0.9375), four stop (0.9688), six against one stop
(0.9648). It assumes that the answers are independent, which models of one family are not, and it looks again at each answer, so that it also stops where two
answers are equally likely: within 20 samples of a fair coin in about a third of all runs. It is a rule for saving calls, not a measure
of truth. Answers are compared as quorum does by default.

    def main(question):
        samples = parallel(ask_again, range(20), question=question, limit=4, until=adaptive(0.95))
        return samples.values
`,
		Impl: func(c *Call) (starlark.Value, error) {
			confidence, err := c.floatArg(0, 0.95)
			if err != nil {
				return nil, err
			}
			if math.IsNaN(confidence) || confidence < 0.5 || confidence >= 1 {
				return nil, c.wrong(0, "%v is not at least 0.5 and less than 1", starlark.Float(confidence))
			}
			return tallyPolicy(c, starlark.Float(confidence).String(), func(v counts) bool {
				return consensus.LeadsBeyond(v.top, v.second, confidence)
			})
		},
	}
}

func sprtDecl() *Decl {
	return &Decl{
		Name: "sprt",
		Params: []Param{
			{Name: "p0", Type: "float", Default: "0.5"},
			{Name: "p1", Type: "float", Default: "0.8"},
			{Name: "alpha", Type: "float", Default: "0.05"},
			{Name: "beta", Type: "float", Default: "0.05"},
			{Name: "by", Type: "function", Default: "None"},
		},
		Result: "Policy",
		Doc: `A policy for until=: enough is known when it is settled whether the answers agree, by Wald's sequential probability ratio test (1945).

Each answer either is the leading one or is not. The test stops when that speaks for a share of p1 rather than p0, or for p0 rather than p1: alpha is
how often a share of p0 may be taken for p1, beta how often one of p1 for p0. That holds for an option that was named beforehand; as the leading one is only
known afterwards, a fair coin is taken for p1 = 0.8 in about 8 of 100 runs rather than 5. So it also stops when there is no agreement to be had, which the other
policies do not. The answers are taken as independent, as in adaptive; they are compared as quorum does.

    def main(question):
        samples = parallel(ask_again, range(30), question=question, limit=4, until=sprt(p0=0.5, p1=0.8))
        return consensus(samples).winner
`,
		Impl: func(c *Call) (starlark.Value, error) {
			test := consensus.SPRT{}
			for i, of := range []struct {
				to  *float64
				def float64
			}{{&test.P0, 0.5}, {&test.P1, 0.8}, {&test.Alpha, 0.05}, {&test.Beta, 0.05}} {
				f, err := c.floatArg(i, of.def)
				if err != nil {
					return nil, err
				}
				*of.to = f
			}
			if err := test.Validate(); err != nil {
				return nil, fmt.Errorf("sprt: %w", err)
			}
			text := fmt.Sprintf("p0=%v, p1=%v, alpha=%v, beta=%v", test.P0, test.P1, test.Alpha, test.Beta)
			return tallyPolicy(c, text, func(v counts) bool {
				return v.seen > 0 && test.Decide(v.top, v.seen-v.top) != consensus.Continue
			})
		},
	}
}

// exactKey is one string for all values that are equal: their payload, integral floats written as integers.
func exactKey(v starlark.Value) (string, error) { return keyOf(v, func(s string) string { return s }) }

// answerKey is one string for all values that are alike as answers.
func answerKey(v starlark.Value) (string, error) {
	return keyOf(answered(v), folded)
}

func keyOf(v starlark.Value, text func(string) string) (string, error) {
	if s, ok := v.(starlark.String); ok && utf8.ValidString(string(s)) {
		return `"` + text(string(s)), nil
	}
	p, err := runtime.Encode(v)
	if err != nil {
		return "", fmt.Errorf("an answer that cannot be compared: %w", err)
	}
	plain, err := runtime.Decode(p)
	if err != nil {
		return "", err
	}
	if p, err = runtime.Encode(alike(plain, text)); err != nil {
		return "", err
	}
	return string(p), nil
}

// alike rewrites decoded data so that what counts as equal is equal. Keys of objects stay as they are.
func alike(v starlark.Value, text func(string) string) starlark.Value {
	switch v := v.(type) {
	case starlark.String:
		return starlark.String(text(string(v)))
	case starlark.Float:
		if n, err := starlark.NumberToInt(v); err == nil && float64(v) == math.Trunc(float64(v)) {
			return n
		}
		return v
	case *starlark.List:
		list := make([]starlark.Value, v.Len())
		for i := range list {
			list[i] = alike(v.Index(i), text)
		}
		return starlark.NewList(list)
	case *starlark.Dict:
		d := starlark.NewDict(v.Len())
		for _, kv := range v.Items() {
			setKey(d, string(kv[0].(starlark.String)), alike(kv[1], text))
		}
		return d
	}
	return v
}
