package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/runtime/guard"
)

// given says whether the caller gave parameter i something other than None.
func (c *Call) given(i int) bool { return c.Args[i] != nil && c.Args[i] != starlark.None }

// wrong makes the error of an argument: `sleep: duration: ...`.
func (c *Call) wrong(i int, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", c.Decl.Name, c.Decl.Params[i].Name, fmt.Errorf(format, args...))
}

// textArg is parameter i as a string, or "" when it was not given.
func (c *Call) textArg(i int) (string, error) {
	if !c.given(i) {
		return "", nil
	}
	s, ok := c.Args[i].(starlark.String)
	if !ok {
		return "", c.wrong(i, "got %s, want a string", runtime.A(c.Args[i].Type()))
	}
	return string(s), nil
}

// nameArg is parameter i as a string with something in it.
func (c *Call) nameArg(i int) (string, error) { //nolint:unparam // names come first, for now
	s, err := c.textArg(i)
	if err == nil && strings.TrimSpace(s) == "" {
		return "", c.wrong(i, "an empty string names nothing")
	}
	return s, err
}

// intArg is parameter i as an integer of at least least, or def when it was not given.
func (c *Call) intArg(i, def, least int) (int, error) {
	if !c.given(i) {
		return def, nil
	}
	n, err := starlark.AsInt32(c.Args[i])
	if _, isInt := c.Args[i].(starlark.Int); !isInt || err != nil {
		return 0, c.wrong(i, "got %s, want an int", shown(c.Args[i]))
	}
	if n < least {
		return 0, c.wrong(i, "%d is less than %d", n, least)
	}
	return n, nil
}

// floatArg is parameter i as a float, or def when it was not given.
func (c *Call) floatArg(i int, def float64) (float64, error) {
	if !c.given(i) {
		return def, nil
	}
	f, ok := starlark.AsFloat(c.Args[i])
	if !ok {
		return 0, c.wrong(i, "got %s, want a number", runtime.A(c.Args[i].Type()))
	}
	return f, nil
}

// durationArg is parameter i as a duration of more than nothing, def when it was left out, and zero, which means no bound,
// when it is None.
func (c *Call) durationArg(i int, def time.Duration) (time.Duration, error) {
	switch c.Args[i] {
	case nil:
		return def, nil
	case starlark.None:
		return 0, nil
	}
	d, err := durationArg(c.Args[i])
	if err != nil {
		return 0, c.wrong(i, "%w", err)
	}
	if d <= 0 {
		return 0, c.wrong(i, "a duration of nothing, leave it out or write None for no bound")
	}
	return d, nil
}

// choiceArg is parameter i as one of the options, or def when it was left out.
func (c *Call) choiceArg(i int, def string, options ...string) (string, error) {
	if c.Args[i] == nil {
		return def, nil
	}
	s, err := c.textArg(i)
	if err != nil {
		return "", err
	}
	if !slices.Contains(options, s) {
		return "", c.wrong(i, "%q is not one of %s", brief(s), quoted(options))
	}
	return s, nil
}

// callableArg is parameter i as something that can be called.
func (c *Call) callableArg(i int) (starlark.Callable, error) {
	fn, ok := c.Args[i].(starlark.Callable)
	if !ok {
		return nil, c.wrong(i, "got %s, want a function; write defer(f, x) for a call of f with x", runtime.A(c.Args[i].Type()))
	}
	return fn, nil
}

// textsArg is parameter i as a list of strings.
func (c *Call) textsArg(i int) ([]string, error) {
	if !c.given(i) {
		return nil, nil
	}
	values, err := c.itemsArg(i)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(values))
	for k, v := range values {
		s, ok := v.(starlark.String)
		if !ok {
			return nil, c.wrong(i, "element %d is %s, want a string", k, runtime.A(v.Type()))
		}
		texts[k] = string(s)
	}
	return texts, nil
}

// itemsArg copies what parameter i iterates over.
func (c *Call) itemsArg(i int) ([]starlark.Value, error) {
	iterable, ok := c.Args[i].(starlark.Iterable)
	if !ok {
		return nil, c.wrong(i, "got %s, want a list", runtime.A(c.Args[i].Type()))
	}
	size := max(starlark.Len(iterable), 0)
	if err := charge(c.Thread, size*16); err != nil {
		return nil, err
	}
	items := make([]starlark.Value, 0, size)
	for v := range starlark.Elements(iterable) {
		items = append(items, v)
	}
	return items, nil
}

// do performs an effect on behalf of the call.
func (c *Call) do(e runtime.Effect) (runtime.Payload, error) {
	b, err := runtime.BranchOf(c.Thread)
	if err != nil {
		return nil, outOfPlace(c.Decl.Name, err)
	}
	return b.Do(c.Thread, e)
}

// outOfPlace names the builtin in the error of one that was used while a module is loaded.
func outOfPlace(name string, err error) error {
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok || e.Code != runtime.Script {
		return err
	}
	named := *e
	named.Message = name + ": " + e.Message
	return &named
}

// fieldsArg encodes named arguments as one object, nil when there are none; noun is what people call one of them.
func (c *Call) fieldsArg(noun string) (runtime.Payload, error) {
	if len(c.Extra) == 0 {
		return nil, nil
	}
	p, err := runtime.EncodeFields(c.Extra)
	if err != nil {
		return nil, c.unencodable(noun, err)
	}
	return p, nil
}

// unencodable says which of the named arguments has no JSON form.
func (c *Call) unencodable(noun string, err error) error {
	e, ok := errors.AsType[*runtime.PayloadError](err)
	if !ok {
		return err
	}
	if name, found := strings.CutPrefix(e.Path, "$."); found {
		return fmt.Errorf("%s: %s %s: %s%s", c.Decl.Name, noun, name, e.Reason, c.meant(name))
	}
	return fmt.Errorf("%s: the %ss: %s", c.Decl.Name, noun, e.Reason)
}

// meant asks whether a named argument that could not be handed on was for a parameter, "" where none is like it.
func (c *Call) meant(name string) string {
	var params []string
	for i, p := range c.Decl.Params {
		if c.Args[i] == nil && (p.Kind == Plain || p.Kind == Named) {
			params = append(params, p.Name)
		}
	}
	if near := runtime.Nearest(name, params); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// decoded is the outcome of an effect as a value. An outcome that cannot be read is the host's fault, not the script's.
func decoded(p runtime.Payload, err error) (starlark.Value, error) {
	if err != nil {
		return nil, err
	}
	v, err := runtime.Decode(p)
	if err != nil {
		return nil, &runtime.HostError{Err: err}
	}
	return v, nil
}

// textOf is a value as str() writes it, measured and charged before it is written.
func textOf(t *starlark.Thread, v starlark.Value) (string, error) {
	if s, ok := v.(starlark.String); ok {
		return string(s), nil
	}
	n, err := guard.Measure(v)
	if err != nil {
		return "", err
	}
	if err := charge(t, int(n)); err != nil {
		return "", err
	}
	return v.String(), nil
}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(q, ", ")
}

// shown is a value for a message: short ones as they are, others by their type.
func shown(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.Int, starlark.Float:
		return brief(v.String())
	case starlark.String:
		return fmt.Sprintf("%q", brief(string(v)))
	}
	return runtime.A(v.Type())
}
