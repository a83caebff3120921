package builtins

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// decision is what a person chose. It is immutable.
type decision struct{ choice, by, comment string }

func (d *decision) String() string {
	return fmt.Sprintf("decision(choice=%q, by=%q)", d.choice, d.by)
}
func (d *decision) Type() string          { return "decision" }
func (d *decision) Freeze()               {}
func (d *decision) Truth() starlark.Bool  { return d.choice == approved }
func (d *decision) Hash() (uint32, error) { return starlark.String(d.choice).Hash() }
func (d *decision) AttrNames() []string   { return []string{"approved", "by", "choice", "comment"} }

// Attr gives one fact of the decision.
func (d *decision) Attr(name string) (starlark.Value, error) {
	switch name {
	case "approved":
		return d.Truth(), nil
	case "by":
		return textOrNone(d.by), nil
	case "choice":
		return starlark.String(d.choice), nil
	case "comment":
		return textOrNone(d.comment), nil
	}
	return nil, nil
}

// Plain is the decision as it goes into results and inputs.
func (d *decision) Plain() starlark.Value {
	o := starlark.NewDict(4)
	for _, name := range d.AttrNames() {
		if v, err := d.Attr(name); err == nil {
			setKey(o, name, v)
		}
	}
	return o
}

// The two choices that a person has unless the script says otherwise.
const (
	approved = "approve"
	rejected = "reject"
)

// Parameters of approve, by index.
const (
	approveTitle = iota
	approveOptions
	approveContext
	approveBy
	approveTimeout
	approveOnTimeout
)

const defaultApprovalTimeout = 24 * time.Hour

func approveDecl() *Decl {
	return &Decl{
		Name: "approve",
		Params: []Param{
			{Name: "title", Type: "str"},
			{Name: "options", Type: "[str]", Default: `["approve", "reject"]`, Kind: Named},
			{Name: "context", Type: "any", Default: "None", Kind: Named},
			{Name: "by", Type: "str", Default: "None", Kind: Named},
			{Name: "timeout", Type: "duration", Default: `"24h"`, Kind: Named},
			{Name: "on_timeout", Type: "str", Default: `"fail"`, Kind: Named},
		},
		Result: "Decision",
		Effect: true,
		Doc: `Asks a person to choose, and waits.

title is the question, options are the choices (at least two for a real one), context is what the person needs to see; it must have a JSON form. by names a role or a
person who may decide; without it anybody who can see the run may. Timeout None waits for ever. The question survives a crash.

The Decision has .choice (one of the options), .by (who), .comment, and .approved, which is True when the choice is "approve"; with options of your
own look at .choice. It is true when approved.

When nobody has decided by the timeout: on_timeout="fail" is the error "timeout"; "reject", or any of the options, makes that the choice, with no .by and
the comment "nobody decided in time".

    def main(text):
        d = approve("Publish this?", context=text, by="editors", timeout="8h", on_timeout="reject")
        return "published" if d.approved else "kept back: %s" % d.comment
`,
		Impl: approve,
	}
}

func approve(c *Call) (starlark.Value, error) {
	e, err := c.approval()
	if err != nil {
		return nil, err
	}
	fallback, err := c.choiceArg(approveOnTimeout, "fail", append([]string{"fail", rejected}, e.Options...)...)
	if err != nil {
		return nil, err
	}
	v, err := decoded(c.do(e))
	if late, ok := errors.AsType[*runtime.Error](err); ok && late.Code == runtime.Timeout && fallback != "fail" {
		return &decision{choice: fallback, comment: "nobody decided in time"}, nil
	}
	if err != nil {
		return nil, err
	}
	return decisionOf(v)
}

// approval makes the effect of the arguments.
func (c *Call) approval() (e runtime.Approval, err error) {
	if e.Title, err = c.nameArg(approveTitle); err != nil {
		return e, err
	}
	if e.Options, err = c.optionsArg(approveOptions); err != nil {
		return e, err
	}
	if c.given(approveContext) {
		if e.Context, err = runtime.Encode(c.Args[approveContext]); err != nil {
			return e, c.wrong(approveContext, "%w", err)
		}
	}
	if e.By, err = c.textArg(approveBy); err != nil {
		return e, err
	}
	e.Timeout, err = c.durationArg(approveTimeout, defaultApprovalTimeout)
	return e, err
}

func (c *Call) optionsArg(i int) ([]string, error) {
	if c.Args[i] == nil {
		return []string{approved, rejected}, nil
	}
	options, err := c.textsArg(i)
	if err != nil {
		return nil, err
	}
	if len(options) == 0 {
		return nil, c.wrong(i, "there is nothing to choose from")
	}
	for k, o := range options {
		if o == "" || slices.Contains(options[:k], o) {
			return nil, c.wrong(i, "option %d, %q, is empty or stands twice", k, brief(o))
		}
	}
	return options, nil
}

// decisionOf reads the outcome of an approval.
func decisionOf(v starlark.Value) (starlark.Value, error) {
	o, ok := v.(*starlark.Dict)
	if !ok {
		return nil, &runtime.HostError{Err: fmt.Errorf("the outcome of an approval is a %s, want an object", v.Type())}
	}
	d := &decision{choice: textIn(o, "choice"), by: textIn(o, "by"), comment: textIn(o, "comment")}
	if d.choice == "" {
		return nil, &runtime.HostError{Err: errors.New("the outcome of an approval has no choice")}
	}
	return d, nil
}

// textIn is a field of an object, "" when it is not a string.
func textIn(o *starlark.Dict, field string) string {
	v, _, err := o.Get(starlark.String(field))
	if err != nil {
		return ""
	}
	s, _ := v.(starlark.String)
	return string(s)
}
