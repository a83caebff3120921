package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// fork is one fork as a script wrote it: what its branches do, and the rules under which it ends.
type fork struct {
	name    string // of the builtin
	what    string // did not finish in time, for messages; empty means name
	n       int
	limit   int           // branches at a time, zero means all
	timeout time.Duration // of the whole, zero means none
	collect bool          // failures are outcomes; otherwise the first one ends the fork
	until   watcher       // says when enough is known; nil means never
	settled bool          // successes are looked at in the order of their arrival

	items  []starlark.Value // what each branch works on, as .item and its label say it
	label  func(i int) string
	shared []starlark.Value // whatever else the branches can reach
	body   func(t *starlark.Thread, i int) (starlark.Value, error)
}

// Why a fork cancels its branches. These reach agents and events, never scripts.
var (
	errEnough = errors.New("enough is known")
	errFailed = errors.New("another branch failed")
	errBroken = errors.New("the script failed")
)

// settle gives the outcomes of a fork, in input order, or the error that it ends in.
func (f *fork) settle(t *starlark.Thread) (*Outcomes, error) {
	s, err := f.run(t)
	if err != nil {
		return nil, err
	}
	return s.out, nil
}

// run runs the branches of a fork. It and the methods of settling are the only place that knows the rules: what a failure does, when enough is
// known, what a deadline leaves, and what can never be caught. It returns when every branch has ended.
func (f *fork) run(t *starlark.Thread) (*settling, error) {
	f.shared = append(f.shared, f.items...)
	g, err := runtime.Fork(t, f.spec(t), f.n, f.shared, f.body)
	if err != nil {
		return nil, outOfPlace(f.name, err)
	}
	s := &settling{fork: f, out: f.unsettled()}
	for {
		i, v, err, ok := g.Next()
		if !ok {
			break
		}
		s.take(i, v, err)
		if cause := s.verdict(); cause != nil && !s.stopped {
			s.stopped = true
			g.Cancel(cause)
			if cause == errFailed { //nolint:errorlint // it is this very cause
				g.Failed()
			}
		}
	}
	if err := g.Join(); err != nil && (s.raise == nil || uncatchable(err) && !uncatchable(s.raise)) {
		s.raise = err
	}
	if s.raise == nil && s.late > 0 && !f.collect && !s.enough {
		s.raise = f.overdue(s.late)
	}
	return s, s.raise
}

func (f *fork) spec(t *starlark.Thread) runtime.ForkSpec {
	spec := runtime.ForkSpec{
		Name: f.name, Pos: runtime.CallerPos(t), Limit: f.limit, Timeout: f.timeout, Label: f.label,
		Cancellable: !f.collect || f.until != nil || f.timeout > 0,
	}
	if f.settled || f.until != nil {
		spec.Order = runtime.Settled
	}
	if spec.Label == nil {
		spec.Label = func(i int) string { return labelOf(f.items[i]) }
	}
	return spec
}

func (f *fork) unsettled() *Outcomes {
	out := &Outcomes{all: make([]outcome, f.n)}
	for i := range out.all {
		out.all[i] = outcome{index: i, item: f.items[i], value: starlark.None}
	}
	return out
}

// settling is a fork whose branches are ending.
type settling struct {
	*fork
	out     *Outcomes
	ended   int
	late    int            // branches that the deadline cancelled
	enough  bool           // the policy is satisfied
	stopped bool           // the rest is cancelled by our own rules
	last    *runtime.Error // the failure that came last
	raise   error          // what the fork ends in
}

// take notes how branch i ended.
func (s *settling) take(i int, v starlark.Value, err error) {
	s.ended++
	o := &s.out.all[i]
	e, forScript := errors.AsType[*runtime.Error](err)
	switch {
	case err == nil:
		o.status, o.value = succeeded, v
		s.see(v)
	case forScript && !isHost(err):
		s.failure(o, e)
	default:
		o.status = failed
		s.end(hosted(err))
	}
}

// failure notes a branch that did not succeed.
func (s *settling) failure(o *outcome, e *runtime.Error) {
	switch {
	case e.Code == runtime.Cancelled && s.timeout > 0 && errors.Is(e.Cause, runtime.ErrDeadline):
		s.late++
		o.status, o.err = failed, s.missed()
	case e.Code == runtime.Cancelled:
		o.status = cancelled
		if !s.stopped {
			s.end(e) // from above: this branch is being stopped, too
		}
	case !e.Catchable():
		o.status, o.err = failed, e
		s.end(e)
	default:
		o.status, o.err = failed, e
		s.last = e
		if !s.collect {
			s.end(e)
		}
	}
}

// end says what the fork ends in. The first reason stands, except that trouble of the host always wins.
func (s *settling) end(err error) {
	if s.raise == nil || isHost(err) {
		s.raise = err
	}
}

// see shows a success to the policy.
func (s *settling) see(v starlark.Value) {
	if s.until == nil || s.stopped {
		return
	}
	if err := s.until.see(v); err != nil {
		s.end(err)
	}
}

// verdict says why the rest must stop, or nil while it need not.
func (s *settling) verdict() error {
	var e *runtime.Error
	switch {
	case s.raise == nil:
	case errors.As(s.raise, &e) && e.Catchable():
		return errFailed
	default:
		return errBroken
	}
	if s.until != nil && !s.stopped && s.until.enough(s.n-s.ended) {
		s.enough = true
		return errEnough
	}
	return nil
}

// missed is the failure of a branch that the deadline cancelled.
func (s *settling) missed() *runtime.Error {
	return &runtime.Error{
		Code: runtime.Timeout, Retryable: true,
		Message: fmt.Sprintf("not done when the %s of %s were over", spelled(s.timeout), s.name),
	}
}

// overdue is the error of a fork whose deadline passed.
func (f *fork) overdue(left int) *runtime.Error {
	e := &runtime.Error{
		Code: runtime.Timeout, Retryable: true,
		Message: fmt.Sprintf("%s did not finish within %s", cmp.Or(f.what, f.name), spelled(f.timeout)),
	}
	if f.n > 1 {
		e.Message += fmt.Sprintf(": %d of %d branches were left", left, f.n)
		e.Hint = `give it more time, or keep what was done with on_error="collect"`
	}
	return e
}

// spelled writes a duration as scripts do: "2m", not "2m0s".
func spelled(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// uncatchable says whether an error is one that nothing may replace.
func uncatchable(err error) bool {
	if err == nil {
		return false
	}
	var e *runtime.Error
	return !errors.As(err, &e) || !e.Catchable()
}

func isHost(err error) bool {
	_, ok := errors.AsType[*runtime.HostError](err)
	return ok
}

// hosted marks an error that is not for the script.
func hosted(err error) error {
	if isHost(err) {
		return err
	}
	return &runtime.HostError{Err: err}
}
