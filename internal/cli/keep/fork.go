package keep

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/runtime"
)

// Place is an address in one of the runs of a family.
type Place struct {
	Run string
	At  runtime.Address
}

// PlaceOf finds a place in a family, as people write it: an address of the first run, or behind the address of a child run one in that. It is false when
// nothing is recorded there or just before it.
func PlaceOf(family []Member, from string) (Place, bool) {
	for _, m := range family {
		text := from
		if in := strings.TrimPrefix(m.Run, family[0].Run); in != "" {
			below, ok := strings.CutPrefix(from, in[1:]+"/")
			if !ok {
				continue
			}
			text = below
		}
		at, ok := runtime.ParseAddress(text)
		if !ok || at.N <= 0 {
			continue
		}
		before := runtime.Address{Path: at.Path, N: max(at.N-1, 1)}
		if slices.ContainsFunc(m.Facts, func(f runtime.Fact) bool { return f.Addr == at || f.Addr == before }) {
			return Place{m.Run, at}, true
		}
	}
	return Place{}, false
}

// cuts says where each run is cut that the place is in: where it asked for the child run, and last at the place itself.
func (p Place) cuts(family []Member) map[string]*cut {
	cuts, outer := map[string]*cut{p.Run: {at: p.At}}, ""
	for _, m := range family { // each before its own children
		if m.Run != p.Run && !strings.HasPrefix(p.Run, m.Run+"/") {
			continue
		}
		if at, ok := runtime.ParseAddress(strings.TrimPrefix(m.Run, outer+"/")); ok && outer != "" {
			cuts[outer] = &cut{at: at, around: true}
		}
		outer = m.Run
	}
	return cuts
}

// Before gives the facts of a family that do not depend on what happens at a place in it or later: those of a run that is to go
// another way from there, whose id is given. Branches beside that of the address are kept with all they did, but what their forks made of them
// is not. Deadlines of what is kept end as long after now as they had to go.
func Before(family []Member, from Place, id string, now time.Time) []Member {
	root := family[0].Run
	cuts, begun := from.cuts(family), make(map[string]bool) // child runs that are kept
	var kept []Member
	for _, m := range family {
		if m.Run != root && !begun[m.Run] {
			continue
		}
		done := m.done()
		k := Member{Run: id + strings.TrimPrefix(m.Run, root)}
		for i := range m.Facts {
			f := m.Facts[i]
			if c := cuts[m.Run]; c != nil && !c.keeps(&f) {
				continue
			}
			if f.Kind == runtime.Begun && done[f.Addr] == nil && startsAnew(f.Request) {
				continue
			}
			if f.Kind == runtime.Begun && asked(f.Request).Effect == "run" {
				begun[m.Run+"/"+f.Addr.String()] = true
			}
			k.Facts = append(k.Facts, f)
		}
		kept = append(kept, k)
	}
	return postponed(kept, now)
}

// startsAnew says of an effect that was under way that nothing of it is left.
func startsAnew(request runtime.Payload) bool {
	switch asked(request).Effect {
	case "agent", "approve", "wait_for", "sleep":
		return true
	}
	return false
}

// cut is the place from which a run goes another way.
type cut struct {
	at     runtime.Address
	around bool // the run at the address goes on: it is kept that it was asked for
}

// keeps says whether a fact does not depend on what happens at the address.
func (c *cut) keeps(f *runtime.Fact) bool {
	here, there := steps(c.at), steps(f.Addr)
	for i := range there {
		last := i == len(here)-1
		switch {
		case there[i].n != here[i].n:
			return there[i].n < here[i].n
		case last:
			return c.around && f.Kind == runtime.Begun && i == len(there)-1 // else the effect itself, or a branch of the fork
		case i == len(there)-1:
			return f.Kind == runtime.Begun // of a fork around it
		case there[i].branch != here[i].branch:
			return true
		}
	}
	return true
}

// step is one level of an address: an effect or fork, and the branch of the fork that the next level is in.
type step struct{ n, branch int }

func steps(a runtime.Address) []step {
	var list []step
	if a.Path != "" {
		parts := strings.Split(string(a.Path), ".")
		for i := 0; i+1 < len(parts); i += 2 {
			n, _ := strconv.Atoi(parts[i])
			branch, _ := strconv.Atoi(parts[i+1])
			list = append(list, step{n, branch})
		}
	}
	return append(list, step{n: a.N})
}

// postponed moves deadlines by the time since the last fact.
func postponed(family []Member, now time.Time) []Member {
	last := latest(family)
	for _, m := range family {
		for i := range m.Facts {
			if f := &m.Facts[i]; !f.Until.IsZero() && f.Addr != (runtime.Address{}) {
				f.Until = f.Until.Add(max(now.Sub(last), 0))
			}
		}
	}
	return family
}

// latest is when the last fact of a family was made.
func latest(family []Member) (last time.Time) {
	for _, m := range family {
		for i := range m.Facts {
			if m.Facts[i].At.After(last) {
				last = m.Facts[i].At
			}
		}
	}
	return last
}

// Left has the budget of time of a run that inherits facts of another count from now: the time from when the other one began to the last of the facts is
// used, that since then is not. Where the other one inherited too, what lay between it and its own origin is not used either.
func Left(inherited []Member, from *badger.Record, now time.Time) {
	budget := time.Duration(from.Budget.Seconds * float64(time.Second))
	if budget == 0 || len(inherited) == 0 {
		return
	}
	last := latest(inherited)
	for i := range inherited[0].Facts {
		f := &inherited[0].Facts[i]
		if f.Kind != runtime.Begun || f.Addr != (runtime.Address{}) {
			continue
		}
		start := f.At
		if !f.Until.IsZero() && !last.Before(from.Started) {
			start = f.Until.Add(-budget)
		}
		f.Until = now.Add(budget - last.Sub(start))
	}
}

// Record is what is kept of a run, to be read.
type Record struct{ Facts }

// Load implements local.Keeper.
func (r Record) Load(run string) ([]runtime.Fact, error) { return r.Facts.Facts(run) }

// Append implements local.Keeper: a replay has nothing to keep.
func (Record) Append(string, ...runtime.Fact) error { return nil }

// Note implements local.Keeper.
func (Record) Note(string, ...runtime.Fact) {}
