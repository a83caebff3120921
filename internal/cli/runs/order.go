package runs

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/runtime"
)

// inOrder puts the facts of a run and its child runs in the order in which they happened: as the script went on in each branch, and by their
// times between branches. Times alone would not do: they are those of the script, for which what ended late may have ended early.
func inOrder(run string, changes []badger.Change) []*badger.Change {
	o := ordering{steps: make(map[place]map[int]*step)}
	for i := range changes {
		o.add(&changes[i])
	}
	return o.branch(place{run: run})
}

// place is a branch of a run.
type place struct {
	run  string
	path runtime.Path
}

// step is an effect or fork.
type step struct {
	first, last []*badger.Change // that it began; that it ended
	marks       []*badger.Change // which branches were delivered, and that it was stopped
	branches    map[int]bool
}

type ordering struct {
	steps map[place]map[int]*step
}

func (o *ordering) step(run string, at runtime.Address) *step {
	p := place{run, at.Path}
	if o.steps[p] == nil {
		o.steps[p] = make(map[int]*step)
		if fork, i, ok := parentOf(at.Path); ok {
			o.step(run, fork).branches[i] = true
		}
	}
	s := o.steps[p][at.N]
	if s == nil {
		s = &step{branches: make(map[int]bool)}
		o.steps[p][at.N] = s
	}
	return s
}

func (o *ordering) add(c *badger.Change) {
	s := o.step(c.Run, c.Fact.Addr)
	switch c.Fact.Kind {
	case runtime.Begun:
		s.first = append(s.first, c)
	case runtime.Done:
		s.last = append(s.last, c)
	case runtime.Counted: // nobody is told of it while the run goes on
	case runtime.Delivered, runtime.Stopped:
		s.marks = append(s.marks, c)
	}
}

// branch gives all that happened in a branch and below.
func (o *ordering) branch(p place) []*badger.Change {
	var out []*badger.Change
	steps := o.steps[p]
	for _, n := range slices.Sorted(maps.Keys(steps)) {
		s := steps[n]
		out = append(append(append(out, s.first...), o.within(p, n, s)...), s.last...)
	}
	return out
}

// within gives what happened between the beginning and the end of a step: in the branches of a fork, or in a child run.
func (o *ordering) within(p place, n int, s *step) []*badger.Change {
	if child := (place{run: p.run + "/" + runtime.Address{Path: p.path, N: n}.String()}); n > 0 && o.steps[child] != nil {
		return o.branch(child)
	}
	m := merging{left: make(map[int]*list)}
	for _, i := range slices.Sorted(maps.Keys(s.branches)) {
		if l := (&list{branch: i, rest: o.branch(place{p.run, p.path.Child(n, i)})}); len(l.rest) > 0 {
			m.lists = append(m.lists, l)
			m.left[i] = l
		}
	}
	slices.SortStableFunc(s.marks, func(a, b *badger.Change) int {
		return cmp.Or(cmp.Compare(a.Fact.After, b.Fact.After), cmp.Compare(a.Fact.Kind, b.Fact.Kind), cmp.Compare(a.Fact.Seq, b.Fact.Seq))
	})
	return m.merged(s.marks)
}

// list is what is left of a branch.
type list struct {
	branch int
	rest   []*badger.Change
}

// merging puts branches together by time: a heap of those of which something is left.
type merging struct {
	lists []*list
	left  map[int]*list
}

func (m *merging) Len() int      { return len(m.lists) }
func (m *merging) Swap(i, j int) { m.lists[i], m.lists[j] = m.lists[j], m.lists[i] }
func (m *merging) Push(any)      {} // nothing is added
func (m *merging) Less(i, j int) bool {
	a, b := m.lists[i], m.lists[j]
	return cmp.Or(a.rest[0].Fact.At.Compare(b.rest[0].Fact.At), cmp.Compare(a.branch, b.branch)) < 0
}

func (m *merging) Pop() any {
	last := m.lists[len(m.lists)-1]
	m.lists = m.lists[:len(m.lists)-1]
	delete(m.left, last.branch)
	return last
}

// merged gives everything in its order. A branch is delivered when nothing is left of it, and a fork is stopped when nothing is left at all: what
// was cancelled may have gone on for a moment.
func (m *merging) merged(marks []*badger.Change) []*badger.Change {
	var out []*badger.Change
	heap.Init(m)
	for len(m.lists) > 0 {
		next := m.lists[0]
		if len(marks) > 0 && m.ready(marks[0]) && marks[0].Fact.At.Before(next.rest[0].Fact.At) {
			out, marks = append(out, marks[0]), marks[1:]
			continue
		}
		out = append(out, next.rest[0])
		if next.rest = next.rest[1:]; len(next.rest) == 0 {
			heap.Remove(m, 0)
		} else {
			heap.Fix(m, 0)
		}
	}
	return append(out, marks...)
}

func (m *merging) ready(mark *badger.Change) bool {
	return mark.Fact.Kind == runtime.Delivered && m.left[mark.Fact.Index] == nil
}
