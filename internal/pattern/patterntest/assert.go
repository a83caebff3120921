package patterntest

import (
	"errors"
	"fmt"
	"math"
	"regexp"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/runtime/guard"
)

func assertDecls() []*builtins.Decl {
	return []*builtins.Decl{eqDecl(), neDecl(), trueDecl(), falseDecl(), containsDecl(), approxDecl(), goldenDecl(), failsDecl()}
}

// gotAndWant are the parameters of a comparison.
func gotAndWant() []builtins.Param {
	return []builtins.Param{{Name: "got", Type: "any"}, {Name: "want", Type: "any"}}
}

func eqDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "assert.eq", Params: gotAndWant(), Result: "None",
		Doc: `Fails the test unless got == want.

    assert.eq(band(0.79), "medium")
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			same, err := equal(c)
			if err != nil {
				return nil, err
			}
			if !same {
				return nil, different(c.Decl.Name, c.Args[0], c.Args[1], "want")
			}
			return starlark.None, nil
		},
	}
}

func neDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "assert.ne", Params: gotAndWant(), Result: "None",
		Doc: `Fails the test if got == want.

    assert.ne(uuid(), uuid())
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			same, err := equal(c)
			if err != nil {
				return nil, err
			}
			if same {
				return nil, broken("assert.ne: got %s, want anything else", shown(c.Args[0]))
			}
			return starlark.None, nil
		},
	}
}

// equalDepth is how deep two values are compared.
const equalDepth = 100

// equal compares the two arguments of a call. Values that are too large to be printed are too large to be compared.
func equal(c *builtins.Call) (bool, error) {
	for _, v := range c.Args[:2] {
		if _, err := guard.Measure(v); err != nil {
			return false, err
		}
	}
	return starlark.EqualDepth(c.Args[0], c.Args[1], equalDepth)
}

func truthDecl(name string, want starlark.Bool, doc string) *builtins.Decl {
	return &builtins.Decl{
		Name: name, Params: []builtins.Param{{Name: "x", Type: "any"}, {Name: "msg", Type: "str", Default: "None"}}, Result: "None", Doc: doc,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			if c.Args[0].Truth() == want {
				return starlark.None, nil
			}
			if s, ok := c.Args[1].(starlark.String); ok {
				return nil, broken("%s: %s", c.Decl.Name, string(s))
			}
			return nil, broken("%s: got %s", c.Decl.Name, shown(c.Args[0]))
		},
	}
}

func trueDecl() *builtins.Decl {
	return truthDecl("assert.true", true, `Fails the test unless x is true, as if sees it; msg says what went wrong.

    assert.true(verdict, "nobody vouched for it")
`)
}

func falseDecl() *builtins.Decl {
	return truthDecl("assert.false", false, `Fails the test if x is true, as if sees it; msg says what went wrong.

    assert.false(decision.decided)
`)
}

func containsDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "assert.contains", Params: []builtins.Param{{Name: "container", Type: "any"}, {Name: "item", Type: "any"}}, Result: "None",
		Doc: `Fails the test unless item is in container: a text in a text, an element in a list, tuple or set, a key in a dict.

    assert.contains(failed.error.message, "no answer within")
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			in, err := starlark.Binary(syntax.IN, c.Args[1], c.Args[0])
			if err != nil {
				return nil, fmt.Errorf("assert.contains: %w", err)
			}
			if !in.Truth() {
				return nil, different(c.Decl.Name, c.Args[0], c.Args[1], "want in it")
			}
			return starlark.None, nil
		},
	}
}

func approxDecl() *builtins.Decl {
	return &builtins.Decl{
		Name:   "assert.approx",
		Params: append(gotAndWant(), builtins.Param{Name: "tolerance", Type: "float", Default: "1e-9"}),
		Result: "None",
		Doc: `Fails the test unless two numbers differ by tolerance at most.

Lists, tuples and dicts are compared element by element; what is no number must be equal.

    assert.approx(1 / 3, 0.3333, tolerance=1e-4)
    assert.approx({"a": 0.1 + 0.2}, {"a": 0.3})
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			tolerance := 1e-9
			if c.Args[2] != nil {
				f, ok := starlark.AsFloat(c.Args[2])
				if !ok || !(f >= 0) {
					return nil, fmt.Errorf("assert.approx: tolerance: got %s, want a number from 0", shown(c.Args[2]))
				}
				tolerance = f
			}
			near, err := approx(c.Args[0], c.Args[1], tolerance, equalDepth)
			if err != nil {
				return nil, fmt.Errorf("assert.approx: %w", err)
			}
			if !near {
				return nil, different(c.Decl.Name, c.Args[0], c.Args[1], "want about")
			}
			return starlark.None, nil
		},
	}
}

// approx says whether two values are equal but for a tolerance of their numbers.
func approx(got, want starlark.Value, tolerance float64, depth int) (bool, error) {
	if depth == 0 {
		return false, errors.New("the values are nested too deep")
	}
	if g, ok := number(got); ok {
		w, ok := number(want)
		return ok && math.Abs(g-w) <= tolerance, nil
	}
	switch got := got.(type) {
	case *starlark.Dict:
		want, ok := want.(*starlark.Dict)
		if !ok || got.Len() != want.Len() {
			return false, nil
		}
		for _, kv := range got.Items() {
			w, found, err := want.Get(kv[0])
			if err != nil || !found {
				return false, err
			}
			if near, err := approx(kv[1], w, tolerance, depth-1); !near {
				return false, err
			}
		}
		return true, nil
	case starlark.Indexable:
		want, ok := want.(starlark.Indexable)
		if _, text := got.(starlark.String); ok && !text && got.Len() == want.Len() {
			for i := range got.Len() {
				if near, err := approx(got.Index(i), want.Index(i), tolerance, depth-1); !near {
					return false, err
				}
			}
			return true, nil
		}
	}
	return starlark.EqualDepth(got, want, depth)
}

// number is an int or float as a float; a bool is neither.
func number(v starlark.Value) (float64, bool) {
	switch v.(type) {
	case starlark.Int, starlark.Float:
		return starlark.AsFloat(v)
	}
	return 0, false
}

func failsDecl() *builtins.Decl {
	return &builtins.Decl{
		Name: "assert.fails",
		Params: []builtins.Param{
			{Name: "fn", Type: "function"},
			{Name: "args", Type: "any", Kind: builtins.Rest},
			{Name: "matches", Type: "str", Default: "None", Kind: builtins.Named},
			{Name: "kwargs", Type: "any", Kind: builtins.Extra},
		},
		Result: "struct",
		Doc: `Calls fn(*args, **kwargs) and fails the test unless that ends in an error.

matches is a regular expression that is looked for in "code: message". The result has the .code of the error, its .message and its .details. Bugs
of the script are errors like others here, with the code "script"; limits and failed assertions are not caught.

    assert.fails(band, 1.5, matches="between 0 and 1")
    assert.eq(assert.fails(agent("a").ask, "x").code, "timeout")
`,
		Impl: fails,
	}
}

func fails(c *builtins.Call) (starlark.Value, error) {
	fn, ok := c.Args[0].(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("assert.fails: fn: got %s, want a function; write assert.fails(f, x) and not assert.fails(f(x))", runtime.A(c.Args[0].Type()))
	}
	matches, err := expression(c, 2)
	if err != nil {
		return nil, err
	}
	v, err := starlark.Call(c.Thread, fn, c.Rest, c.Extra)
	if err == nil {
		return nil, broken("assert.fails: %s did not fail, it gave %s", fn.Name(), shown(v))
	}
	e := caught(err)
	if e == nil {
		return nil, err
	}
	text := string(e.Code) + ": " + e.Message
	if matches != nil && !matches.MatchString(text) {
		return nil, broken("assert.fails: the error does not match\n  got     %s\n  matches %s", text, matches)
	}
	details, err := decoded(e.Details)
	if err != nil {
		return nil, err
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"code": starlark.String(e.Code), "message": starlark.String(e.Message), "details": details,
	}), nil
}

// expression is a parameter as a regular expression, nil for none.
func expression(c *builtins.Call, i int) (*regexp.Regexp, error) {
	v := argument(c, i)
	if v == nil {
		return nil, nil
	}
	name := c.Decl.Name + ": " + c.Decl.Params[i].Name
	s, ok := v.(starlark.String)
	if !ok {
		return nil, fmt.Errorf("%s: got %s, want a string", name, runtime.A(v.Type()))
	}
	re, err := regexp.Compile(string(s))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return re, nil
}

// caught is an error as data, nil for one that must end the test.
func caught(err error) *runtime.Error {
	_, host := errors.AsType[*runtime.HostError](err)
	_, large := errors.AsType[*guard.TooLarge](err)
	if host || large || IsAssertion(err) {
		return nil
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		if e.Code == runtime.Limit || e.Code == runtime.Cancelled {
			return nil
		}
		return e
	}
	return &runtime.Error{Code: runtime.Script, Message: messageOf(err)}
}

func messageOf(err error) string {
	if e, ok := errors.AsType[*starlark.EvalError](err); ok {
		return e.Msg
	}
	return err.Error()
}
