package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// failure is a *runtime.Error as scripts see it: data. It is immutable.
type failure struct{ err *runtime.Error }

var failureAttrs = []string{"agent", "attempts", "code", "details", "hint", "message", "retryable", "trace"}

// String reads well in a log line: "timeout: no answer within 60s".
func (f failure) String() string        { return string(f.err.Code) + ": " + f.err.Message }
func (f failure) Type() string          { return "error" }
func (f failure) Freeze()               {}
func (f failure) Truth() starlark.Bool  { return true }
func (f failure) Hash() (uint32, error) { return starlark.String(f.String()).Hash() }
func (f failure) AttrNames() []string   { return failureAttrs }

// Attr gives one fact of the failure; facts that it does not have are None.
func (f failure) Attr(name string) (starlark.Value, error) {
	switch name {
	case "agent":
		return textOrNone(f.err.Agent), nil
	case "attempts":
		return starlark.MakeInt(f.err.Attempts), nil
	case "code":
		return starlark.String(f.err.Code), nil
	case "details":
		if f.err.Details == nil {
			return starlark.None, nil
		}
		return decoded(f.err.Details, nil)
	case "hint":
		return textOrNone(f.err.Hint), nil
	case "message":
		return starlark.String(f.err.Message), nil
	case "retryable":
		return starlark.Bool(f.err.Retryable), nil
	case "trace":
		return starlark.String(f.err.Backtrace()), nil
	}
	return nil, nil
}

// Plain is the failure as it goes into results and inputs: without hint and trace, which are for people.
func (f failure) Plain() starlark.Value {
	d := starlark.NewDict(6)
	for _, name := range []string{"code", "message", "agent", "attempts", "retryable", "details"} {
		v, err := f.Attr(name)
		if err != nil || v == starlark.None || name == "attempts" && f.err.Attempts == 0 {
			continue
		}
		setKey(d, name, v)
	}
	return d
}

func textOrNone(s string) starlark.Value {
	if s == "" {
		return starlark.None
	}
	return starlark.String(s)
}

// setKey fills a dict of our own, which is neither frozen nor iterated over and has string keys: it cannot fail.
func setKey(d *starlark.Dict, name string, v starlark.Value) {
	if err := d.SetKey(starlark.String(name), v); err != nil {
		panic(fmt.Sprintf("a fresh dict refused the key %q: %v", name, err))
	}
}

func failDecl() *Decl {
	return &Decl{
		Name: "fail",
		Params: []Param{
			{Name: "args", Type: "any", Kind: Rest},
			{Name: "sep", Type: "str", Default: `" "`, Kind: Named},
		},
		Doc: `Gives up: ends the run, or whatever attempt or on_error="collect" surrounds the call, with an error of code "fail".

The message is the arguments as str() writes them, with sep between them. An error that attempt caught, as the only argument, is raised again as it
was, with its code. Nothing is returned. attempt turns the error into data, a fork treats the branch as failed; uncaught, the run
ends with the message and a backtrace.

    def main(score):
        if score < 0.5:
            fail("score", score, "is too low")
`,
		Impl: func(c *Call) (starlark.Value, error) {
			if len(c.Rest) == 1 {
				if caught, ok := c.Rest[0].(failure); ok {
					again := *caught.err
					again.Trace = nil
					return nil, &again
				}
			}
			sep := " "
			if c.Args[1] != nil {
				s, err := c.textArg(1)
				if err != nil {
					return nil, err
				}
				sep = s
			}
			text, err := joined(c.Thread, c.Rest, sep)
			if err != nil {
				return nil, err
			}
			return nil, &runtime.Error{Code: runtime.Failed, Message: text}
		},
	}
}

// maxFailText bounds the message of fail, in bytes.
const maxFailText = 8 << 10

func joined(t *starlark.Thread, args starlark.Tuple, sep string) (string, error) {
	var b strings.Builder
	for i, v := range args {
		if i > 0 {
			b.WriteString(sep)
		}
		text, err := textOf(t, v)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		if b.Len() > maxFailText {
			return clipped(b.String(), maxFailText), nil
		}
	}
	if b.Len() == 0 {
		return "fail() was called", nil
	}
	return b.String(), nil
}
