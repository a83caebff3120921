package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// record is what is kept of a fork: in which order it delivered where that is not the order of the input, and that it was cancelled. A fork of
// an earlier life of the run delivers the same in the same order first, and starts nothing else meanwhile: whoever lost then is not started again.
type record struct {
	group   *group
	print   runtime.Fingerprint
	entries []*runtime.Fact // to be delivered again
	pos     int             // how many of them were
	written int             // deliveries recorded, those of the earlier life included
	stopped *runtime.Fact   // that the fork was cancelled, or nil
	first   []int           // branches to start before all others, in reverse
	started []bool
	next    int           // first index that may not have been started
	behind  map[int]bool  // branches that are not yet where their record ends
	left    time.Duration // of the deadline, which waits for them; zero when none does
	resumed bool          // the fork began in an earlier life of the run
	moving  bool          // a branch does what is not recorded
	broken  bool          // the run is being torn down: what happens now is not what the script decided
}

// keep prepares the record of a new fork. It gives what is left of its time.
func (g *group) keep() (time.Duration, error) {
	b, n := g.parent, len(g.outs)
	request := runtime.ForkRequest(g.spec.Name, n)
	r := &record{group: g, print: runtime.PrintOf(request), started: make([]bool, n), behind: make(map[int]bool)}
	g.record = r
	left := g.spec.Timeout
	begun := b.before(g.at)
	if begun == nil {
		var until time.Time
		if left > 0 {
			until = b.x.Now().Add(left).UTC()
		}
		if b.x.Replay && n > 0 {
			return 0, &Beyond{Run: b.run.ID, Addr: g.at, Asked: short(request), Pos: g.spec.Pos}
		}
		b.x.Keep.Note(b.run.ID, runtime.Fact{Addr: g.at, Kind: runtime.Begun, At: b.now, Print: r.print, Request: g.described(request), Until: until})
		return left, nil
	}
	if err := b.same(begun, request, g.spec.Pos); err != nil {
		return 0, err
	}
	if !begun.Until.IsZero() {
		left = max(begun.Until.Sub(b.x.Now()), 1)
	}
	r.resumed = true
	r.entries, r.stopped = b.past.delivered[g.at], b.past.stopped[g.at]
	r.written = len(r.entries)
	r.plan()
	return left, nil
}

// maxNamed is how many branches of a fork are recorded with what people call them.
const maxNamed = 256

// described is the request of the fork with the names of its branches, which are for people and not compared.
func (g *group) described(request runtime.Payload) runtime.Payload {
	if g.spec.Label == nil {
		return request
	}
	labels := make([]string, min(len(g.outs), maxNamed))
	for i := range labels {
		labels[i] = strings.ToValidUTF8(g.spec.Label(i), "\uFFFD")
	}
	return runtime.NamedFork(g.spec.Name, len(g.outs), labels)
}

// plan says which branches start first: those that were delivered before.
func (r *record) plan() {
	switch {
	case r.stopped != nil:
		for k := 0; k+1 < len(r.stopped.Kept); k += 2 {
			for i := r.stopped.Kept[k]; i <= r.stopped.Kept[k+1] && i < len(r.started); i++ {
				r.first = append(r.first, i)
			}
		}
	case len(r.entries) > 0:
		last := r.entries[len(r.entries)-1]
		for _, e := range r.entries {
			r.first = append(r.first, e.Index)
		}
		for i := 0; i < len(r.started) && len(r.first) <= last.After; i++ {
			if !slices.Contains(r.first, i) {
				r.first = append(r.first, i)
			}
		}
	}
	slices.Sort(r.first)
	slices.Reverse(r.first)
	for i := range r.started {
		if r.group.parent.past.branches[r.group.parent.path.Child(r.group.at.N, i)] && (r.stopped == nil || slices.Contains(r.first, i)) {
			r.behind[i] = true
		}
	}
}

// upcoming says whether there is a branch to start now.
func (r *record) upcoming() bool {
	if len(r.first) > 0 {
		return true
	}
	if r.stopped != nil || r.pos < len(r.entries) {
		return false
	}
	for r.next < len(r.started) && r.started[r.next] {
		r.next++
	}
	return r.next < len(r.started)
}

// take gives the branch to start.
func (r *record) take() int {
	i := r.next
	if k := len(r.first); k > 0 {
		i, r.first = r.first[k-1], r.first[:k-1]
	}
	r.started[i] = true
	return i
}

// replays says that the fork still does what it did before.
func (g *group) replays() bool {
	r := g.record
	return r != nil && g.cause == nil && r.pos < len(r.entries)
}

// replayed gives the branch that was delivered next, when it has ended.
func (g *group) replayed() (int, bool) {
	r := g.record
	e := r.entries[r.pos]
	i := e.Index
	if delivered := len(g.outs) - g.left; e.After != delivered {
		i = r.inOrder()
	}
	return i, i < len(g.outs) && g.outs[i].ended
}

// inOrder is the first branch that was neither delivered nor is to be delivered out of order.
func (r *record) inOrder() int {
	for i := range r.group.outs {
		if r.group.outs[i].delivered || slices.ContainsFunc(r.entries[r.pos:], func(e *runtime.Fact) bool { return e.Index == i }) {
			continue
		}
		return i
	}
	return len(r.group.outs)
}

// delivers records that branch i is given to the script, where that does not follow from the order of the input.
func (g *group) delivers(i int) error {
	r := g.record
	if r == nil {
		return nil
	}
	delivered := len(g.outs) - g.left
	if r.pos < len(r.entries) && g.cause == nil {
		if r.entries[r.pos].Index == i {
			if r.pos++; r.pos == len(r.entries) {
				g.hire()
			}
		}
		return nil
	}
	o := &g.outs[i]
	if g.cause != nil || o.err == nil && g.spec.Order == runtime.Indexed {
		return nil //nolint:nilerr // the cause is no error of the record
	}
	if interrupts(o.err) || g.parent.halted() {
		r.broken = true
		return nil
	}
	f := runtime.Fact{
		Addr: g.at, Kind: runtime.Delivered, Seq: r.written, At: g.parent.x.Now().UTC(), Print: r.print, Index: i, After: delivered,
	}
	f.Err, _ = errors.AsType[*runtime.Error](o.err)
	r.written++
	return g.parent.keep(true, f)
}

// lapsed cancels the fork where it had been before, unless the script does so itself.
func (g *group) lapsed() bool {
	r := g.record
	if r == nil || r.stopped == nil || g.cause != nil || len(g.outs)-g.left != r.stopped.After {
		return false
	}
	g.cause = runtime.ErrDeadline
	if !r.stopped.Late {
		g.cause = context.Canceled
		g.trouble = &Diverged{Run: g.parent.run.ID, Addr: g.at, Pos: g.spec.Pos, Recorded: "the rest of the branches to be cancelled", Asked: "the next of them"}
	}
	g.cancel(g.cause)
	return true
}

// interrupts says that an error is none of the script's: the run is being cancelled or suspended.
func interrupts(err error) bool {
	if err == nil {
		return false
	}
	e, ok := err.(*runtime.Error) //nolint:errorlint // one that a host error wraps is not the script's
	return !ok || e.Code == runtime.Cancelled
}

// stop records that the fork is cancelled, and which branches count.
func (g *group) stop(cause error) {
	r := g.record
	if r == nil || r.stopped != nil || r.broken || g.parent.ctx.Err() != nil {
		return
	}
	f := runtime.Fact{
		Addr: g.at, Kind: runtime.Stopped, At: g.parent.x.Now().UTC(), Print: r.print,
		After: len(g.outs) - g.left, Late: cause == runtime.ErrDeadline, //nolint:errorlint // it is this very cause
	}
	for i := range g.outs {
		if !g.outs[i].delivered {
			continue
		}
		if k := len(f.Kept); k > 0 && f.Kept[k-1] == i-1 {
			f.Kept[k-1] = i
		} else {
			f.Kept = append(f.Kept, i, i)
		}
	}
	if err := g.parent.keep(true, f); err != nil {
		r.broken, g.trouble = true, err
	}
}

// caughtUp is told by each branch when it does what is not recorded, or ends without having done so.
func (g *group) caughtUp(i int, moving bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.record
	r.moving = r.moving || moving
	if delete(r.behind, i); len(r.behind) == 0 && r.moving && r.left > 0 {
		left := r.left
		r.left = 0
		g.arm(left)
	}
}

// arm sets the deadline. In a run that was resumed it waits until all branches are through with what they did before and one of them does something
// else, so that it does not overtake what happened in time. Whoever calls it holds the lock, or is alone.
func (g *group) arm(left time.Duration) {
	if left <= 0 || g.parent.x.Replay {
		return
	}
	if r := g.record; r != nil {
		if r.stopped != nil {
			return
		}
		if r.resumed && (!r.moving || len(r.behind) > 0) {
			r.left = left
			return
		}
	}
	g.disarm = g.parent.place.After(left, func() { g.Cancel(runtime.ErrDeadline) })
}

// fault is a fork that cannot be: each branch ends in trouble of the host.
type fault struct {
	n, given int
	err      error
}

// Next implements runtime.Group.
func (f *fault) Next() (int, any, error, bool) {
	if f.given == f.n {
		return 0, nil, nil, false
	}
	f.given++
	return f.given - 1, nil, f.err, true
}

// Cancel implements runtime.Group.
func (f *fault) Cancel(error) {}
