package builtins

import (
	"fmt"
	"math"
	"math/big"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
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
	key   func(v starlark.Value) (string, error)
	stop  func(top, second, left int) bool
	votes map[string]int
	order []string // keys by first appearance, so that nothing depends on the order of a map
}

func (w *tallyWatch) see(v starlark.Value) error {
	k, err := w.key(v)
	if err != nil {
		return err
	}
	if w.votes[k] == 0 {
		w.order = append(w.order, k)
	}
	w.votes[k]++
	return nil
}

func (w *tallyWatch) enough(left int) bool {
	top, second := 0, 0
	for _, k := range w.order {
		switch n := w.votes[k]; {
		case n > top:
			top, second = n, top
		case n > second:
			second = n
		}
	}
	return w.stop(top, second, left)
}

// tallyPolicy makes a policy that counts equal answers; by may be nil.
func tallyPolicy(text string, by starlark.Callable, stop func(top, second, left int) bool) *policy {
	return &policy{text: text, by: by, watch: func(t *starlark.Thread) watcher {
		return &tallyWatch{key: keyBy(t, by), stop: stop, votes: make(map[string]int)}
	}}
}

// keyBy says when two answers are equal: when what by returns of them is, or by default when they are alike as answers.
func keyBy(t *starlark.Thread, by starlark.Callable) func(v starlark.Value) (string, error) {
	if by == nil {
		return answerKey
	}
	return func(v starlark.Value) (string, error) {
		k, err := starlark.Call(t, by, starlark.Tuple{v}, nil)
		if err != nil {
			return "", err
		}
		return exactKey(k)
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
			var by starlark.Callable
			text := fmt.Sprintf("quorum(%d)", n)
			if c.given(1) {
				if by, err = c.callableArg(1); err != nil {
					return nil, err
				}
				text = fmt.Sprintf("quorum(%d, by=%s)", n, by.Name())
			}
			return tallyPolicy(text, by, func(top, _, _ int) bool { return top >= n }), nil
		},
	}
}

func majorityLockedDecl() *Decl {
	return &Decl{
		Name:   "majority_locked",
		Result: "Policy",
		Doc: `A policy for until=: enough is known when the leading answer cannot be caught up with any more.

That is when its lead over the next answer is larger than the number of branches that have not ended. Answers are compared as quorum does by
default; a failed branch has ended and voted for nothing. The winner is then the same as if all had been waited for.

    def main(question):
        votes = parallel(ask_one, agents("chat", count=9), question=question, until=majority_locked())
        return votes.values
`,
		Impl: func(*Call) (starlark.Value, error) {
			return tallyPolicy("majority_locked()", nil, func(top, second, left int) bool {
				return top-second > left
			}), nil
		},
	}
}

func adaptiveDecl() *Decl {
	return &Decl{
		Name:   "adaptive",
		Params: []Param{{Name: "confidence", Type: "float", Default: "0.95"}},
		Result: "Policy",
		Doc: `A policy for until=: enough is known when the leading answer is probably the majority's, with more than the given confidence.

With v1 votes for the leading answer and v2 for the next, the probability that the first has more than half of all possible votes for the two is that
of a Beta(v1 + 1, v2 + 1) variable to be above 1/2. At 0.95, three equal answers go on (0.9375), four stop (0.9688), six against one stop
(0.9648). It assumes that the answers are independent, which models of one family are not: it is a rule for saving calls, not a measure
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
			text := fmt.Sprintf("adaptive(%v)", starlark.Float(confidence))
			return tallyPolicy(text, nil, func(top, second, _ int) bool {
				return leadsBeyond(top, second, confidence)
			}), nil
		},
	}
}

// leadsBeyond says whether a Beta(v1+1, v2+1) variable is above 1/2 with a probability of more than c. It is exact: the
// probability is sum over j <= v1 of binomial(v1+v2+1, j), divided by 2^(v1+v2+1).
func leadsBeyond(v1, v2 int, c float64) bool {
	n := int64(v1 + v2 + 1)
	sum, term := new(big.Int), big.NewInt(1)
	for j := int64(0); j <= int64(v1); j++ {
		sum.Add(sum, term)
		term.Mul(term, big.NewInt(n-j))
		term.Quo(term, big.NewInt(j+1))
	}
	bound := new(big.Rat).SetFloat64(c)
	left := new(big.Int).Mul(sum, bound.Denom())
	right := new(big.Int).Lsh(bound.Num(), uint(n))
	return left.Cmp(right) > 0
}

// exactKey is one string for all values that are equal: their payload, integral floats written as integers.
func exactKey(v starlark.Value) (string, error) { return keyOf(v, func(s string) string { return s }) }

// answerKey is one string for all values that are alike as answers.
func answerKey(v starlark.Value) (string, error) {
	if r, ok := v.(*Result); ok {
		v = r.value
	}
	return keyOf(v, folded)
}

func keyOf(v starlark.Value, text func(string) string) (string, error) {
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
