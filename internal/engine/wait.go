package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// pause waits, or gives the reason why the branch was stopped meanwhile.
func (b *branch) pause(d time.Duration) error {
	if b.place.Sleep(b.ctx, d) != nil {
		return b.stopped()
	}
	return nil
}

func (b *branch) sleep(at runtime.Address, e runtime.Sleep) (runtime.Payload, error) {
	b.emit(runtime.Event{Kind: runtime.Slept, Addr: at, For: e.For, Then: b.then(at)})
	left, err := b.since(at, e, e.For, false)
	if err != nil {
		return nil, err
	}
	if err := b.pause(left); err != nil {
		return nil, err
	}
	return runtime.Null, nil
}

// since is what is left of a wait that may have begun in an earlier life of the run; zero stays zero. It records the beginning.
func (b *branch) since(at runtime.Address, e runtime.Effect, d time.Duration, durable bool) (time.Duration, error) {
	now := b.x.Now()
	if f := b.before(at); f != nil {
		if err := b.same(f, runtime.Request(e), posOf(e)); err != nil {
			return 0, err
		}
		if f.Until.IsZero() {
			return d, nil
		}
		return max(f.Until.Sub(now), overdue), nil
	}
	var until time.Time
	if d > 0 {
		until = now.Add(d).UTC()
	}
	return d, b.begin(at, e, 0, until, durable)
}

func (b *branch) wait(at runtime.Address, e runtime.WaitSignal) (runtime.Payload, error) {
	b.emit(runtime.Event{Kind: runtime.SignalAwaited, Addr: at, Name: e.Name, For: e.Timeout, Then: b.then(at)})
	left, err := b.since(at, e, e.Timeout, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := b.timeout(left, runtime.Errorf(runtime.Timeout, "no signal %q came within %s", e.Name, e.Timeout))
	defer cancel()
	p, err := b.place.Signal(ctx, at, e)
	if err != nil {
		return nil, b.waited(ctx, err)
	}
	b.emit(runtime.Event{Kind: runtime.SignalTaken, Addr: at, Name: e.Name, Value: p})
	return p, nil
}

func (b *branch) approve(at runtime.Address, e runtime.Approval) (runtime.Payload, error) {
	asked, err := approvalAsked(e)
	if err != nil {
		return nil, err
	}
	b.emit(runtime.Event{Kind: runtime.ApprovalAsked, Addr: at, Name: e.Title, Value: asked, For: e.Timeout, Then: b.then(at)})
	left, err := b.since(at, e, e.Timeout, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := b.timeout(left, runtime.Errorf(runtime.Timeout, "nobody decided %q within %s", e.Title, e.Timeout))
	defer cancel()
	p, err := b.place.Decide(ctx, b.run.ID, at, e)
	if err != nil {
		return nil, b.waited(ctx, err)
	}
	b.emit(runtime.Event{Kind: runtime.ApprovalDecided, Addr: at, Name: e.Title, Value: p})
	return p, nil
}

// approvalAsked is what an approval shows to whoever watches.
func approvalAsked(e runtime.Approval) (runtime.Payload, error) {
	raw, err := json.Marshal(map[string]any{"by": e.By, "context": e.Context, "options": e.Options})
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}

func (b *branch) child(at runtime.Address, e runtime.ChildRun) (runtime.Payload, error) {
	if limit := b.run.Config.Limits.WithDefaults().ChildrenDepth; b.depth >= limit {
		return nil, runtime.Errorf(runtime.Limit, "run(%q): child runs are nested deeper than %d", e.Pattern, limit)
	}
	if b.x.Open == nil {
		return nil, runtime.Errorf(runtime.NotFound, "run(%q): this engine has no patterns to run", e.Pattern)
	}
	prog, err := b.x.Open(e.From, e.Pattern)
	if err != nil {
		return nil, childError(e.Pattern, err)
	}
	r := Run{ID: b.run.ID + "/" + at.String(), Program: prog, Inputs: e.Inputs, Config: b.run.Config}
	if b.before(at) == nil {
		if err := b.begin(at, e, 0, time.Time{}, false); err != nil {
			return nil, err
		}
	}
	r.Config.Seed ^= uint64(jittered(1<<62, at.String(), 0))
	b.emit(runtime.Event{Kind: runtime.ChildStarted, Addr: at, Name: e.Pattern, Text: r.ID})
	result, err := b.x.run(b.ctx, b.place, r, b.depth+1)
	ended := runtime.Event{Kind: runtime.ChildEnded, Addr: at, Name: e.Pattern, Text: r.ID, Value: result}
	if err != nil {
		err = childError(e.Pattern, err)
		ended.Error, _ = errors.AsType[*runtime.Error](err)
	}
	b.emit(ended)
	return result, err
}

// childError is how a child's end looks to its parent: a bug in the child is a failure that the parent may catch.
func childError(pattern string, err error) error {
	wrong, badSource := errors.AsType[*runtime.SourceError](err)
	if badSource {
		return runtime.Errorf(runtime.NotFound, "run(%q): %s", pattern, wrong.Error())
	}
	if bad, ok := errors.AsType[*runtime.InputError](err); ok {
		e := runtime.Errorf(runtime.Failed, "run(%q): %s", pattern, bad.Message)
		e.Hint = bad.Hint
		return e
	}
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok || e.Code != runtime.Script {
		return err
	}
	failed := *e
	failed.Code, failed.Message = runtime.Failed, fmt.Sprintf("run(%q): %s", pattern, e.Message)
	return &failed
}

// waited chooses between the error of a wait and the reason why it was stopped.
func (b *branch) waited(ctx context.Context, err error) error {
	if stop := b.stopped(); stop != nil {
		return stop
	}
	if late, ok := errors.AsType[*runtime.Error](context.Cause(ctx)); ok {
		return late
	}
	return err
}

// timeout bounds the branch's context by d, zero meaning no bound; its cause is why.
func (b *branch) timeout(d time.Duration, why *runtime.Error) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return b.ctx, func() {}
	}
	return b.bound(b.ctx, d, why)
}

// overdue is what is left of a wait whose time was up before it went on.
const overdue = 1

// bound ends a context once d has passed.
func (b *branch) bound(parent context.Context, d time.Duration, why error) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	if d <= overdue {
		cancel(why)
	}
	disarm := b.place.After(d, func() { cancel(why) })
	return ctx, func() {
		disarm()
		cancel(nil)
	}
}

// names is a JSON array of the agents' names.
func names(agents []runtime.AgentInfo) runtime.Payload {
	list := make([]string, len(agents))
	for i, a := range agents {
		list[i] = a.Name
	}
	raw, _ := json.Marshal(list)
	p, _ := runtime.Canonical(raw)
	return p
}

// detail reads a number from an error's details.
func detail(details runtime.Payload, name string) (int64, bool) {
	var fields map[string]any
	if len(details) == 0 || json.Unmarshal(details, &fields) != nil {
		return 0, false
	}
	n, ok := fields[name].(float64)
	return int64(n), ok
}
