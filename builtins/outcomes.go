package builtins

import (
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// status says how a branch ended.
type status uint8

// What a branch can come to.
const (
	pending status = iota
	succeeded
	failed
	cancelled
)

func (s status) String() string {
	switch s {
	case succeeded:
		return "ok"
	case failed:
		return "failed"
	case cancelled:
		return "cancelled"
	case pending:
	}
	return "pending"
}

// outcome is what one branch of a fork came to. Its attributes cannot be changed.
type outcome struct {
	index  int
	status status
	item   starlark.Value // what the branch worked on
	value  starlark.Value // None unless it succeeded
	err    *runtime.Error // nil unless it failed
}

var outcomeAttrs = []string{"error", "index", "item", "status", "value"}

func (o *outcome) String() string {
	switch o.status {
	case succeeded:
		return "outcome(" + strconv.Itoa(o.index) + ", " + o.value.String() + ")"
	case failed:
		return "outcome(" + strconv.Itoa(o.index) + ", failed, " + failure{o.err}.String() + ")"
	case cancelled, pending:
	}
	return "outcome(" + strconv.Itoa(o.index) + ", " + o.status.String() + ")"
}
func (o *outcome) Type() string         { return "outcome" }
func (o *outcome) Truth() starlark.Bool { return o.status == succeeded }
func (o *outcome) Hash() (uint32, error) {
	return 0, fmt.Errorf("an outcome cannot be a key, its .index may")
}

func (o *outcome) Freeze() {
	o.item.Freeze()
	o.value.Freeze()
}

// AttrNames lists the outcome's own attributes and then those of its value.
func (o *outcome) AttrNames() []string {
	if r, ok := o.value.(*Result); ok {
		return append(r.AttrNames(), outcomeAttrs...)
	}
	return append(fieldsOf(o.value), outcomeAttrs...)
}

// Attr gives an attribute of the outcome, or else of its value.
func (o *outcome) Attr(name string) (starlark.Value, error) {
	switch name {
	case "index":
		return starlark.MakeInt(o.index), nil
	case "item":
		return o.item, nil
	case "value":
		return o.value, nil
	case "status":
		return starlark.String(o.status.String()), nil
	case "error":
		if o.err == nil {
			return starlark.None, nil
		}
		return failure{o.err}, nil
	}
	switch o.status {
	case failed:
		return nil, starlark.NoSuchAttrError(fmt.Sprintf("outcome %d failed and has no .%s: %s", o.index, name, failure{o.err}))
	case cancelled, pending:
		return nil, starlark.NoSuchAttrError(fmt.Sprintf("outcome %d was %s and has no .%s", o.index, o.status, name))
	case succeeded:
	}
	return fieldOf(o.value, "outcome", name)
}

// Plain is the outcome as it goes into results and inputs.
func (o *outcome) Plain() starlark.Value {
	d := starlark.NewDict(3)
	setKey(d, "index", starlark.MakeInt(o.index))
	setKey(d, "status", starlark.String(o.status.String()))
	switch o.status {
	case succeeded:
		setKey(d, "value", o.value)
	case failed:
		setKey(d, "error", failure{o.err})
	case cancelled, pending:
	}
	return d
}

// Outcomes is what the branches of a fork came to, in input order. Iterating over it gives the values of those that succeeded.
type Outcomes struct{ all []outcome }

var outcomesAttrs = []string{"all", "cancelled", "failed", "ok", "values"}

func (o *Outcomes) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "outcomes(ok=%d", o.count(succeeded))
	for _, kind := range []status{failed, cancelled} {
		if n := o.count(kind); n > 0 {
			fmt.Fprintf(&b, ", %s=%d", kind, n)
		}
	}
	b.WriteByte(')')
	return b.String()
}
func (o *Outcomes) Type() string         { return "outcomes" }
func (o *Outcomes) Truth() starlark.Bool { return o.Len() > 0 }
func (o *Outcomes) Hash() (uint32, error) {
	return 0, fmt.Errorf("outcomes cannot be a key")
}

// Freeze freezes what the outcomes hold. Values are frozen already, they crossed a fork.
func (o *Outcomes) Freeze() {
	for i := range o.all {
		o.all[i].Freeze()
	}
}

func (o *Outcomes) AttrNames() []string { return outcomesAttrs }

// Attr gives a fresh list each time, so that the script may change it.
func (o *Outcomes) Attr(name string) (starlark.Value, error) {
	switch name {
	case "all":
		return o.list(func(*outcome) bool { return true }), nil
	case "ok":
		return o.list(func(x *outcome) bool { return x.status == succeeded }), nil
	case "failed":
		return o.list(func(x *outcome) bool { return x.status == failed }), nil
	case "cancelled":
		return o.list(func(x *outcome) bool { return x.status == cancelled }), nil
	case "values":
		return starlark.NewList(o.values()), nil
	}
	return nil, nil
}

func (o *Outcomes) list(keep func(*outcome) bool) *starlark.List {
	var kept []starlark.Value
	for i := range o.all {
		if keep(&o.all[i]) {
			kept = append(kept, &o.all[i])
		}
	}
	return starlark.NewList(kept)
}

// values gives the values of the branches that succeeded.
func (o *Outcomes) values() []starlark.Value {
	values := make([]starlark.Value, 0, len(o.all))
	for i := range o.all {
		if o.all[i].status == succeeded {
			values = append(values, o.all[i].value)
		}
	}
	return values
}

func (o *Outcomes) count(kind status) int {
	n := 0
	for i := range o.all {
		if o.all[i].status == kind {
			n++
		}
	}
	return n
}

// Len, Index, Iterate and Slice are those of .values.
func (o *Outcomes) Len() int                   { return o.count(succeeded) }
func (o *Outcomes) Iterate() starlark.Iterator { return starlark.Tuple(o.values()).Iterate() }

// Index gives the value of the i-th branch that succeeded.
func (o *Outcomes) Index(i int) starlark.Value {
	for k := range o.all {
		if o.all[k].status != succeeded {
			continue
		}
		if i == 0 {
			return o.all[k].value
		}
		i--
	}
	return starlark.None
}

// Slice gives a list.
func (o *Outcomes) Slice(start, end, step int) starlark.Value {
	return starlark.NewList(o.values()).Slice(start, end, step)
}

// Plain is the outcomes as they go into results and inputs: a list of {index, status, value or error}.
func (o *Outcomes) Plain() starlark.Value {
	return o.list(func(*outcome) bool { return true })
}
