package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// reAsks is how often an answer of the wrong shape is sent back with the reason.
const reAsks = 2

// Parameters of ask, by index.
const (
	askTask = iota
	askReturns
	askMessages
	askTimeout
	askRetry
	askCache
)

func askDecl() *Decl {
	return &Decl{
		Name: "ask",
		Params: []Param{
			{Name: "task", Type: "str"},
			{Name: "returns", Type: "type", Default: "None", Kind: Named},
			{Name: "messages", Type: "[dict]", Default: "None", Kind: Named},
			{Name: "timeout", Type: "duration", Default: `"60s"`, Kind: Named},
			{Name: "retry", Type: "int or retry()", Default: "0", Kind: Named},
			{Name: "cache", Type: "bool or duration", Default: "None", Kind: Named},
			{Name: "inputs", Type: "any", Kind: Extra},
		},
		Result: "Result",
		Effect: true,
		Doc: `Asks an agent and waits for its answer: agent("critic").ask("review", text=text).

task says what to do; all other named arguments are the inputs and travel as one JSON object (records as objects, enums as strings, agents
as their name). messages is an earlier conversation, a list of {"role": ..., "content": ...}. timeout bounds one attempt, waiting for a
free agent excluded: a minute unless parallax.toml says otherwise for the agent; None means no bound. retry consents to repeating the call: a number of further attempts, or retry(...). What
agent(timeout=, retry=) said holds where ask says nothing.

returns asks for a shape: a record or enum type, str, int, float, bool, list, dict, [type], or a JSON Schema as a dict. The agent is
sent its JSON Schema and the answer is checked; an answer that does not fit is sent back with the reason, at most twice.

cache=True takes an earlier answer to the same question, where there is one: from the same agent in the same version and configuration, to the
same task, inputs, messages and returns. cache="24h" takes one that is no older. It costs nothing and counts as no call. Answers are kept when
they have the asked shape; failures, answers that were cut off and those with artifacts never are. A kept run shares answers with all runs of
its store, any other run has its own. Calls side by side that ask the same wait for one of them.

The Result has .value (typed as returns says, otherwise plain data), .confidence (0 to 1, or None when the agent states none), .basis of the
confidence ("self_report", "logprob", "verifier" or None), .reasoning, .agent (the name), .usage (.input_tokens .output_tokens .cost in US
dollars, ...), .attempts, .artifacts, .finish and .cached, which is True for an earlier answer. Usage and attempts count the answers that were
sent back, too. Other attributes are those of the value: with returns=Verdict, r.answer is r.value.answer. In inputs and results a Result is an object with these fields.

Errors, all catchable: "timeout", "unavailable", "refused", "schema" (.details holds the reason and the last answer), "not_found",
"budget", "unknown_outcome".

    Verdict = record(answer=enum("yes", "no"), reason=str)

    def main(claim):
        v = agent("checker").ask("Is this true?", claim=claim, returns=Verdict, retry=2)
        return {"answer": v.answer, "confidence": v.confidence}
`,
		Impl: ask,
	}
}

func ask(c *Call) (starlark.Value, error) {
	a := c.Recv.(*Agent)
	b, err := runtime.BranchOf(c.Thread)
	if err != nil {
		return nil, outOfPlace("ask", err)
	}
	call, err := askCall(c, a)
	if err != nil {
		return nil, err
	}
	q := question{call: call, returns: c.Args[askReturns]}
	return q.ask(b, c.Thread)
}

// askCall makes the effect of the arguments.
func askCall(c *Call, a *Agent) (call runtime.AgentCall, err error) {
	call = runtime.AgentCall{Agent: a.name, Pos: runtime.CallerPos(c.Thread)}
	if call.Task, err = c.nameArg(askTask); err != nil {
		return call, err
	}
	if call.Input, err = askInputs(c); err != nil {
		return call, err
	}
	if c.given(askReturns) {
		if call.Returns, err = schemaOf(c.Args[askReturns]); err != nil {
			return call, c.wrong(askReturns, "%w", err)
		}
	}
	if c.given(askMessages) {
		if call.Messages, err = c.messagesArg(askMessages); err != nil {
			return call, err
		}
	}
	if call.Timeout, err = c.durationArg(askTimeout, a.timeout); err != nil {
		return call, err
	}
	if c.Args[askTimeout] == starlark.None {
		call.Timeout = noBound
	}
	if call.Retry, err = c.retryArg(askRetry, a.retry); err != nil {
		return call, err
	}
	call.Reuse, err = c.reuseArg(askCache, c.Args[askReturns])
	return call, err
}

// reuseArg is parameter i as consent to an earlier answer, which must have the shape that returns asks for.
func (c *Call) reuseArg(i int, returns starlark.Value) (*runtime.Reuse, error) {
	r := new(runtime.Reuse)
	switch v := c.Args[i].(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		if !v {
			return nil, nil
		}
	default:
		var err error
		if r.MaxAge, err = durationArg(v); err != nil {
			return nil, c.wrong(i, "%w, or True for an answer of any age", err)
		}
		if r.MaxAge == 0 {
			return nil, c.wrong(i, "no answer is that new: leave it out to ask anew, or write True for an answer of any age")
		}
	}
	r.Fits = func(p runtime.Payload) bool {
		_, err := typedValue(returns, p)
		return err == nil
	}
	return r, nil
}

// askInputs encodes the named inputs, an empty object when there are none.
func askInputs(c *Call) (runtime.Payload, error) {
	p, err := c.fieldsArg("input")
	if p == nil && err == nil {
		p = runtime.Payload("{}")
	}
	return p, err
}

// messagesArg is parameter i as a conversation.
func (c *Call) messagesArg(i int) (runtime.Payload, error) {
	items, err := c.itemsArg(i)
	if err != nil {
		return nil, err
	}
	for k, m := range items {
		if plain, ok := m.(runtime.Plain); ok {
			m = plain.Plain()
		}
		for _, field := range []string{"role", "content"} {
			if !hasText(m, field) {
				return nil, c.wrong(i, `element %d has no %s, want {"role": "user", "content": "..."}`, k, field)
			}
		}
	}
	p, err := runtime.Encode(starlark.NewList(items))
	if err != nil {
		return nil, c.wrong(i, "%w", err)
	}
	return p, nil
}

// hasText says whether a dict or struct has a field of that name. A role is a string; content may be parts.
func hasText(v starlark.Value, field string) bool {
	var found starlark.Value
	switch v := v.(type) {
	case *starlark.Dict:
		found, _, _ = v.Get(starlark.String(field))
	case starlark.HasAttrs:
		found, _ = v.Attr(field)
	}
	if field == "role" {
		_, isText := found.(starlark.String)
		return isText
	}
	return found != nil && found != starlark.None
}

// question is one ask: the call as it stands, and what earlier answers to it cost.
type question struct {
	call     runtime.AgentCall
	returns  starlark.Value
	refused  int
	attempts int
	usage    runtime.Usage
}

// ask makes the call until its answer has the asked shape.
func (q *question) ask(b *runtime.Branch, t *starlark.Thread) (starlark.Value, error) {
	for {
		p, err := b.Do(t, q.call)
		if err != nil {
			return nil, err
		}
		r, err := q.answer(p)
		if r != nil || err != nil {
			return r, err
		}
	}
}

// answer makes the result of a call's outcome, or gives nothing when the call is to be made again with the reason.
func (q *question) answer(p runtime.Payload) (starlark.Value, error) {
	a, err := runtime.ParseAnswer(p)
	if err != nil {
		return nil, &runtime.HostError{Err: fmt.Errorf("the outcome of a call to agent %q: %w", q.call.Agent, err)}
	}
	q.attempts += a.Attempts
	q.usage.Add(a.Usage)
	v, err := q.value(a.Value)
	if err == nil {
		a.Attempts = q.attempts
		q.usage.Model = a.Usage.Model
		a.Usage = q.usage
		return &Result{answer: a, value: v}, nil
	}
	wrong, ok := errors.AsType[*schemaMismatch](err)
	if !ok {
		return nil, &runtime.HostError{Err: fmt.Errorf("the answer of agent %q: %w", q.call.Agent, err)}
	}
	if q.refused++; q.refused > reAsks {
		return nil, q.shapeless(a, wrong)
	}
	q.call.Feedback = wrong.Error()
	return nil, nil
}

func (q *question) value(p runtime.Payload) (starlark.Value, error) {
	if q.call.Returns == nil {
		return runtime.Decode(p)
	}
	return typedValue(q.returns, p)
}

// maxAnswerInDetails is up to which size a refused answer is kept in the error's details, in bytes.
const maxAnswerInDetails = 16 << 10

// shapeless is the error of an agent that does not give the shape it is asked for.
func (q *question) shapeless(a runtime.Answer, wrong *schemaMismatch) *runtime.Error {
	details := starlark.NewDict(2)
	setKey(details, "reason", starlark.String(wrong.Error()))
	if len(a.Value) <= maxAnswerInDetails {
		if v, err := runtime.Decode(a.Value); err == nil {
			setKey(details, "answer", v)
		}
	}
	e := &runtime.Error{
		Code:     runtime.Schema,
		Agent:    q.call.Agent,
		Attempts: q.attempts,
		Message:  fmt.Sprintf("agent %q did not answer in the asked shape, %d times: %v", q.call.Agent, q.refused, wrong),
		Hint:     "say in the task what each field means, or ask for a looser type with returns=",
	}
	if p, err := runtime.Encode(details); err == nil {
		e.Details = p
	}
	return e
}
