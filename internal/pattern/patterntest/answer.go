package patterntest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// answered is one scripted answer, with what it says of itself. It is immutable.
type answered struct {
	value runtime.Payload
	own   manner
	cost  bool // it states its cost
}

func (a *answered) String() string        { return "answer(" + string(a.value) + ")" }
func (a *answered) Type() string          { return "answer" }
func (a *answered) Freeze()               {}
func (a *answered) Truth() starlark.Bool  { return true }
func (a *answered) Hash() (uint32, error) { return 0, errors.New("an answer cannot be a key") }

// step fills what the answer does not say from the manner of its agent.
func (a *answered) step(m *manner) step {
	s := step{after: m.after}
	s.answer = runtime.Answer{Value: a.value, Confidence: a.own.confidence, Basis: a.own.basis, Reasoning: a.own.reasoning}
	if s.answer.Confidence == nil {
		s.answer.Confidence = m.confidence
	}
	if s.answer.Confidence != nil && s.answer.Basis == "" {
		s.answer.Basis = "self_report"
	}
	if s.answer.Reasoning == "" {
		s.answer.Reasoning = m.reasoning
	}
	cost := m.cost
	if a.cost {
		cost = a.own.cost
	}
	s.answer.Usage.CostMicroUSD = int64(math.Round(cost * 1e6))
	if a.own.slow {
		s.after = a.own.after
	}
	return s
}

func answerDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "answer",
		Params: []builtins.Param{
			{Name: "value", Type: "any"},
			{Name: "confidence", Type: "float", Default: "None", Kind: builtins.Named},
			{Name: "reasoning", Type: "str", Default: "None", Kind: builtins.Named},
			{Name: "basis", Type: "str", Default: "None", Kind: builtins.Named},
			{Name: "cost", Type: "float", Default: "None", Kind: builtins.Named},
			{Name: "after", Type: "duration", Default: "None", Kind: builtins.Named},
		},
		Result: "answer",
		Doc: `One answer of a scripted agent, with a confidence, a basis, a cost or a time of its own.

    scripted("critic", answers=[answer("no", confidence=0.4), answer("yes", confidence=0.9, basis="verifier")])
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			m, err := mannerOf(c, arguments{confidence: 1, reasoning: 2, basis: 3, cost: 4, after: 5})
			if err != nil {
				return nil, err
			}
			p, err := runtime.Encode(c.Args[0])
			if err != nil {
				return nil, fmt.Errorf("answer: value: %w", err)
			}
			return &answered{value: p, own: *m, cost: argument(c, 4) != nil}, nil
		},
	}
}

// failing is one scripted failure. It is immutable.
type failing struct {
	err   *runtime.Error
	after *time.Duration
}

func (f *failing) String() string {
	return fmt.Sprintf("failure(%q, %q)", string(f.err.Code), f.err.Message)
}
func (f *failing) Type() string          { return "failure" }
func (f *failing) Freeze()               {}
func (f *failing) Truth() starlark.Bool  { return true }
func (f *failing) Hash() (uint32, error) { return 0, errors.New("a failure cannot be a key") }

func (f *failing) afterOr(m *manner) time.Duration {
	if f.after != nil {
		return *f.after
	}
	return m.after
}

// failures are the errors that an agent can end in.
func failures() []runtime.Code {
	return []runtime.Code{
		runtime.Timeout, runtime.Unavailable, runtime.Refused, runtime.Schema, runtime.NotFound, runtime.BudgetSpent, runtime.UnknownOutcome,
	}
}

func failureDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "failure",
		Params: []builtins.Param{
			{Name: "code", Type: "str"},
			{Name: "message", Type: "str", Default: `""`},
			{Name: "retryable", Type: "bool", Default: "None", Kind: builtins.Named},
			{Name: "after", Type: "duration", Default: "None", Kind: builtins.Named},
		},
		Result: "failure",
		Doc: `One failure of a scripted agent, in place of an answer.

code is "timeout", "unavailable", "refused", "schema", "not_found", "budget" or "unknown_outcome". The first two may be retried, the others not,
unless retryable says otherwise.

    scripted("flaky", answers=[failure("unavailable", "overloaded"), "here I am"])
`,
		Impl: failureOf,
	}
}

func failureOf(c *builtins.Call) (starlark.Value, error) {
	name, err := text(c, 0)
	if err != nil {
		return nil, err
	}
	code := runtime.Code(name)
	if !slices.Contains(failures(), code) {
		return nil, fmt.Errorf("failure: code: got %q, want one of %q", name, failures())
	}
	e := &runtime.Error{Code: code, Retryable: code == runtime.Timeout || code == runtime.Unavailable}
	if e.Message, err = text(c, 1); err != nil {
		return nil, err
	}
	if e.Message == "" {
		e.Message = "the test has it fail"
	}
	if v := argument(c, 2); v != nil {
		e.Retryable = bool(v.Truth())
	}
	f := &failing{err: e}
	if v := argument(c, 3); v != nil {
		d, err := duration(v)
		if err != nil {
			return nil, fmt.Errorf("failure: after: %w", err)
		}
		f.after = &d
	}
	return f, nil
}
