package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime/guard"
)

// Values that are made of others say so: the guard measures them before it prints or compares them, and freezes what is in them.
var (
	_ guard.Composite = (*Result)(nil)
	_ guard.Composite = (*outcome)(nil)
	_ guard.Composite = (*Outcomes)(nil)
	_ guard.Composite = (*tried)(nil)
	_ guard.Composite = (*deferred)(nil)
	_ guard.Composite = (*policy)(nil)
	_ guard.Composite = (*Tally)(nil)
)

// Parts is the value.
func (r *Result) Parts() []starlark.Value { return []starlark.Value{r.value} }

// Parts are what the branch worked on and what it came to.
func (o *outcome) Parts() []starlark.Value { return []starlark.Value{o.item, o.value} }

// Parts are the outcomes.
func (o *Outcomes) Parts() []starlark.Value {
	parts := make([]starlark.Value, len(o.all))
	for i := range o.all {
		parts[i] = &o.all[i]
	}
	return parts
}

// Parts is the value.
func (a *tried) Parts() []starlark.Value { return []starlark.Value{a.value} }

// Parts are the function and its arguments.
func (d *deferred) Parts() []starlark.Value {
	parts := append([]starlark.Value{d.fn}, d.args...)
	for _, kv := range d.kwargs {
		parts = append(parts, kv[1])
	}
	return parts
}

// Parts is the function that says what is compared.
func (p *policy) Parts() []starlark.Value {
	if p.by == nil {
		return nil
	}
	return []starlark.Value{p.by}
}
