//go:build linux && (amd64 || arm64)

package sandbox

import "golang.org/x/sys/unix"

// ShimWithout is the shim with holes.
func ShimWithout(steps ...string) int {
	return runShim(func(step string) bool {
		for _, s := range steps {
			if s == step {
				return true
			}
		}
		return false
	})
}

// Steps lists what a shim does at a level, parts of the filter one by one.
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

// Namespaces are those that Strict has, by name.
func Namespaces() map[string]uintptr {
	return map[string]uintptr{"process space": unix.CLONE_NEWPID, "network space": unix.CLONE_NEWNET, "ipc space": unix.CLONE_NEWIPC}
}

// WithoutNamespace leaves one out.
func (b *Box) WithoutNamespace(flag uintptr) { b.leaveOut = flag }
