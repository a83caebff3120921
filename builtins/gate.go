package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// Parameters of gate, by index.
const (
	gateName = iota
	gateResult
	gateConfidence
	gateCheck
)

func gateDecl() *Decl {
	return &Decl{
		Name: "gate",
		Params: []Param{
			{Name: "name", Type: "str"},
			{Name: "result", Type: "any"},
			{Name: "min_confidence", Type: "float", Default: "None", Kind: Named},
			{Name: "check", Type: "function", Default: "None", Kind: Named},
		},
		Result: "bool",
		Effect: true,
		Doc: `Says whether a result is good enough to go on with, and records what was found.

It passes when the confidence of the result is at least min_confidence, and check(result) says yes, whichever of the two are given. With neither it passes when the
result does: a Tally that decided, a Verdict that passed, a Decision that approves, any other value that is true. A missing confidence does not pass min_confidence. Of a Result, an outcome or an
attempt the value counts, and one that failed does not pass. check gives True or False, a Tally, a Verdict or a Decision, or None for no; anything else is an error. It may ask agents; an
error in it is raised.

The gate is an event of the run: its name, whether it passed, the confidence and the bound.

    def main(text):
        draft = agent("writer").ask("summarise", text=text)
        if not gate("draft is sure", draft, min_confidence=0.8):
            draft = agent("editor").ask("summarise", text=text)
        return draft.value
`,
		Impl: func(c *Call) (starlark.Value, error) {
			name, err := c.nameArg(gateName)
			if err != nil {
				return nil, err
			}
			passed, data, err := c.gate()
			if err != nil {
				return nil, err
			}
			setKey(data, "passed", starlark.Bool(passed))
			p, err := runtime.Encode(data)
			if err != nil {
				return nil, err
			}
			if _, err := c.do(runtime.Emit{Kind: runtime.GateChecked, Name: name, Data: p}); err != nil {
				return nil, err
			}
			return starlark.Bool(passed), nil
		},
	}
}

// gate says whether the result passes, and what is to be recorded of it.
func (c *Call) gate() (passed bool, data *starlark.Dict, err error) {
	result := c.Args[gateResult]
	data = starlark.NewDict(3)
	inner, _ := answerIn(result)
	confidence, err := confidenceOf(sayer(result))
	if err != nil {
		return false, nil, c.wrong(gateResult, "%w", err)
	}
	if confidence != starlark.None {
		setKey(data, "confidence", confidence)
	}
	passed = true
	if c.given(gateConfidence) {
		least, err := c.shareArg(gateConfidence)
		if err != nil {
			return false, nil, err
		}
		setKey(data, "min_confidence", starlark.Float(least))
		f, stated := starlark.AsFloat(confidence)
		passed = stated && f >= least
	}
	switch {
	case c.given(gateCheck):
		check, err := c.callableArg(gateCheck)
		if err == nil {
			err = c.isTest(check)
		}
		if err != nil || !passed {
			return false, data, err
		}
		v, err := starlark.Call(c.Thread, check, starlark.Tuple{result}, nil)
		if err != nil {
			return false, nil, err
		}
		passed, err = c.checked(v)
		if err != nil {
			return false, nil, err
		}
	case !c.given(gateConfidence):
		passed = inner != nil && saysYes(inner)
	}
	return passed, data, nil
}

// isTest refuses functions that are true of whatever they are given.
func (c *Call) isTest(check starlark.Callable) error {
	hint := notATest(check)
	if hint == "" && namesType(check) {
		hint = fmt.Sprintf("%s is a type, want a function of the result, such as lambda r: r.value != \"\"", check.Name())
	}
	if hint != "" {
		return c.wrong(gateCheck, "%s", hint)
	}
	return nil
}

// checked reads what a check gave.
func (c *Call) checked(v starlark.Value) (bool, error) {
	inner, _ := answerIn(v)
	switch inner.(type) {
	case nil, starlark.NoneType:
		return false, nil
	case starlark.Bool, *Tally, *Verdict, *decision:
		return saysYes(inner), nil
	}
	return false, c.wrong(gateCheck, "it gave %s, want True or False, a Tally, a Verdict or a Decision; write what must hold, such as lambda r: r.value > 0", describe(inner))
}

// saysYes is the truth of a value; a Decision says yes by any of the words that do so in verify.
func saysYes(v starlark.Value) bool {
	if d, ok := v.(*decision); ok {
		return choice(d).score == 1
	}
	return bool(v.Truth())
}

// sayer is who says something of a value and its confidence: what an outcome or attempt holds, or the value itself.
func sayer(v starlark.Value) starlark.Value {
	for range maxHeld {
		switch x := v.(type) {
		case *outcome:
			if x.status != succeeded {
				return v
			}
			v = x.value
		case *tried:
			v = x.value
		default:
			return v
		}
	}
	return v
}

// confidenceOf is what a value says of itself as .confidence, or None.
func confidenceOf(v starlark.Value) (starlark.Value, error) {
	fields, ok := v.(starlark.HasAttrs)
	if o, isOutcome := v.(*outcome); !ok || hasMethodsOnly(v) || isOutcome && o.status != succeeded {
		return starlark.None, nil
	}
	c, err := fields.Attr("confidence")
	if err != nil || c == nil || c == starlark.None {
		return starlark.None, nil //nolint:nilerr // it says nothing of the kind
	}
	f, ok := starlark.AsFloat(c)
	if !ok || !(f >= 0 && f <= 1) {
		return nil, fmt.Errorf("its confidence is %s, which is not between 0 and 1", shown(c))
	}
	return c, nil
}
