package keep

import (
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Before gives the facts of a family that do not depend on what happens at an address of its first run or later: those of a run that is to go
// another way from there, whose id is given. Branches beside that of the address are kept with all they did, but what their forks made of them
// is not. Deadlines of what is kept end as long after now as they had to go.
func Before(family []Member, at runtime.Address, id string, now time.Time) []Member {
	root := family[0].Run
	cut := &cut{at: at, begun: make(map[string]bool)}
	var kept []Member
	for _, m := range family {
		if m.Run != root && !cut.begun[m.Run] {
			continue
		}
		done := m.done()
		k := Member{Run: id + strings.TrimPrefix(m.Run, root)}
		for i := range m.Facts {
			f := m.Facts[i]
			if m.Run == root && !cut.keeps(&f) {
				continue
			}
			if f.Kind == runtime.Begun && done[f.Addr] == nil && startsAnew(f.Request) {
				continue
			}
			if f.Kind == runtime.Begun && asked(f.Request).Effect == "run" {
				cut.begun[m.Run+"/"+f.Addr.String()] = true
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
	at    runtime.Address
	begun map[string]bool // child runs that are kept
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
			return false // the effect itself, or a branch of the fork
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
	var last time.Time
	for _, m := range family {
		for i := range m.Facts {
			if m.Facts[i].At.After(last) {
				last = m.Facts[i].At
			}
		}
	}
	for _, m := range family {
		for i := range m.Facts {
			if f := &m.Facts[i]; !f.Until.IsZero() {
				f.Until = f.Until.Add(max(now.Sub(last), 0))
			}
		}
	}
	return family
}

// Inherit adds facts that the run is to have.
func (s *Session) Inherit(family []Member) error {
	for _, m := range family {
		if err := s.Lease.Append(m.Run, m.Facts...); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter = took(family)
	return nil
}

// Record is what is kept of a run, to be read.
type Record struct{ Facts }

// Load implements local.Keeper.
func (r Record) Load(run string) ([]runtime.Fact, error) { return r.Facts.Facts(run) }

// Append implements local.Keeper: a replay has nothing to keep.
func (Record) Append(string, ...runtime.Fact) error { return nil }

// Note implements local.Keeper.
func (Record) Note(string, ...runtime.Fact) {}
