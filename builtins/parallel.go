package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// defaultLimit is how many branches of one fork run at a time unless the script says otherwise.
const defaultLimit = 16

// Parameters of parallel, by index.
const (
	parallelFn = iota
	parallelItems
	parallelLimit
	parallelTimeout
	parallelOnError
	parallelUntil
)

func parallelDecl() *Decl {
	return &Decl{
		Name: "parallel",
		Params: []Param{
			{Name: "fn", Type: "function"},
			{Name: "items", Type: "list", Default: "None"},
			{Name: "limit", Type: "int", Default: "16", Kind: Named},
			{Name: "timeout", Type: "duration", Default: "None", Kind: Named},
			{Name: "on_error", Type: `"fail" or "collect"`, Default: `"fail"`, Kind: Named},
			{Name: "until", Type: "policy", Default: "None", Kind: Named},
			{Name: "fixed", Type: "any", Kind: Extra},
		},
		Result: "Outcomes",
		Effect: true,
		Doc: `Calls fn(item, **fixed) for each item, side by side, and waits for all of them.

Each call is a branch. At most limit of them run at a time (None: all at once); timeout bounds the whole and takes no slot of limit. The list
of items is copied; the items, the other arguments and whatever fn can reach are frozen for good, and so are the results: change a copy.

The Outcomes are in input order, whatever the order of arrival. .values is a fresh list of the results, .all .ok .failed .cancelled are lists of
outcomes with .index .item .value .error .status; other attributes of an outcome are those of its value. Iterating, len() and [i]
go over the values. As a result of main they become a list of {index, status, value or error}.

on_error="fail" cancels the rest at the first failure and raises that failure; a timeout raises "timeout". on_error="collect" keeps failures in
.failed, the code "timeout" among them. Bugs in the script, limits and cancellation are raised in either case.

until stops early: first(n), quorum(n), majority_locked(), adaptive(confidence) or sprt() look at results as they arrive, and when they have seen
enough the rest is cancelled and is in .cancelled. A branch that has ended keeps its place in limit until it was looked at, so no more than limit branches
are under way that may not be needed; limit=1 asks one after the other. With until, on_error is "collect" unless given. The order of arrival is recorded.

parallel([call, ...]) without items is gather(call, ...).

    def review(reviewer, text):
        return reviewer.ask("review", text=text)

    def main(text):
        done = parallel(review, agents("review"), text=text, timeout="2m", on_error="collect")
        return {"notes": [r.value for r in done], "missing": [f.item for f in done.failed]}
`,
		Impl: parallel,
	}
}

func parallel(c *Call) (starlark.Value, error) {
	f := &fork{name: "parallel"}
	if err := c.rules(f, parallelLimit, parallelTimeout, parallelOnError); err != nil {
		return nil, err
	}
	if err := c.calls(f); err != nil {
		return nil, err
	}
	if c.given(parallelUntil) {
		p, ok := c.Args[parallelUntil].(*policy)
		if !ok {
			return nil, c.wrong(parallelUntil, "got %s, want first(n), quorum(n), majority_locked() or adaptive(confidence)", runtime.A(c.Args[parallelUntil].Type()))
		}
		f.until = p.watch(c.Thread)
		f.collect = f.collect || c.Args[parallelOnError] == nil
		f.shared = append(f.shared, p)
	}
	return f.outcomes(c.Thread)
}

// outcomes is settle for a builtin that returns the outcomes themselves.
func (f *fork) outcomes(t *starlark.Thread) (starlark.Value, error) {
	out, err := f.settle(t)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rules reads the parameters that forks share, by index; -1 stands for one that the builtin does not have.
func (c *Call) rules(f *fork, limit, timeout, onError int) (err error) {
	if limit >= 0 {
		if f.limit, err = c.limitArg(limit); err != nil {
			return err
		}
	}
	if timeout >= 0 {
		if f.timeout, err = c.durationArg(timeout, 0); err != nil {
			return err
		}
	}
	if onError >= 0 {
		mode, err := c.choiceArg(onError, "fail", "fail", "collect")
		f.collect = mode == "collect"
		return err
	}
	return nil
}

// limitArg is how many branches run at a time; None means all.
func (c *Call) limitArg(i int) (int, error) {
	if c.Args[i] == starlark.None {
		return 0, nil
	}
	return c.intArg(i, defaultLimit, 1)
}

// calls reads what parallel calls: a function over items, or a list of calls.
func (c *Call) calls(f *fork) error {
	if !c.given(parallelItems) {
		return c.listOfCalls(f)
	}
	fn, err := c.callableArg(parallelFn)
	if err != nil {
		return err
	}
	if f.items, err = c.itemsArg(parallelItems); err != nil {
		return err
	}
	fixed := c.Extra
	f.n = len(f.items)
	f.shared = append(f.shared, fn)
	for _, kv := range fixed {
		f.shared = append(f.shared, kv[1])
	}
	f.body = func(t *starlark.Thread, i int) (starlark.Value, error) {
		return starlark.Call(t, fn, starlark.Tuple{f.items[i]}, fixed)
	}
	return nil
}

// listOfCalls reads parallel([call, ...]).
func (c *Call) listOfCalls(f *fork) error {
	list, ok := c.Args[parallelFn].(starlark.Iterable)
	if !ok {
		return fmt.Errorf("parallel: items are missing: %s", c.Decl.Signature())
	}
	if len(c.Extra) > 0 {
		return fmt.Errorf("parallel: a list of calls takes no further arguments, give %s to defer", string(c.Extra[0][0].(starlark.String)))
	}
	var calls []starlark.Value
	for v := range starlark.Elements(list) {
		calls = append(calls, v)
	}
	return f.call(c, calls)
}

// call makes the fork call each of the values.
func (f *fork) call(c *Call, calls []starlark.Value) error {
	for i, v := range calls {
		if _, ok := v.(starlark.Callable); !ok {
			return fmt.Errorf("%s: call %d is %s, want a function without parameters or defer(f, x)", c.Decl.Name, i, runtime.A(v.Type()))
		}
	}
	f.n, f.items = len(calls), calls
	f.body = func(t *starlark.Thread, i int) (starlark.Value, error) {
		if d, ok := calls[i].(*deferred); ok {
			return starlark.Call(t, d.fn, d.args, d.kwargs)
		}
		return starlark.Call(t, calls[i], nil, nil)
	}
	return nil
}
