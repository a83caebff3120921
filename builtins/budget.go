package builtins

import (
	"fmt"
	"math"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// budget is a bound on what a run may cost, as data for pattern(budget=...). It is immutable.
type budget struct{ runtime.BudgetLimits }

func (b *budget) String() string {
	var parts []string
	if b.Tokens > 0 {
		parts = append(parts, fmt.Sprintf("tokens=%d", b.Tokens))
	}
	if b.CostMicroUSD > 0 {
		parts = append(parts, "cost="+starlark.Float(float64(b.CostMicroUSD)/1e6).String())
	}
	if b.Calls > 0 {
		parts = append(parts, fmt.Sprintf("calls=%d", b.Calls))
	}
	if b.Seconds > 0 {
		parts = append(parts, "time="+starlark.Float(b.Seconds).String())
	}
	return "budget(" + strings.Join(parts, ", ") + ")"
}
func (b *budget) Type() string          { return "budget" }
func (b *budget) Freeze()               {}
func (b *budget) Truth() starlark.Bool  { return true }
func (b *budget) Hash() (uint32, error) { return 0, fmt.Errorf("a budget cannot be a key") }

// budgetBuiltin is the function budget with its attribute remaining.
type budgetBuiltin struct {
	*starlark.Builtin
	remaining *starlark.Builtin
}

func (b budgetBuiltin) AttrNames() []string { return []string{"remaining"} }

// Attr gives budget.remaining.
func (b budgetBuiltin) Attr(name string) (starlark.Value, error) {
	if name == "remaining" {
		return b.remaining, nil
	}
	return nil, nil
}

func budgetDecl() *Decl {
	return &Decl{
		Name: "budget",
		Params: []Param{
			{Name: "tokens", Type: "int", Default: "None", Kind: Named},
			{Name: "cost", Type: "float", Default: "None", Kind: Named},
			{Name: "calls", Type: "int", Default: "None", Kind: Named},
			{Name: "time", Type: "duration", Default: "None", Kind: Named},
		},
		Result: "Budget",
		Doc: `Bounds what a run may cost, as data for pattern(budget=...).

tokens counts input and output together, cost is in US dollars, calls counts attempts at agent calls, time is since the run began. A call that would go over
is refused before it is made, with the catchable error "budget", so that a pattern can end with what it has. Whoever starts the run may set a lower bound,
never a higher one. At 80 % there is an event.

    pattern(description="Reviews a change.", budget=budget(cost=0.50, calls=40, time="10m"))

    def main(change):
        return agent("critic").ask("review", change=change).value
`,
		Impl: func(c *Call) (starlark.Value, error) {
			tokens, err := c.intArg(0, 0, 1)
			if err != nil {
				return nil, err
			}
			cost, err := c.costArg(1)
			if err != nil {
				return nil, err
			}
			calls, err := c.intArg(2, 0, 1)
			if err != nil {
				return nil, err
			}
			time, err := c.durationArg(3, 0)
			if err != nil {
				return nil, err
			}
			if tokens == 0 && cost == 0 && calls == 0 && time == 0 {
				return nil, fmt.Errorf("budget: nothing is bounded: %s", c.Decl.Signature())
			}
			return &budget{runtime.BudgetLimits{
				Tokens: int64(tokens), CostMicroUSD: cost, Calls: int64(calls), Seconds: time.Seconds(),
			}}, nil
		},
	}
}

// costArg is parameter i, in US dollars, as millionths of them.
func (c *Call) costArg(i int) (int64, error) {
	usd, err := c.floatArg(i, 0)
	if err != nil || !c.given(i) {
		return 0, err
	}
	if math.IsNaN(usd) || usd < 1e-6 || usd > 1e9 {
		return 0, c.wrong(i, "%v is not between a millionth of a dollar and a billion", starlark.Float(usd))
	}
	return int64(math.Round(usd * 1e6)), nil
}

func budgetRemainingDecl() *Decl {
	return &Decl{
		Name:   "budget.remaining",
		Params: []Param{{Name: "unit", Type: `"tokens", "cost", "calls" or "time"`}},
		Result: "number or None",
		Effect: true,
		Doc: `Says what is left of the run's budget.

The unit is "tokens" (input and output), "cost" (US dollars), "calls" (attempts) or "time" (seconds). None means that there is no such bound. What was seen is
recorded, so a replay decides the same.

    def main(questions):
        answers = []
        for q in questions:
            left = budget.remaining("cost")
            if left != None and left < 0.05:
                break
            answers.append(agent("chat").ask(q).value)
        return answers
`,
		Impl: func(c *Call) (starlark.Value, error) {
			units := []string{
				string(runtime.BudgetTokens), string(runtime.BudgetCost), string(runtime.BudgetCalls), string(runtime.BudgetTime),
			}
			unit, err := c.choiceArg(0, "", units...)
			if err != nil {
				return nil, err
			}
			return decoded(c.do(runtime.Budget{Of: runtime.BudgetUnit(unit)}))
		},
	}
}
