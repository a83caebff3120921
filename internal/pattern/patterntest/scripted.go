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
	"github.com/parallax-run/parallax/runtime/guard"
)

// script is what an agent does.
type script struct {
	info   runtime.AgentInfo
	steps  []step
	always bool // the first step is the answer to everything
	asked  int
	expect *expectations // nil takes any call
}

// step is one answer: a value, a failure, or a function that gives either.
type step struct {
	answer runtime.Answer
	err    *runtime.Error
	fn     starlark.Callable
	after  time.Duration
	with   *manner // of the agent, for what fn gives
	taped  bool    // the cassette has the answer
}

// manner is how an answer is given, where the answer itself does not say.
type manner struct {
	confidence *float64
	reasoning  string
	basis      string
	cost       float64 // US dollars
	after      time.Duration
	slow       bool // after was given, so that the agent works beside others
}

func scriptedDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "scripted",
		Params: []builtins.Param{
			{Name: "name", Type: "str"},
			{Name: "answer", Type: "any", Default: "None"},
			{Name: "answers", Type: "list", Default: "None", Kind: builtins.Named},
			{Name: "confidence", Type: "float", Default: "None", Kind: builtins.Named},
			{Name: "reasoning", Type: "str", Default: "None", Kind: builtins.Named},
			{Name: "capabilities", Type: "[str]", Default: "[]", Kind: builtins.Named},
			{Name: "idempotent", Type: "bool", Default: "False", Kind: builtins.Named},
			{Name: "cost", Type: "float", Default: "0", Kind: builtins.Named},
			{Name: "after", Type: "duration", Default: "None", Kind: builtins.Named},
			{Name: "expects", Type: "str, expectation or list", Default: "None", Kind: builtins.Named},
		},
		Result: "Agent",
		Doc: `Says what an agent does in this test, and gives a handle on it.

With answer it always answers that; with answers it gives them in order, and being asked once more fails the test. An answer is data,
answer(...) for one with a confidence of its own, failure(...), or a function fn(task, inputs) that gives any of these. A function is frozen; it
sees what it is asked and has no effects. confidence, reasoning and cost (US dollars) are those of answers that do not say.

expects is how the agent must be asked: a task or an expect(...) for every call, or a list with one for each call, in order. A call that is not
so fails the test where it is made, and a call that never came fails it at its end.

An agent that is asked and not scripted fails the test, unless there is a cassette. Scripted agents answer at once and one after the other, so that until= takes their answers
in input order (whether it came in time to spare the next one the question is not certain). Those with after=, a time of work such as "20ms",
also 0, work side by side.

    def test_the_second_is_good_enough():
        cheap = scripted("cheap", "perhaps", confidence=0.4)
        dear = scripted("dear", answers=["yes", failure("unavailable")], confidence=0.9, capabilities=["expert"])
        echo = scripted("echo", lambda task, inputs: answer(inputs["text"], confidence=0.5))
`,
		Impl: scripted,
	}
}

func scripted(c *builtins.Call) (starlark.Value, error) {
	w, err := worldOf(c)
	if err != nil {
		return nil, err
	}
	name, ok := c.Args[0].(starlark.String)
	if !ok || name == "" {
		return nil, fmt.Errorf("scripted: name: got %s, want the name of an agent", shown(c.Args[0]))
	}
	m, err := mannerOf(c, arguments{confidence: 3, reasoning: 4, basis: -1, cost: 7, after: 8})
	if err != nil {
		return nil, err
	}
	s := &script{info: runtime.AgentInfo{Name: string(name), Idempotent: bool(truth(c.Args[6])), Instant: !m.slow}}
	if s.info.Capabilities, err = texts(c, 5); err != nil {
		return nil, err
	}
	if s.expect, err = expectationsOf(c, 9); err != nil {
		return nil, err
	}
	given, err := s.answers(c)
	if err != nil {
		return nil, err
	}
	for i, v := range given {
		st, err := stepOf(v, m)
		if err != nil {
			return nil, fmt.Errorf("scripted: answer %d of %s: %w", i+1, name, err)
		}
		if st.after > 0 {
			s.info.Instant = false
		}
		s.steps = append(s.steps, st)
	}
	w.mu.Lock()
	if old := w.agents[string(name)]; old != nil {
		w.before = append(w.before, old)
	}
	w.agents[string(name)] = s
	w.mu.Unlock()
	return starlark.Call(c.Thread, w.handle, starlark.Tuple{name}, nil)
}

// answers gives what the agent answers, one after the other or always.
func (s *script) answers(c *builtins.Call) ([]starlark.Value, error) {
	one, many := c.Args[1], c.Args[2]
	if many == starlark.None {
		many = nil
	}
	switch {
	case one != nil && many != nil:
		return nil, errors.New("scripted: there is both answer and answers; keep one")
	case one == nil && many == nil:
		return nil, errors.New(`scripted: it has nothing to answer; write scripted("name", "yes") or scripted("name", answers=["yes", "no"])`)
	case one != nil:
		s.always = true
		return []starlark.Value{one}, nil
	}
	list, ok := many.(starlark.Sequence)
	if !ok {
		return nil, fmt.Errorf("scripted: answers: got %s, want a list", runtime.A(many.Type()))
	}
	return slices.Collect(starlark.Elements(list)), nil
}

// stepOf reads one answer of a script.
func stepOf(v starlark.Value, m *manner) (step, error) {
	switch v := v.(type) {
	case *answered:
		return v.step(m), nil
	case *failing:
		return step{err: v.err, after: v.afterOr(m)}, nil
	case *starlark.Function, *starlark.Builtin:
		fn := v.(starlark.Callable)
		return step{fn: fn, with: m}, guard.Freeze(fn)
	}
	a := &answered{}
	var err error
	if a.value, err = runtime.Encode(v); err != nil {
		return step{}, err
	}
	return a.step(m), nil
}

// fnSteps bounds one call of a scripted function.
const fnSteps = 5_000_000

// ask calls the function of a step with the question, on a thread without effects.
func (s step) ask(c runtime.Call) (step, error) {
	inputs, err := decoded(c.Input)
	if err != nil {
		return step{}, &runtime.HostError{Err: err}
	}
	t := &starlark.Thread{Name: "scripted", Print: func(*starlark.Thread, string) {}}
	t.SetMaxExecutionSteps(fnSteps)
	t.OnMaxSteps = func(t *starlark.Thread) { t.Cancel(fmt.Sprintf("more than %d steps", fnSteps)) }
	v, err := starlark.Call(t, s.fn, starlark.Tuple{starlark.String(c.Task), inputs}, nil)
	if err != nil {
		return step{}, fnError(c.Agent, err)
	}
	if v, ok := v.(starlark.Callable); ok {
		return step{}, broken("the function of agent %q gave a function, %s", c.Agent, v.Name())
	}
	got, err := stepOf(v, s.with)
	if err != nil {
		return step{}, broken("the function of agent %q gave what is no answer: %v", c.Agent, err)
	}
	if got.after > 0 && !s.with.slow {
		e := broken("the function of agent %q gave an answer with after=, and the agent answers at once", c.Agent)
		e.Hint = "give scripted an after= too, such as 0, so that the agent works beside others"
		return step{}, e
	}
	return got, nil
}

// fnError is the error of a scripted function, with the way to it.
func fnError(agent string, err error) error {
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return e
	}
	e := broken("the function of agent %q: %s", agent, messageOf(err))
	if eval, ok := errors.AsType[*starlark.EvalError](err); ok {
		for _, f := range eval.CallStack {
			if !guard.Hidden(f.Name) && f.Pos.Filename() != "<builtin>" {
				e.Trace = append(e.Trace, runtime.Frame{Func: f.Name, Pos: f.Pos.String()})
			}
		}
	}
	return e
}

// arguments are the places of the parameters of a manner, -1 for those that a builtin does not have.
type arguments struct{ confidence, reasoning, basis, cost, after int }

func mannerOf(c *builtins.Call, at arguments) (*manner, error) {
	m := &manner{}
	var err error
	if v := argument(c, at.confidence); v != nil {
		f, ok := number(v)
		if !ok || !(f >= 0 && f <= 1) {
			return nil, fmt.Errorf("%s: confidence: got %s, want a number from 0 to 1", c.Decl.Name, shown(v))
		}
		m.confidence = &f
	}
	if m.reasoning, err = text(c, at.reasoning); err != nil {
		return nil, err
	}
	if m.basis, err = text(c, at.basis); err != nil {
		return nil, err
	}
	if bases := []string{"self_report", "logprob", "verifier"}; m.basis != "" && !slices.Contains(bases, m.basis) {
		return nil, fmt.Errorf("%s: basis: got %q, want one of %q", c.Decl.Name, m.basis, bases)
	}
	if v := argument(c, at.cost); v != nil {
		f, ok := number(v)
		if !ok || !(f >= 0 && f < math.MaxInt64/1e6) {
			return nil, fmt.Errorf("%s: cost: got %s, want US dollars", c.Decl.Name, shown(v))
		}
		m.cost = f
	}
	if v := argument(c, at.after); v != nil {
		m.slow = true
		if m.after, err = duration(v); err != nil {
			return nil, fmt.Errorf("%s: after: %w", c.Decl.Name, err)
		}
	}
	return m, nil
}

// argument is what was given for a parameter, nil for nothing and None.
func argument(c *builtins.Call, i int) starlark.Value {
	if i < 0 || c.Args[i] == starlark.None {
		return nil
	}
	return c.Args[i]
}

func text(c *builtins.Call, i int) (string, error) {
	v := argument(c, i)
	if v == nil {
		return "", nil
	}
	s, ok := v.(starlark.String)
	if !ok {
		return "", fmt.Errorf("%s: %s: got %s, want a string", c.Decl.Name, c.Decl.Params[i].Name, runtime.A(v.Type()))
	}
	return string(s), nil
}

func texts(c *builtins.Call, i int) ([]string, error) {
	v := argument(c, i)
	if v == nil {
		return nil, nil
	}
	list, ok := v.(starlark.Sequence)
	if !ok {
		return nil, fmt.Errorf("%s: %s: got %s, want a list", c.Decl.Name, c.Decl.Params[i].Name, runtime.A(v.Type()))
	}
	var all []string
	for e := range starlark.Elements(list) {
		s, ok := e.(starlark.String)
		if !ok {
			return nil, fmt.Errorf("%s: %s: got %s in the list, want strings", c.Decl.Name, c.Decl.Params[i].Name, runtime.A(e.Type()))
		}
		all = append(all, string(s))
	}
	return all, nil
}

func truth(v starlark.Value) starlark.Bool { return v != nil && v.Truth() }

// duration reads a time of work: "20ms", or a number of seconds.
func duration(v starlark.Value) (time.Duration, error) {
	if f, ok := number(v); ok {
		if !(f >= 0 && f <= 86400) {
			return 0, fmt.Errorf("%s is not between no seconds and a day of them", shown(v))
		}
		return time.Duration(math.Round(f * 1e9)), nil
	}
	s, ok := v.(starlark.String)
	if !ok {
		return 0, fmt.Errorf("got %s, want a duration such as \"20ms\"", runtime.A(v.Type()))
	}
	d, err := time.ParseDuration(string(s))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s is not a duration such as \"20ms\"", shown(v))
	}
	return d, nil
}
