package builtins

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// thresholds say what a score means: 0 <= retry <= warn <= accept <= 1. Each bound belongs to the band above it.
type thresholds struct{ accept, warn, retry float64 }

func defaultThresholds() thresholds { return thresholds{accept: 0.8, warn: 0.6, retry: 0.4} }

// band is what a score means under a policy.
type band uint8

// Bands, from the worst.
const (
	refuted  band = iota // escalates at once
	doubtful             // may be mended once
	warned               // accepted with a warning
	accepted
)

func (t thresholds) band(score float64) band {
	switch {
	case score >= t.accept:
		return accepted
	case score >= t.warn:
		return warned
	case score >= t.retry:
		return doubtful
	}
	return refuted
}

// policyArg is parameter i as thresholds; those that it does not name keep their defaults.
func (c *Call) policyArg(i int) (thresholds, error) {
	t := defaultThresholds()
	if !c.given(i) {
		return t, nil
	}
	d, ok := c.Args[i].(*starlark.Dict)
	if !ok {
		return t, c.wrong(i, `got %s, want a dict such as {"accept": 0.9}`, runtime.A(c.Args[i].Type()))
	}
	for _, kv := range d.Items() {
		var err error
		if t, err = t.with(kv[0], kv[1]); err != nil {
			return t, c.wrong(i, "%w", err)
		}
	}
	switch {
	case t.accept < t.warn:
		return t, c.wrong(i, "accept %v is less than warn %v", starlark.Float(t.accept), starlark.Float(t.warn))
	case t.warn < t.retry:
		return t, c.wrong(i, "warn %v is less than retry %v", starlark.Float(t.warn), starlark.Float(t.retry))
	}
	return t, nil
}

// with is t with one threshold changed by its name.
func (t thresholds) with(key, v starlark.Value) (thresholds, error) {
	names := []string{"accept", "warn", "retry"}
	name, _ := starlark.AsString(key)
	if !slices.Contains(names, name) {
		if near := runtime.Nearest(name, names); near != "" {
			return t, fmt.Errorf("there is no threshold %s, did you mean %q?", describe(key), near)
		}
		return t, fmt.Errorf("there is no threshold %s, those are %s", describe(key), quoted(names))
	}
	f, ok := starlark.AsFloat(v)
	if !ok || !isShare(f) {
		return t, fmt.Errorf("%s is %s, want a number from 0 to 1", name, describe(v))
	}
	switch name {
	case "accept":
		t.accept = f
	case "warn":
		t.warn = f
	case "retry":
		t.retry = f
	}
	return t, nil
}

// isShare says whether f is a number from 0 to 1; NaN is not.
func isShare(f float64) bool { return f >= 0 && f <= 1 }
