package builtins

import (
	"fmt"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/runtime"
)

// Result is what an agent answered: a value with what is known about it. Its attributes cannot be changed.
type Result struct {
	answer runtime.Answer
	value  starlark.Value
}

var resultAttrs = []string{"agent", "artifacts", "attempts", "basis", "cached", "confidence", "finish", "reasoning", "usage", "value"}

// String shows the value and who holds it how firmly.
func (r *Result) String() string {
	s := "result(" + r.value.String() + ", agent=" + strconv.Quote(r.answer.Agent)
	if r.answer.Confidence != nil {
		s += ", confidence=" + starlark.Float(*r.answer.Confidence).String()
	}
	return s + ")"
}
func (r *Result) Type() string         { return "result" }
func (r *Result) Freeze()              { r.value.Freeze() }
func (r *Result) Truth() starlark.Bool { return true }
func (r *Result) Hash() (uint32, error) {
	return 0, fmt.Errorf("a result cannot be a key, its .value may")
}

// AttrNames lists the result's own attributes and then those of its value.
func (r *Result) AttrNames() []string { return append(fieldsOf(r.value), resultAttrs...) }

// Attr gives an attribute of the result, or else of its value.
func (r *Result) Attr(name string) (starlark.Value, error) {
	a := &r.answer
	switch name {
	case "value":
		return r.value, nil
	case "confidence":
		if a.Confidence == nil {
			return starlark.None, nil
		}
		return starlark.Float(*a.Confidence), nil
	case "agent":
		return textOrNone(a.Agent), nil
	case "attempts":
		return starlark.MakeInt(a.Attempts), nil
	case "basis":
		return textOrNone(a.Basis), nil
	case "cached":
		return starlark.Bool(a.Cached), nil
	case "finish":
		return textOrNone(a.Finish), nil
	case "reasoning":
		return textOrNone(a.Reasoning), nil
	case "usage":
		return usageOf(&a.Usage), nil
	case "artifacts":
		return artifactsOf(a.Artifacts), nil
	}
	return fieldOf(r.value, "result", name)
}

// Plain is the result as it goes into results and inputs: an object of its own attributes, those that say nothing left out.
func (r *Result) Plain() starlark.Value {
	d := starlark.NewDict(len(resultAttrs))
	for _, name := range resultAttrs {
		v, err := r.Attr(name)
		if err != nil || name != "value" && (v == starlark.None || !bool(v.Truth())) {
			continue
		}
		setKey(d, name, v)
	}
	if r.answer.Confidence != nil {
		setKey(d, "confidence", starlark.Float(*r.answer.Confidence))
	}
	if r.answer.Usage == (runtime.Usage{}) {
		_, _, _ = d.Delete(starlark.String("usage"))
	}
	return d
}

// fieldOf gives a field of the value that a result or outcome holds. Only data has fields; the methods of strings, lists and
// dicts are those of .value.
func fieldOf(v starlark.Value, holder, name string) (starlark.Value, error) {
	fields, ok := v.(starlark.HasAttrs)
	if !ok || hasMethodsOnly(v) {
		return nil, starlark.NoSuchAttrError(fmt.Sprintf("%s has no .%s attribute, and its value is %s; look into .value", holder, name, runtime.A(v.Type())))
	}
	return fields.Attr(name)
}

func fieldsOf(v starlark.Value) []string {
	fields, ok := v.(starlark.HasAttrs)
	if !ok || hasMethodsOnly(v) {
		return nil
	}
	return append([]string(nil), fields.AttrNames()...)
}

func hasMethodsOnly(v starlark.Value) bool {
	switch v.(type) {
	case starlark.String, starlark.Bytes, *starlark.List, *starlark.Dict, *starlark.Set:
		return true
	}
	return false
}

// usageOf is what an answer cost; the cost is in US dollars.
func usageOf(u *runtime.Usage) starlark.Value {
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"input_tokens":     starlark.MakeInt64(u.InputTokens),
		"output_tokens":    starlark.MakeInt64(u.OutputTokens),
		"cached_tokens":    starlark.MakeInt64(u.CachedTokens),
		"reasoning_tokens": starlark.MakeInt64(u.ReasoningTokens),
		"cost":             starlark.Float(float64(u.CostMicroUSD) / 1e6),
		"model":            textOrNone(u.Model),
	})
}

func artifactsOf(artifacts []runtime.Artifact) starlark.Value {
	list := make([]starlark.Value, len(artifacts))
	for i, a := range artifacts {
		list[i] = starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
			"name":       starlark.String(a.Name),
			"media_type": textOrNone(a.MediaType),
			"sha256":     textOrNone(a.SHA256),
			"size":       starlark.MakeInt64(a.Size),
			"path":       textOrNone(a.Path),
		})
	}
	return starlark.NewList(list)
}
