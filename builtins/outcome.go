package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func outcomeDecl() *Decl {
	return &Decl{
		Name: "outcome",
		Params: []Param{
			{Name: "result", Type: "Result"},
			{Name: "correct", Type: "bool"},
		},
		Result: "None",
		Effect: true,
		Doc: `Records whether a result turned out to be right: a label, from which confidences are calibrated.

The label holds the agent, the confidence that it stated, None if none, and correct. It is the event "outcome" of the run: parallax run --events FILE
keeps it, and parallax calibrate FILE... makes of many of them what load("@std//calibrate.star", "apply") uses. Record wrong answers as well as right ones,
and only what was checked against reality: labels that the same model made teach nothing.

    def main(question, truth):
        r = agent("oracle").ask(question, returns=str)
        outcome(r, correct=r.value == truth)
        return r.value
`,
		Impl: func(c *Call) (starlark.Value, error) {
			r, ok := c.Args[0].(*Result)
			if o, isOutcome := c.Args[0].(*outcome); isOutcome && o.status == succeeded {
				r, ok = o.value.(*Result)
			}
			if !ok || r.answer.Agent == "" {
				return nil, c.wrong(0, "got %s, want a Result that names its agent; write outcome(r, ...), not outcome(r.value, ...)", runtime.A(c.Args[0].Type()))
			}
			correct, ok := c.Args[1].(starlark.Bool)
			if !ok {
				return nil, c.wrong(1, "got %s, want True or False", shown(c.Args[1]))
			}
			data := starlark.NewDict(3)
			setKey(data, "agent", starlark.String(r.answer.Agent))
			setKey(data, "correct", correct)
			setKey(data, "confidence", starlark.None)
			if r.answer.Confidence != nil {
				setKey(data, "confidence", starlark.Float(*r.answer.Confidence))
			}
			p, err := runtime.Encode(data)
			if err != nil {
				return nil, err
			}
			_, err = c.do(runtime.Emit{Kind: runtime.Emitted, Name: "outcome", Data: p})
			if err != nil {
				return nil, err
			}
			return starlark.None, nil
		},
	}
}
