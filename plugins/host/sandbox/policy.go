// Package sandbox holds an agent's process to what its owner allows: files, programs, hosts, memory.
//
// A Policy says what is allowed; everything else is not. A Level says how firmly the machine can hold it. The host starts
// its own program once more as a shim, which closes one door after the other around itself and then becomes the agent. The
// shim fails closed: when a step fails there is no agent, and the error names the step.
package sandbox

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
)

// Policy is what an agent may do. The zero Policy allows its own program, the system's libraries and a private scratch directory.
type Policy struct {
	Net     List  `json:"net"`     // hosts, as egress.Parse reads them
	Read    Paths `json:"read"`    // files, and directories with all below
	Write   Paths `json:"write"`   // the same; what may be written may be read
	Exec    List  `json:"exec"`    // programs besides its own, absolute paths
	Secrets Names `json:"secrets"` // environment variables whose values it may use
	Memory  int64 `json:"memory"`  // bytes of a process's own data; zero means DefaultMemory
	Least   Level `json:"least"`   // it does not start below this level; None means LeastLevel
}

// DefaultMemory is what a process may use unless its policy says otherwise.
const DefaultMemory = 1 << 30

// List is a list of things that are allowed, or all there are.
type List struct {
	All   bool     `json:"all,omitempty"`
	Items []string `json:"items,omitempty"`
}

// Paths are absolute paths.
type Paths []string

// Names are names of environment variables.
type Names []string

// ListOf makes a List of what a manifest or a flag says; "*" among the items means all.
func ListOf(items []string) List {
	if slices.Contains(items, "*") {
		return List{All: true}
	}
	return List{Items: items}
}

// None says whether nothing is allowed.
func (l List) None() bool { return !l.All && len(l.Items) == 0 }

// String is how people read it.
func (l List) String() string {
	switch {
	case l.All:
		return "all"
	case len(l.Items) == 0:
		return "none"
	}
	return strings.Join(l.Items, ", ")
}

// Check says what is wrong with a policy.
func (p *Policy) Check() error {
	if _, err := egress.Parse(p.Net.Items); err != nil {
		return err
	}
	for what, paths := range map[string][]string{"read": p.Read, "write": p.Write, "exec": p.Exec.Items} {
		for _, path := range paths {
			if err := checkPath(what, path); err != nil {
				return err
			}
		}
	}
	if p.Memory != 0 && p.Memory < leastMemory {
		return fmt.Errorf("memory is %d bytes, want at least %d MiB", p.Memory, leastMemory>>20)
	}
	return nil
}

// leastMemory is below what any language's runtime starts with.
const leastMemory = 16 << 20

func checkPath(what, path string) error {
	if what == "exec" && filepath.Base(path) == path {
		return fmt.Errorf("exec: there is no program %s in PATH", path)
	}
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: %s is not an absolute path", what, path)
	}
	for _, own := range []string{"/proc", "/sys", "/dev"} {
		if clean := filepath.Clean(path); clean == own || strings.HasPrefix(clean, own+"/") {
			return fmt.Errorf("%s: %s cannot be given, what agents need of it they have", what, path)
		}
	}
	return nil
}

// Key tells policies apart.
func (p *Policy) Key() string {
	if p == nil {
		return ""
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// memory is the bound in bytes.
func (p *Policy) memory() int64 {
	if p.Memory > 0 {
		return p.Memory
	}
	return DefaultMemory
}

// Allows says whether a path may be read.
func (p *Policy) Allows(path string) bool {
	path = filepath.Clean(path)
	return slices.ContainsFunc(slices.Concat(p.Read, p.Write), func(root string) bool { return within(path, root) })
}

// within says whether a clean path is root or below it.
func within(path, root string) bool {
	root = filepath.Clean(root)
	return path == root || root == string(filepath.Separator) || strings.HasPrefix(path, root+string(filepath.Separator))
}

// Widen adds what another policy allows, for one run. The least level stays.
func (p *Policy) Widen(more Policy) {
	p.Net, p.Exec = p.Net.plus(more.Net), p.Exec.plus(more.Exec)
	p.Read = append(slices.Clip(p.Read), more.Read...)
	p.Write = append(slices.Clip(p.Write), more.Write...)
	p.Secrets = append(slices.Clip(p.Secrets), more.Secrets...)
}

func (l List) plus(more List) List {
	if l.All || more.All {
		return List{All: true}
	}
	return List{Items: append(slices.Clip(l.Items), more.Items...)}
}
