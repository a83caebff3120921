package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.starlark.net/starlark"
)

// branchKey is where a thread keeps its Branch.
const branchKey = "parallax.branch"

// Slices of steps between two looks at limits and cancellation, and the bytes charged for what a step may allocate.
const (
	stepsPerSlice = 2048
	bytesPerStep  = 48
)

// Branch is one line of work of a run: main, or one branch of a fork. It belongs to one thread, is used by one
// goroutine, and is what builtins see of the run.
type Branch struct {
	run    *run
	fx     Effects
	path   Path
	parent *Branch // nil for main; blocked while this branch lives

	effects int      // effects and forks so far: the N of the last address
	forks   []string // what froze values so far, and where, for messages about frozen values; the last few
	live    int      // live branches this one may still have below it
	depth   int      // forks above

	start   usage  // what had been used when the branch started
	used    usage  // since, joined branches included, own steps excluded
	charged uint64 // steps of the thread already charged to bytes
	lastRow uint64 // steps at the last effect

	drawn  uint64 // random numbers drawn
	locals []local
	stop   error // why the thread was cancelled
}

// run is what all branches of one execution share.
type run struct {
	program *Program
	limits  Limits
	seed    uint64
	aside   any // see Program.Entry
}

// BranchOf gives the branch of a thread. While a module is loaded there is none: effects belong into functions.
func BranchOf(t *starlark.Thread) (*Branch, error) {
	if b, ok := t.Local(branchKey).(*Branch); ok {
		return b, nil
	}
	return nil, &Error{
		Code:    Script,
		Message: "this cannot be used while a module is loaded, only in a function that main calls",
		Hint:    "move the call into main or a function that main calls",
	}
}

// thread makes the branch's thread.
func (b *Branch) thread(name string) *starlark.Thread {
	t := &starlark.Thread{Name: name, OnMaxSteps: b.slice, Print: b.print}
	t.SetMaxExecutionSteps(stepsPerSlice)
	t.SetLocal(branchKey, b)
	return t
}

// slice runs after every stepsPerSlice steps: it charges them and observes cancellation.
func (b *Branch) slice(t *starlark.Thread) {
	t.SetMaxExecutionSteps(t.ExecutionSteps() + stepsPerSlice)
	if b.stop != nil {
		return
	}
	if err := b.Charge(t, 0); err != nil {
		b.end(t, err)
		return
	}
	if row := t.ExecutionSteps() - b.lastRow; row > b.run.limits.StepsInARow {
		b.end(t, limitError("steps_in_a_row", row, b.run.limits.StepsInARow))
		return
	}
	if depth := t.CallStackDepth(); depth > b.run.limits.Depth {
		b.end(t, limitError("depth", uint64(depth), uint64(b.run.limits.Depth)))
		return
	}
	if err := b.fx.Checkpoint(); err != nil {
		b.end(t, hosted(err))
	}
}

// end stops the thread for good, with a reason that no script can catch.
func (b *Branch) end(t *starlark.Thread, err error) {
	b.stop = err
	t.Cancel(err.Error())
}

// print makes the print builtin a log line.
func (b *Branch) print(t *starlark.Thread, msg string) {
	if _, err := b.Do(t, Emit{Kind: Logged, Name: msg}); err != nil && b.stop == nil {
		b.end(t, err)
	}
}

// Charge counts bytes that a builtin is about to allocate, beside the steps made so far, against the run's limits.
// Its error ends the run.
func (b *Branch) Charge(t *starlark.Thread, bytes uint64) error {
	steps := t.ExecutionSteps()
	b.used.bytes += bytes + (steps-b.charged)*bytesPerStep
	b.charged = steps
	total := b.total(t)
	total.add(b.start)
	if err := total.exceeded(&b.run.limits); err != nil {
		return err
	}
	return nil
}

// total is what the branch used itself, its joined branches included.
func (b *Branch) total(t *starlark.Thread) usage {
	u := b.used
	u.steps += t.ExecutionSteps()
	return u
}

// Do performs an effect on behalf of the script that runs on t.
func (b *Branch) Do(t *starlark.Thread, e Effect) (Payload, error) {
	if emit, ok := e.(Emit); ok {
		b.used.output += uint64(len(emit.Name) + len(emit.Data))
	} else {
		b.used.effects++
		b.lastRow = t.ExecutionSteps()
	}
	if err := b.Charge(t, 0); err != nil {
		return nil, err
	}
	b.effects++
	p, err := b.fx.Do(e)
	if err != nil {
		return nil, hosted(err)
	}
	return p, b.Charge(t, uint64(len(p)))
}

// Witness is an Effects that wants to know what a script makes of the answers, to keep it for people. No replay needs it.
type Witness interface {
	// Counted is told that votes were counted, by a builtin of this name. count gives the result, which takes time to encode.
	Counted(name string, count func() (Payload, error))
}

// Counted tells the engine of votes, if it wants to know.
func (b *Branch) Counted(name string, count func() (Payload, error)) {
	if w, ok := b.fx.(Witness); ok {
		w.Counted(name, count)
	}
}

// HostError is trouble of the host in the midst of a run: a full disk, a lost connection, a bug of ours. It suspends the run
// and is never seen by a script.
type HostError struct {
	Err   error
	Trace []Frame // where the script was, the outermost call first
}

func (e *HostError) Error() string { return e.Err.Error() }

func (e *HostError) Unwrap() error { return e.Err }

// traced adds the frames of a branch in front of those of the branches below.
func (e *HostError) traced(frames []Frame) *HostError {
	return &HostError{e.Err, slices.Concat(frames, e.Trace)}
}

// hosted marks whatever is not for the script.
func hosted(err error) error {
	if _, ours := errors.AsType[*Error](err); ours {
		return err
	}
	if _, marked := errors.AsType[*HostError](err); marked {
		return err
	}
	return &HostError{Err: err}
}

// Effects gives the branch's effects, for Now.
func (b *Branch) Effects() Effects { return b.fx }

// Path is the branch's name.
func (b *Branch) Path() Path { return b.path }

// Limits are the run's, defaults filled in.
func (b *Branch) Limits() *Limits { return &b.run.limits }

// Random gives the branch's next 32 random bytes. They depend on the run's seed, the branch and how many it drew, so they
// are the same on every engine and replay and need no record.
func (b *Branch) Random() [32]byte {
	b.drawn++
	h := sha256.New()
	var seed [16]byte
	binary.BigEndian.PutUint64(seed[:], b.run.seed)
	binary.BigEndian.PutUint64(seed[8:], b.drawn)
	h.Write(seed[:])
	h.Write([]byte(b.path))
	return [32]byte(h.Sum(nil))
}

// local is one of a branch's own values, by key.
type local struct {
	key string
	val Local
}

// Local is a value that each branch has for itself, such as state: a branch starts from a fork of its parent's, and the
// parent takes it over when it joins the branch. Branches that were cancelled are not joined.
type Local interface {
	// Fork gives a child its view. It is called while the parent is blocked, possibly from several children at once.
	Fork() Local
	// Empty gives a value that nothing happened to yet.
	Empty() Local
	// Join takes over what the branch did; branches are joined in index order.
	Join(child Local, branch Path) error
}

// LocalOf gives the branch's own value of that key: a fork of the nearest one above, else a new one.
func LocalOf[T Local](b *Branch, key string, fresh func() T) T {
	for at := b; at != nil; at = at.parent {
		for _, l := range at.locals {
			if l.key != key {
				continue
			}
			if at == b {
				return l.val.(T)
			}
			v := l.val.Fork().(T)
			b.locals = append(b.locals, local{key, v})
			return v
		}
	}
	v := fresh()
	b.locals = append(b.locals, local{key, v})
	return v
}

// join takes over the locals of a child that ended.
func (b *Branch) join(child []local, path Path) error {
	for _, l := range child {
		mine := LocalOf(b, l.key, l.val.Empty)
		if err := mine.Join(l.val, path); err != nil {
			return err
		}
	}
	return nil
}

// recovered turns a panic of ours into a host error; it is deferred at the root of every branch.
func recovered(path Path, err *error) {
	if p := recover(); p != nil {
		*err = &HostError{Err: fmt.Errorf("internal error in branch %q: %v", path, p)}
	}
}
