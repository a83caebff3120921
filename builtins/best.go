package builtins

import "go.starlark.net/starlark"

func bestDecl() *Decl {
	return &Decl{
		Name:   "best",
		Params: []Param{{Name: "results", Type: "Outcomes or list"}},
		Result: "Result",
		Doc: `Picks the result with the highest confidence; the first in the input wins a tie.

results are those that vote takes. Failures and answers of None are passed over, a result without a confidence comes after all that state one.
None is given when nothing is left.

    def main(question):
        drafts = parallel(ask_one, agents("chat"), question=question, on_error="collect")
        return best(drafts).value
`,
		Impl: func(c *Call) (starlark.Value, error) {
			p, err := c.panelArg(0)
			if err != nil {
				return nil, err
			}
			var top *answer
			for i := range p.answers {
				if a := &p.answers[i]; top == nil || a.surer(top) {
					top = a
				}
			}
			if top == nil {
				return starlark.None, nil
			}
			return top.said, nil
		},
	}
}

// surer says whether a states a higher confidence than b.
func (a *answer) surer(b *answer) bool {
	return a.confidence != nil && (b.confidence == nil || *a.confidence > *b.confidence)
}
