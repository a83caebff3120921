package builtins

import (
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/internal/consensus"
	"github.com/parallax-run/parallax/runtime"
)

func statsWilson() *Decl {
	return &Decl{
		Name:   "wilson",
		Params: []Param{{Name: "successes", Type: "int"}, {Name: "n", Type: "int"}, {Name: "level", Type: "float", Default: "0.95"}},
		Result: "(low, high)",
		Doc: `stats.wilson(successes, n, level=0.95) is the Wilson interval: between which shares the true one lies, at that level of confidence, when so
many of n trials succeeded. Of no trials it is (0.0, 1.0).

    stats.wilson(4, 7) # (0.2504..., 0.8418...)`,
		Impl: func(c *Call) (starlark.Value, error) {
			successes, err := c.intArg(0, 0, 0)
			if err != nil {
				return nil, err
			}
			n, err := c.intArg(1, 0, 0)
			if err != nil {
				return nil, err
			}
			level, err := c.floatArg(2, 0.95)
			switch {
			case err != nil:
				return nil, err
			case successes > n:
				return nil, c.wrong(0, "%d of %d trials", successes, n)
			case !(level > 0 && level < 1):
				return nil, c.wrong(2, "got %s, want a number between 0 and 1, both excluded", shown(c.Args[2]))
			}
			low, high := consensus.Wilson(successes, n, level)
			return starlark.Tuple{starlark.Float(low), starlark.Float(high)}, nil
		},
	}
}

func statsPool() *Decl {
	return &Decl{
		Name: "pool",
		Params: []Param{
			{Name: "probabilities", Type: "list of floats"},
			{Name: "method", Type: "str", Default: `"log"`},
			{Name: "weights", Type: "list of numbers", Default: "None"},
			{Name: "factor", Type: "float", Default: "None"},
			{Name: "prior", Type: "float", Default: "None"},
		},
		Result: "float",
		Doc: `stats.pool(probabilities, method="log", weights=None, factor=None, prior=None) makes one probability of several of the same event.

"log" is the mean of the log-odds, "linear" the mean; both lie between the least and the largest. "extremized" takes the log-odds of the first
times the factor, which makes up for forecasters who share what they know, 1.5 to 2.5 as a rule. "bayes" adds what each opinion changes about the
prior: say it only of opinions that share no evidence. weights say how much each counts, but not to "bayes". A probability of 0 or 1 would outvote all
others, and is an error unless all say so or the method is "linear".

    stats.pool([0.8, 0.7, 0.4])                              # 0.6477...
    stats.pool([0.8, 0.7, 0.4], "linear")                    # 0.6333...
    stats.pool([0.8, 0.7, 0.4], "extremized", factor = 2)    # 0.7718...
    stats.pool([0.8, 0.7, 0.4], method = "bayes", prior = 0.5) # 0.8615...`,
		Impl: pool,
	}
}

func pool(c *Call) (starlark.Value, error) {
	ps, err := c.sharesArg(0)
	if err != nil {
		return nil, err
	}
	method, err := c.choiceArg(1, "log", "log", "linear", "extremized", "bayes")
	if err != nil {
		return nil, err
	}
	weights, err := c.heavyArg(2, len(ps))
	if err != nil {
		return nil, err
	}
	factor, err := c.onlyFor(3, method, "extremized")
	if err != nil {
		return nil, err
	}
	prior, err := c.onlyFor(4, method, "bayes")
	if err != nil {
		return nil, err
	}
	var p float64
	switch method {
	case "linear":
		p, err = consensus.LinearPool(ps, weights)
	case "extremized":
		p, err = consensus.Extremized(ps, weights, factor)
	case "bayes":
		if weights != nil {
			return nil, c.wrong(2, `the method "bayes" takes no weights`)
		}
		p, err = consensus.BayesPool(ps, prior)
	default:
		p, err = consensus.LogPool(ps, weights)
	}
	if err != nil {
		return nil, c.wrong(0, "%w", err)
	}
	return starlark.Float(p), nil
}

// onlyFor is parameter i as a number that one method needs and the others do not take.
func (c *Call) onlyFor(i int, method, owner string) (float64, error) {
	switch {
	case c.given(i) && method != owner:
		return 0, c.wrong(i, "only the method %q takes it, not %q", owner, method)
	case !c.given(i) && method == owner:
		return 0, c.wrong(i, "the method %q needs it", owner)
	}
	x, err := c.floatArg(i, 0)
	if err == nil && c.given(i) && (!(x > 0) || x-x != 0 || owner == "bayes" && x >= 1) {
		return 0, c.wrong(i, "got %s, which is out of range", shown(c.Args[i]))
	}
	return x, err
}

func statsMajorityError() *Decl {
	return &Decl{
		Name: "majority_error",
		Params: []Param{
			{Name: "accuracy", Type: "float"}, {Name: "n", Type: "int"}, {Name: "correlation", Type: "float", Default: "0"},
		},
		Result: "float",
		Doc: `stats.majority_error(accuracy, n, correlation=0) is how often the majority of n voters is wrong, each of whom is right with that accuracy, when
any two are right together with that correlation. A tie counts half. Models that were made alike are wrong alike: take the result without correlation
for a bound, not for a promise.

    stats.majority_error(0.85, 5)                    # 0.0266...
    stats.majority_error(0.85, 5, correlation = 0.3) # 0.1043...`,
		Impl: func(c *Call) (starlark.Value, error) {
			accuracy, err := c.probabilityArg(0)
			if err != nil {
				return nil, err
			}
			n, err := c.intArg(1, 0, 1)
			if err != nil {
				return nil, err
			}
			correlation, err := c.probabilityArg(2)
			if err != nil {
				return nil, err
			}
			if err := c.work(1, 32*float64(n)); err != nil {
				return nil, err
			}
			x, err := consensus.MajorityError(accuracy, n, correlation)
			if err != nil {
				return nil, c.wrong(0, "%w", err)
			}
			return starlark.Float(x), nil
		},
	}
}

func statsEffectiveVotes() *Decl {
	return &Decl{
		Name:   "effective_votes",
		Params: []Param{{Name: "weights", Type: "list of numbers"}, {Name: "correlation", Type: "float", Default: "0"}},
		Result: "float",
		Doc: `stats.effective_votes(weights, correlation=0) is how many equal and independent votes say as much as votes of these weights, any two of which
agree beyond chance with that correlation.

    stats.effective_votes([1, 1, 1, 1])                    # 4.0
    stats.effective_votes([1, 1, 1, 1], correlation = 0.5) # 1.6`,
		Impl: func(c *Call) (starlark.Value, error) {
			weights, err := c.numbersArg(0)
			if err != nil {
				return nil, err
			}
			correlation, err := c.probabilityArg(1)
			if err != nil {
				return nil, err
			}
			x, err := consensus.EffectiveVotes(weights, correlation)
			if err != nil {
				return nil, c.wrong(0, "%w", err)
			}
			return starlark.Float(x), nil
		},
	}
}

func statsDawidSkene() *Decl {
	return &Decl{
		Name:   "dawid_skene",
		Params: []Param{{Name: "answers", Type: "list of dicts"}, {Name: "options", Type: "int", Default: "None", Kind: Named}},
		Result: "struct",
		Doc: `stats.dawid_skene(answers, options=None) estimates how accurate agents are, without knowing what is true, from how they agree.

answers has one dict for each question, from the agent's name to its label; an agent that is missing or has None did not answer. Labels are equal as in
vote. options is how many labels there are to choose from, unless said the most that one question got and at least 2. The struct has accuracy, a dict from name to share,
answers, the likeliest label of each question, the first of equals, None where nobody answered, and probabilities, theirs. Agents that copy each other look better than they are.

    d = stats.dawid_skene([{"a": "x", "b": "x", "c": "y"}, {"a": "u", "b": "u", "c": "u"}, {"a": "y", "b": "y", "c": "x"}])
    d.answers[0]             # "x"
    d.accuracy["a"] > d.accuracy["c"]`,
		Impl: dawidSkene,
	}
}

// questions are answers by number: of the question, the agent and the label.
type questions struct {
	labels  []*register
	names   []starlark.Value
	answers [][]int
	options int
}

func dawidSkene(c *Call) (starlark.Value, error) {
	q, err := c.questionsArg(0)
	if err != nil {
		return nil, err
	}
	options, err := c.intArg(1, max(q.options, 2), max(q.options, 2))
	if err != nil {
		return nil, err
	}
	cells := float64(len(q.answers)) * (float64(len(q.names)) + float64(options))
	if err := c.work(0, 200*cells); err != nil {
		return nil, err
	}
	accuracies, posteriors, err := consensus.DawidSkene(q.answers, options)
	if err != nil {
		return nil, c.wrong(0, "%w", err)
	}
	accuracy := starlark.NewDict(len(q.names))
	for k, name := range q.names {
		if err := accuracy.SetKey(name, starlark.Float(accuracies[k])); err != nil {
			return nil, err
		}
	}
	labels, probabilities := make([]starlark.Value, len(posteriors)), make([]starlark.Value, len(posteriors))
	for k, row := range posteriors {
		labels[k], probabilities[k] = starlark.None, starlark.None
		if known := q.labels[k].options; len(known) > 0 {
			best := consensus.Leaders(row[:len(known)])[0]
			labels[k], probabilities[k] = known[best].value, starlark.Float(row[best])
		}
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"accuracy": accuracy, "answers": starlark.NewList(labels), "probabilities": starlark.NewList(probabilities),
	}), nil
}

// questionsArg is parameter i as questions. Labels are numbered for each question by itself.
func (c *Call) questionsArg(i int) (*questions, error) {
	values, err := c.elements(i)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, c.wrong(i, "there are no questions")
	}
	q := &questions{labels: make([]*register, len(values)), answers: make([][]int, len(values))}
	voters := make(map[starlark.String]int)
	for k, v := range values {
		row, ok := v.(*starlark.Dict)
		if !ok {
			return nil, c.wrong(i, "element %d: got %s, want a dict from agents to labels", k, runtime.A(v.Type()))
		}
		if err := charge(c.Thread, 200*(row.Len()+1)+8*len(q.names)); err != nil {
			return nil, err
		}
		q.labels[k] = newRegister(answerKey)
		q.answers[k] = slices.Repeat([]int{-1}, len(q.names))
		for _, item := range row.Items() {
			name, ok := item[0].(starlark.String)
			if !ok {
				return nil, c.wrong(i, "element %d: the agent %s is no string", k, shown(item[0]))
			}
			voter, met := voters[name]
			if !met {
				voter = len(q.names)
				voters[name] = voter
				q.names = append(q.names, name)
			}
			for len(q.answers[k]) <= voter {
				q.answers[k] = append(q.answers[k], -1)
			}
			label := answered(item[1])
			if label == starlark.None {
				continue
			}
			if q.answers[k][voter], err = q.labels[k].number(label); err != nil {
				return nil, c.wrong(i, "element %d: the label of %s: %w", k, shown(name), err)
			}
		}
		q.options = max(q.options, len(q.labels[k].options))
	}
	return q, c.even(i, q)
}

// even gives each question a place for each agent.
func (c *Call) even(i int, q *questions) error {
	if err := c.work(i, 8*float64(len(q.answers))*float64(len(q.names))); err != nil {
		return err
	}
	for k := range q.answers {
		for len(q.answers[k]) < len(q.names) {
			q.answers[k] = append(q.answers[k], -1)
		}
	}
	return nil
}
