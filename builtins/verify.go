package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// Parameters of verify, by index.
const (
	verifyValue = iota
	verifyOracles
	verifyRetry
	verifyEscalate
	verifyPolicy
	verifyName
)

func verifyDecl() *Decl {
	return &Decl{
		Name: "verify",
		Params: []Param{
			{Name: "value", Type: "any"},
			{Name: "oracles", Type: "agent, function, type or checklist", Kind: Rest},
			{Name: "retry", Type: "function or agent", Default: "None", Kind: Named},
			{Name: "escalate", Type: "[function or agent]", Default: "[]", Kind: Named},
			{Name: "policy", Type: "dict", Default: "None", Kind: Named},
			{Name: "name", Type: "str", Default: `"verify"`, Kind: Named},
		},
		Result: "Verdict",
		Effect: true,
		Doc: `Checks a value against oracles, and has it mended or decided by others when they doubt it.

The oracles are asked in the order given, so write the cheapest first. Their least score counts, not the mean. An oracle is
- an agent: it is asked to check value=, and its answer is read as below; an exec agent runs a command, such as the tests;
- a function of the value, or a Call from defer, called as it is; a person is a function that calls approve;
- a type, as ask(returns=) takes it (a record, an enum, bool, {"ok": bool}, a JSON Schema as a dict): 1 when the value fits, else 0;
- a checklist, a dict of names to functions or a list of functions: the share that hold (the mean, where they give scores).
Starlark's own any, all, len and the like are refused: write what must hold, such as lambda v: len(v) > 0.

An answer is read as a score from 0 to 1:
- True or False, a number, or a Decision of approve ("approve", "accept" and "yes" are 1, "reject" and "no" are 0);
- a dict, struct, record or text of a JSON object, with score, with passed or ok as a bool, or with the counts passed and failed (or failures), and
  skipped and errors if any: passed / (passed + failed + skipped + errors), for a skipped test is not a passed one. A list counts by its length, and
  what total holds beyond the counts as skipped. An exit_code beside these that is not 0 is a 0; errors that are no count, such as a text, leave no evidence;
- a Verdict: its score when it passed, 0 when it surfaced;
- a Result, for its value. When its basis is "verifier", as that of a command, it counts for no more than its confidence, and an object with an exit_code
  and no score of its own, such as {exit_code, stdout, stderr}, for just that. So a command says no by an exit code that is not among its ok_codes,
  whatever it counts; words and bare numbers that it prints are no evidence.

When it says several of these the least counts. Its reasons are in reason or reasons, a comment, or the end of error, stderr and stdout.
Everything else is no evidence: None, other text, also "1" or "true", a number outside 0 to 1, a run without tests, an error of an agent, fail(). A command that crashes
says no by its exit code; with on_exit = "fail" in its table it is no evidence instead.
No evidence is never a pass. Bugs of the script, limits and cancellation are raised, as attempt raises them.

What follows is the policy, {"accept": 0.8, "warn": 0.6, "retry": 0.4} unless policy= says otherwise for some of them:
- accept or more: the value is accepted; from warn to accept: it is accepted with .warning;
- from retry to warn: retry= mends it once and the new value is checked in the same way. The better one stands, the first of equals;
  evidence from all oracles is better than evidence from some. Below warn still, or without retry=, it escalates. Of two scores of an oracle
  that errs, the better one flatters: the value that stands is on average a little worse than its score says;
- below retry, or without evidence from an oracle: it escalates at once, and the oracles that are left are skipped.

retry is a function of (value, reasons) that gives a new value, or an agent that is asked to mend it. escalate lists who comes next, each
only when those before did not help: an agent, asked to mend, or a function of (value, verdict so far). They get the best value so
far; what they give is checked by the same oracles. When they give a Decision of approve it decides: approved, the value is accepted as it
stands. Who fails or gives None is noted and passed over. A mending agent is asked for the type of the value if that is a record, else for
the first type among the oracles. Of a Result, an outcome or an attempt the value counts, here and as the value to verify; one that holds None has
no value, which never passes, and None itself is an error.

Each value is frozen before it is checked, so that what passes is what was checked: change a copy. One that is equal to a value checked before is not checked
again; it has the same findings.

With nobody left the status is "surfaced": somebody should look at it. It is neither an error nor a pass.

The Verdict is true when it passed. It has .value (the best seen), .score (the least, or None without evidence), .status ("accepted" or
"surfaced"), .passed, .warning, .by (whose value it is: "given", "retry", or the name of an agent or function; or the person who
approved it), .reasons (why it is doubted, a list of strings), .evidence (a list of struct(stage, oracle, score, reasons, skipped)) and
.stages (a list of struct(stage, by, score, result, reasons); the result is "accepted", "doubtful", "refuted", "no_evidence", "failed" or
"rejected"). It tells of itself as an event "gate" of the given name.

    Summary = record(title=str, points=[str])

    def main(doc):
        draft = agent("writer").ask("Summarise", doc=doc, returns=Summary)
        v = verify(
            draft,
            {"has points": lambda s: len(s.points) > 0, "short title": lambda s: len(s.title) < 80},
            agent("critic"),
            retry=lambda s, reasons: agent("writer").ask("Mend", summary=s, reasons=reasons, returns=Summary),
            escalate=[agent("senior-writer"), lambda s, v: approve("Publish?", context=[s, v.reasons])],
        )
        return v.value if v.passed else fail("not good enough:", v.reasons)
`,
		Impl: verify,
	}
}

func verify(c *Call) (starlark.Value, error) {
	b, err := runtime.BranchOf(c.Thread)
	if err != nil {
		return nil, outOfPlace(c.Decl.Name, err)
	}
	given, trouble := held(c.Args[verifyValue])
	switch {
	case c.Args[verifyValue] == starlark.None:
		return nil, c.wrong(verifyValue, "it is None: there is nothing to verify")
	case given == nil:
		return nil, c.wrong(verifyValue, "there is nothing to verify: %s", trouble)
	}
	v := &verification{Call: c, branch: b}
	if err := v.arguments(); err != nil {
		return nil, err
	}
	if err := v.run(given); err != nil {
		return nil, err
	}
	return v.tell()
}

// arguments reads everything but the value.
func (v *verification) arguments() (err error) {
	if v.name, err = v.textOr(verifyName, "verify"); err != nil {
		return err
	}
	if v.policy, err = v.policyArg(verifyPolicy); err != nil {
		return err
	}
	if v.oracles, err = v.oraclesArg(); err != nil {
		return err
	}
	if v.given(verifyRetry) {
		m, ok := menderOf(v.Args[verifyRetry])
		if !ok {
			return v.wrong(verifyRetry, "got %s, want a function of (value, reasons), or an agent", runtime.A(v.Args[verifyRetry].Type()))
		}
		v.retry = &m
	}
	v.escalate, err = v.mendersArg(verifyEscalate)
	return err
}

// mendersArg is parameter i as a list of those who may help.
func (c *Call) mendersArg(i int) ([]mender, error) {
	if !c.given(i) {
		return nil, nil
	}
	items, err := c.itemsArg(i)
	if err != nil {
		return nil, err
	}
	all := make([]mender, len(items))
	for k, item := range items {
		m, ok := menderOf(item)
		if !ok {
			return nil, c.wrong(i, "element %d is %s, want an agent, or a function of (value, verdict)", k, runtime.A(item.Type()))
		}
		all[k] = m
	}
	return all, nil
}

// tell emits the verdict as an event and gives it.
func (v *verification) tell() (starlark.Value, error) {
	verdict := v.verdict()
	fields := []starlark.Tuple{
		{starlark.String("by"), starlark.String(verdict.by)},
		{starlark.String("passed"), starlark.Bool(verdict.passed)},
		{starlark.String("score"), verdict.score()},
		{starlark.String("status"), starlark.String(verdict.status())},
		{starlark.String("warning"), starlark.Bool(verdict.warning)},
	}
	data, err := runtime.EncodeFields(fields)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if _, err := v.do(runtime.Emit{Kind: runtime.GateChecked, Name: v.name, Data: data}); err != nil {
		return nil, err
	}
	return verdict, nil
}
