package builtins

import (
	"math"

	"go.starlark.net/starlark"
)

// Parameters of consensus, by index.
const (
	consensusThreshold = 3
	consensusQuorum    = 4
)

// defaultThreshold is the least agreement of a consensus: a little under two thirds, which two of three reach.
const defaultThreshold = 0.66

func consensusDecl() *Decl {
	return &Decl{
		Name: "consensus",
		Params: []Param{
			{Name: "results", Type: "Outcomes or list"},
			{Name: "by", Type: "function", Default: "None", Kind: Named},
			{Name: "weight", Type: "function or dict", Default: "None", Kind: Named},
			{Name: "threshold", Type: "float", Default: "0.66", Kind: Named},
			{Name: "quorum", Type: "int or float", Default: "None", Kind: Named},
			{Name: "method", Type: "str", Default: `"plurality"`, Kind: Named},
			{Name: "on_tie", Type: `"first" or function`, Default: "None", Kind: Named},
			{Name: "correlation", Type: "float", Default: "0", Kind: Named},
		},
		Result: "Consensus",
		Doc: `Says whether the answers agree, on what, how strongly, and who dissents. A tie is a status, not a winner.

It counts as vote does: the same results, by, weight, on_tie, methods and attributes. Beyond that it asks for enough answers and enough agreement.
quorum is the least number of valid answers, or as a float the least share of those who were asked; of a list that the script wrote itself, a number that it
can never reach is an error. threshold is the least share of the valid
votes, by their weights, that must back the winner.

.status is "decided", "tie", "no_quorum" (fewer valid answers than quorum, or none) or "below_threshold". The Consensus is true, and .agreed is True,
when it is decided; .winner is None otherwise, and .leading is what was ahead. .confidence is the share of the winning group times the mean of the confidences
in it: of those who all agree their mean, 0 when nobody answered, None when nobody stated a confidence. .dissent lists what the others said and why.

Agreement is no measure of truth: models that are wrong agree about 60 % of the time (2506.07962). Where a check against reality
is possible, verify is worth more.

    def main(claim):
        votes = parallel(judge, agents("fact-check"), claim=claim, on_error="collect")
        c = consensus(votes, by=lambda r: r.value.answer, quorum=2)
        if not c:
            return {"answer": None, "why": c.status, "dissent": c.dissent[0].reasons if c.dissent else []}
        return {"answer": c.winner, "agreement": c.agreement}
`,
		Impl: func(c *Call) (starlark.Value, error) {
			method, err := c.methodArg(voteMethods)
			if err != nil {
				return nil, err
			}
			threshold, err := c.floatArg(consensusThreshold, defaultThreshold)
			if err != nil {
				return nil, err
			}
			if !(threshold >= 0 && threshold <= 1) {
				return nil, c.wrong(consensusThreshold, "%v is not between 0 and 1", starlark.Float(threshold))
			}
			p, err := newPoll(c, "consensus", method)
			if err != nil {
				return nil, err
			}
			p.threshold = threshold
			if p.quorum, err = c.quorumArg(consensusQuorum, p.panel); err != nil {
				return nil, err
			}
			return c.counted(p.decide())
		},
	}
}

// quorumArg is the least number of valid answers: parameter i, or a share of those asked if it is a float.
func (c *Call) quorumArg(i int, p *panel) (int, error) {
	if share, ok := c.Args[i].(starlark.Float); ok {
		if !(share > 0 && share <= 1) {
			return 0, c.wrong(i, "%v is no share; write a float above 0 and up to 1, or a whole number of answers", share)
		}
		return int(math.Ceil(float64(share)*float64(p.asked) - slack)), nil
	}
	n, err := c.intArg(i, 1, 1)
	if _, isData := c.Args[0].(*Outcomes); err == nil && !isData && n > p.all && p.all > 0 {
		return 0, c.wrong(i, "%d is not between 1 and %d answers", n, p.all)
	}
	return n, err
}
