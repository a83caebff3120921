package runtime

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime/guard"
)

// Branches is a running fork as builtins see it: an engine's Group, with the rules of limits and locals on top.
type Branches struct {
	group  Group
	parent *Branch
	thread *starlark.Thread
	n      int // of the fork's address
	ended  []account
	failed bool // see Failed
}

// account is what a branch leaves to its parent.
type account struct {
	delivered bool
	failed    bool
	used      usage
	locals    []local
}

// Fork splits the branch of t into n. Each branch runs body on a thread of its own; what it shares with the others must be
// listed in shared, and is frozen, as is its result. The caller drains Next, then calls Join.
func Fork(t *starlark.Thread, spec ForkSpec, n int, shared []starlark.Value, body func(t *starlark.Thread, i int) (starlark.Value, error)) (*Branches, error) {
	b, err := BranchOf(t)
	if err != nil {
		return nil, err
	}
	live, err := b.admit(t, spec, n)
	if err != nil {
		return nil, err
	}
	for _, v := range shared {
		if err := guard.Freeze(v); err != nil {
			return nil, &Error{Code: Limit, Message: fmt.Sprintf("%s: what the branches share: %v", spec.Name, err)}
		}
	}
	b.effects++
	g := &Branches{parent: b, thread: t, n: b.effects, ended: make([]account, n)}
	b.noteFork(spec)
	start := b.total(t)
	start.add(b.start)
	g.group = b.fx.Fork(spec, n, func(i int, fx Effects) (res any, err error) {
		child := &Branch{
			run: b.run, fx: fx, parent: b, path: b.path.Child(g.n, i),
			live: live, depth: b.depth + 1, start: start,
		}
		defer recovered(child.path, &err)
		ct := child.thread(spec.Name)
		v, err := body(ct, i)
		g.ended[i] = account{used: child.total(ct), locals: child.locals}
		if err != nil {
			return nil, child.explain(err)
		}
		if err := guard.Freeze(v); err != nil {
			return nil, child.explain(fmt.Errorf("%s: the result of branch %s: %w", spec.Name, child.path, err))
		}
		return v, nil
	})
	return g, nil
}

// admit checks a fork against the limits and gives how many live branches each child may have below it.
func (b *Branch) admit(t *starlark.Thread, spec ForkSpec, n int) (int, error) {
	if err := b.Charge(t, uint64(n)*256); err != nil {
		return 0, err
	}
	if b.depth >= b.run.limits.Depth/8 {
		return 0, limitError("depth", uint64(b.depth+1)*8, uint64(b.run.limits.Depth))
	}
	width := n
	if spec.Limit > 0 && spec.Limit < n {
		width = spec.Limit
	}
	if width > b.live {
		return 0, limitError("live_branches", uint64(width), uint64(b.live))
	}
	if width == 0 {
		return 0, nil
	}
	return (b.live - width) / width, nil
}

// noteFork remembers where the branch forked, so that a write to a frozen value can say what froze it.
func (b *Branch) noteFork(spec ForkSpec) {
	b.noteFreeze(fmt.Sprintf("what crosses a fork is frozen, here by `%s` at %s", spec.Name, spec.Pos))
}

func (b *Branch) noteFreeze(what string) {
	if len(b.forks) == 4 {
		b.forks = append(b.forks[:0], b.forks[1:]...)
	}
	b.forks = append(b.forks, what)
}

// Freeze freezes what the builtin of that name, which runs on t, gives to functions that must not change it. Its error is a limit.
func (b *Branch) Freeze(t *starlark.Thread, builtin string, v starlark.Value) error {
	if err := guard.Freeze(v); err != nil {
		return fmt.Errorf("%s: %w", builtin, err)
	}
	switch v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.Int, starlark.Float, starlark.String, starlark.Bytes:
	default:
		b.noteFreeze(fmt.Sprintf("what `%s` checks is frozen, here at %s", builtin, CallerPos(t)))
	}
	return nil
}

// Next is Group.Next, with a result that is a frozen Starlark value.
func (g *Branches) Next() (i int, v starlark.Value, err error, ok bool) {
	i, res, err, ok := g.group.Next()
	if !ok {
		return i, nil, err, false
	}
	if err == nil {
		v = res.(starlark.Value)
	}
	e, failed := errors.AsType[*Error](err)
	g.ended[i].delivered, g.ended[i].failed = !failed || e.Code != Cancelled, failed
	return i, v, err, true
}

// Cancel is Group.Cancel.
func (g *Branches) Cancel(cause error) { g.group.Cancel(cause) }

// Failed says that a failure ended the fork, so that its successes count for nothing, no more than the branches that it cancelled: which of them came
// before the failure is chance, and nothing that the script sees may hang on it.
func (g *Branches) Failed() { g.failed = true }

// Join ends a drained fork: it charges the branches to the parent and takes over their locals, in index order, those that
// were cancelled left out. Its error ends the run, except a Conflict of locals.
func (g *Branches) Join() error {
	var conflict error
	for i := range g.ended {
		a := &g.ended[i]
		if !a.delivered || g.failed && !a.failed {
			continue
		}
		g.parent.used.add(a.used)
		if conflict == nil {
			conflict = g.parent.join(a.locals, g.parent.path.Child(g.n, i))
		}
	}
	g.parent.lastRow = g.thread.ExecutionSteps()
	if err := g.parent.Charge(g.thread, 0); err != nil {
		return err
	}
	return conflict
}
