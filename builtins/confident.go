package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// Parameters of confident, by index.
const (
	confidentValue = iota
	confidentConfidence
	confidentAgent
	confidentBasis
	confidentReasoning
)

func confidentDecl() *Decl {
	return &Decl{
		Name: "confident",
		Params: []Param{
			{Name: "value", Type: "any"},
			{Name: "confidence", Type: "float"},
			{Name: "agent", Type: "str", Default: "None", Kind: Named},
			{Name: "basis", Type: "str", Default: "None", Kind: Named},
			{Name: "reasoning", Type: "str", Default: "None", Kind: Named},
		},
		Result: "Result",
		Doc: `Makes a Result: a value held with a confidence, as if an agent had answered it.

confidence is between 0 and 1, or None for none. value may be a Result: then its confidence is replaced, its basis too where one is given or the confidence
has changed, and the rest stays. What a check against reality found belongs here with basis="verifier", which verify takes as evidence, and what a
calibration found with basis="calibrated".

    def main(text):
        r = agent("classifier").ask("spam or not?", text=text)
        return confident(r, 0.5).confidence if len(text) < 20 else r.confidence
`,
		Impl: func(c *Call) (starlark.Value, error) {
			r := &Result{value: c.Args[confidentValue]}
			if of, ok := r.value.(*Result); ok {
				*r = *of
				r.answer.Basis = ""
			}
			if err := c.fillConfidence(&r.answer); err != nil {
				return nil, err
			}
			return r, nil
		},
	}
}

// fillConfidence takes what is given about an answer.
func (c *Call) fillConfidence(a *runtime.Answer) error {
	a.Confidence = nil
	if c.given(confidentConfidence) {
		f, err := c.shareArg(confidentConfidence)
		if err != nil {
			return err
		}
		a.Confidence = &f
	}
	for i, field := range []*string{&a.Agent, &a.Basis, &a.Reasoning} {
		s, err := c.textArg(confidentAgent + i)
		if err != nil {
			return err
		}
		if s != "" {
			*field = s
		}
	}
	return nil
}

// shareArg is parameter i as a number between 0 and 1.
func (c *Call) shareArg(i int) (float64, error) {
	f, err := c.floatArg(i, 0)
	if err != nil {
		return 0, err
	}
	if !(f >= 0 && f <= 1) {
		return 0, c.wrong(i, "%s is not between 0 and 1", shown(c.Args[i]))
	}
	return f, nil
}
