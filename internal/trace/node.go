package trace

import (
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/parallax-run/parallax/runtime"
)

// run is a run or child run that has not ended.
type run struct {
	id       string
	main     *node
	branches map[runtime.Path]*node
	forks    map[runtime.Address]*node
}

func (r *run) branch(p runtime.Path) *node {
	if p == "" {
		return r.main
	}
	return r.branches[p]
}

// node is a span that holds others: that of a run, a fork or a branch.
type node struct {
	up     *node
	span   *tracepb.Span
	start  time.Time
	effect *effect         // of a branch: what it is at, or did last
	kept   []*tracepb.Span // of a kept run: what is below it, has ended, and waits for the end of the run

	guess bool      // it may have begun before the run was resumed, and start is when it did so again
	live  bool      // something new has happened in it since
	last  time.Time // of what happened in it before
}

// effect is what a branch is at.
type effect struct {
	at    runtime.Address
	span  *tracepb.Span
	tools []*tracepb.Span
	uses  map[string]*tracepb.Span // tools by the id of their use
	fate  fate
}

func (x *effect) all() []*tracepb.Span { return append(x.tools, x.span) }

// fate is how far an effect has come.
type fate uint8

const (
	waiting fate = iota // it has not ended
	ended               // its outcome will be on record before the branch goes on
	stopped             // it was cancelled
	asleep              // it ends by itself; a resumed run tells of it again
)

// suspended is the kind of error of a run that cannot go on and is not on record.
const suspended = "suspended"

func (t *Tracer) open(up *node, s *tracepb.Span, e *runtime.Event) *node {
	n := &node{up: up, span: s, start: when(e)}
	s.Kind = tracepb.Span_SPAN_KIND_INTERNAL
	if up != nil {
		s.ParentSpanId = up.span.GetSpanId()
	}
	return n
}

// leave hands over what is below a node that has ended, and its own span.
func (n *node) leave(t *Tracer) {
	n.up.kept = append(n.up.kept, n.kept...)
	t.hold(n.up, n.span)
}

// touch lets a node and those above it know that something happened in them, now or before the run was resumed.
func (t *Tracer) touch(n *node, e *runtime.Event) {
	if !t.resumed {
		return
	}
	fresh := !e.Past && (e.Then.IsZero() || e.Kind != runtime.RunStarted && e.Kind != runtime.ForkStarted)
	for ; n != nil; n = n.up {
		if fresh {
			n.live = true
		}
		if e.Then.IsZero() {
			continue
		}
		if n.guess && e.Then.Before(n.start) {
			n.start = e.Then
		}
		if e.Then.After(n.last) {
			n.last = e.Then
		}
	}
}

// end gives a node's span its times. What was told again only has ended when the last of it happened, not now.
func (t *Tracer) end(n *node, at time.Time) {
	switch {
	case !t.resumed || n.live:
	case !n.last.IsZero():
		at = n.last
	case n.up != nil && !n.up.live:
		n.start, at = n.up.start, n.up.start // it left no record
	}
	if at.Before(n.start) {
		at = n.start
	}
	n.span.StartTimeUnixNano, n.span.EndTimeUnixNano = nanos(n.start), nanos(at)
}

// when is the time of an event, or of what it tells again or goes on with.
func when(e *runtime.Event) time.Time {
	if e.Then.IsZero() {
		return e.At
	}
	return e.Then
}

func nanos(t time.Time) uint64 { return uint64(t.UnixNano()) }
