package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// voteMethods are the methods of vote.
var voteMethods = []string{plurality, weighted, logOdds, borda, copeland, schulze, irv, approval, mean, median}

func voteDecl() *Decl {
	return &Decl{
		Name: "vote",
		Params: []Param{
			{Name: "results", Type: "Outcomes or list"},
			{Name: "method", Type: "str", Default: `"plurality"`, Kind: Named},
			{Name: "by", Type: "function", Default: "None", Kind: Named},
			{Name: "weight", Type: "function or dict", Default: "None", Kind: Named},
			{Name: "on_tie", Type: `"first" or function`, Default: "None", Kind: Named},
			{Name: "correlation", Type: "float", Default: "0", Kind: Named},
		},
		Result: "Tally",
		Doc: `Counts votes: what the answers favour, by how much, and who dissents.

results is what parallel gave, or a list of Results, outcomes, attempts or plain values. Who failed abstains: it counts in .asked and not in .valid. So does
an answer of None. Branches that a policy stopped were not asked.

Two answers are the same option when they are alike: strings without the space around them, in NFC, upper and lower case alike; numbers by their value; all else
as JSON. With by, options are what by(result) returns, compared exactly; None abstains. weight is a function of a result, or a dict of numbers by
agent name; with it "plurality" becomes "weighted".

method is one of
  "plurality"   the most votes
  "weighted"    the largest sum of weights; without weight= of the confidences (2502.06233)
  "log_odds"    weights ln(p / (1 - p)) of accuracies p, which weight= gives (Nitzan and Paroush 1982); .probability is the winner's if answers were independent
  "borda" "copeland" "schulze" "irv"   each answer is a list of options, best first; those it does not name are tied for last (Schulze 2011)
  "approval"    each answer is a list of options that are good enough
  "mean" "median"   answers are numbers; agreement is one less their relative spread: standard deviation by mean, or 1.4826 times the MAD by median

The Tally is true when it decided. .status is "decided", "tie" or "no_quorum" (nobody answered). .winner is the option as it was first said, None unless decided;
.leading is the one ahead. .agreement is the share of the valid votes, by their weights, that back it (of a ranking the first choice; by log_odds its part of all
log-odds above 0), .margin the lead over the next option as such a share (of rankings: over the option that comes closest when the two are compared). .distribution maps the text of each option to its score, best first.
.dissent lists the other options, each with .option .votes .share .agents .results and .reasons: the reasoning of the Results, or what the answers themselves
have as reason or reasons. .supporters are the results that
back the leader. .confidence is that share times the mean of the confidences in the group, None when none is stated. .interval is the Wilson 95 %
interval of the share, None with weights and rankings. .effective_votes is how many equal and independent votes the weights amount to; correlation says
how alike the voters err, 0 to 1 (models of our days: about 0.3). Also .ranking .tied .asked .valid .method .stdev.

A tie is a status and no winner. on_tie="first" takes the option that comes first in the input, never the one that arrived first; a function gets
the list of tied options and returns one. The order of the input decides nothing else.

    def main(question):
        answers = parallel(ask_one, agents("chat"), question=question, on_error="collect")
        t = vote(answers, on_tie="first")
        return {"answer": t.winner, "agreement": t.agreement, "dissent": [d.option for d in t.dissent]}
`,
		Impl: func(c *Call) (starlark.Value, error) {
			method, err := c.methodArg(voteMethods)
			if err != nil {
				return nil, err
			}
			p, err := newPoll(c, "tally", method)
			if err != nil {
				return nil, err
			}
			return c.counted(p.decide())
		},
	}
}

// counted is a count that is also told to the engine, so that people can see it who look at the run.
func (c *Call) counted(t *Tally, err error) (starlark.Value, error) {
	if b, away := runtime.BranchOf(c.Thread); err == nil && away == nil {
		b.Counted(c.Decl.Name, func() (runtime.Payload, error) { return runtime.Encode(t) })
	}
	return orNone(t, err)
}

// orNone keeps a nil pointer from becoming a value.
func orNone(t *Tally, err error) (starlark.Value, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

// methodArg is the parameter method as one of the methods.
func (c *Call) methodArg(methods []string) (string, error) {
	i := c.param("method")
	if !c.given(i) {
		return plurality, nil
	}
	name, err := c.choiceArg(i, plurality, methods...)
	if err != nil {
		if s, isText := c.Args[i].(starlark.String); isText {
			if near := runtime.Nearest(string(s), methods); near != "" {
				return "", fmt.Errorf("%w; did you mean %q?", err, near)
			}
		}
	}
	return name, err
}
