//go:build amd64 || arm64

package shim

import "slices"

// RunWithout is Run with holes: it leaves steps out. It is there for the suite that shows that every step is needed; nothing else may call
// it, which a test sees to.
func RunWithout(steps ...string) int {
	return run(func(step string) bool { return slices.Contains(steps, step) })
}

// Steps lists what a shim does at a level, the parts of its filter of system calls one by one.
func Steps(l Level) []string {
	var names []string
	s := shim{}
	for _, st := range s.steps() {
		if st.least <= l {
			names = append(names, st.name)
		}
	}
	if l >= Standard {
		for _, part := range s.plan.parts(&filter{arch: thisArchitecture()}) {
			names = append(names, "filter: "+part.name)
		}
	}
	return names
}
