package temporal

import (
	"slices"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// directory is the agents of a run, as the worker that began it knew them.
type directory struct {
	list []Agent // by name
}

func newDirectory(list []Agent) *directory {
	d := &directory{list: slices.Clone(list)}
	slices.SortFunc(d.list, func(a, b Agent) int { return strings.Compare(a.Name, b.Name) })
	return d
}

func (d *directory) find(name string) *Agent {
	i, ok := slices.BinarySearchFunc(d.list, name, func(a Agent, name string) int { return strings.Compare(a.Name, name) })
	if !ok {
		return nil
	}
	return &d.list[i]
}

// Info implements engine.Directory.
func (d *directory) Info(name string) (runtime.AgentInfo, bool) {
	a := d.find(name)
	if a == nil {
		return runtime.AgentInfo{}, false
	}
	return a.AgentInfo, true
}

// Lookup implements engine.Directory.
func (d *directory) Lookup(capability string) []runtime.AgentInfo {
	var found []runtime.AgentInfo
	for i := range d.list {
		if capability == "" || slices.Contains(d.list[i].Capabilities, capability) {
			found = append(found, d.list[i].AgentInfo)
		}
	}
	return found
}
