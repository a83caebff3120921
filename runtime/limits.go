package runtime

import "fmt"

// Limits bounds a run, all its branches together. A zero field means its default. What they count depends on the script
// and the answers alone, never on time or memory in use, so that every engine and every replay stops at the same place.
type Limits struct {
	Steps         uint64 // interpreter steps
	StepsInARow   uint64 // steps of one branch between two effects
	Bytes         uint64 // of memory asked for and of payloads in and out, frees not counted
	Depth         int    // calls, and forks within forks
	LiveBranches  int    // branches at one time
	Effects       uint64 // agent calls, lookups, waits and child runs
	OutputBytes   uint64 // logged, emitted and printed
	ChildrenDepth int    // child runs within child runs
}

// DefaultLimits is what a field at zero means.
func DefaultLimits() Limits {
	return Limits{
		Steps:         50_000_000,
		StepsInARow:   2_000_000,
		Bytes:         2 << 30,
		Depth:         500,
		LiveBranches:  10_000,
		Effects:       1_000_000,
		OutputBytes:   64 << 20,
		ChildrenDepth: 8,
	}
}

// WithDefaults fills the zero fields.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits()
	orElse(&l.Steps, d.Steps)
	orElse(&l.StepsInARow, d.StepsInARow)
	orElse(&l.Bytes, d.Bytes)
	orElse(&l.Depth, d.Depth)
	orElse(&l.LiveBranches, d.LiveBranches)
	orElse(&l.Effects, d.Effects)
	orElse(&l.OutputBytes, d.OutputBytes)
	orElse(&l.ChildrenDepth, d.ChildrenDepth)
	return l
}

func orElse[T int | uint64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// usage is what a branch has used of the run's limits: its own and that of the branches it joined.
type usage struct{ steps, bytes, effects, output uint64 }

func (u *usage) add(v usage) {
	u.steps += v.steps
	u.bytes += v.bytes
	u.effects += v.effects
	u.output += v.output
}

// exceeded says which limit u is over, or nil.
func (u *usage) exceeded(l *Limits) *Error {
	switch {
	case u.steps > l.Steps:
		return limitError("steps", u.steps, l.Steps)
	case u.bytes > l.Bytes:
		return limitError("bytes", u.bytes, l.Bytes)
	case u.effects > l.Effects:
		return limitError("effects", u.effects, l.Effects)
	case u.output > l.OutputBytes:
		return limitError("output", u.output, l.OutputBytes)
	}
	return nil
}

// limitError is the error of a limit; name is also what --limit calls it.
func limitError(name string, used, limit uint64) *Error {
	return &Error{
		Code:    Limit,
		Message: fmt.Sprintf("the run is over its limit of %d %s (%d used)", limit, name, used),
		Hint:    fmt.Sprintf("raise it with --limit %s=N, or under [limits] in parallax.toml", name),
		Details: fmt.Appendf(nil, `{"limit":%q,"max":%d,"used":%d}`, name, limit, used),
	}
}
