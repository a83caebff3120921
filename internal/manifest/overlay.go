package manifest

import (
	"path/filepath"
	"slices"
	"strings"
)

// LoadAgents reads a file that has [agents] and nothing else, as --agents names it. What is wrong with it is an *Error.
func LoadAgents(path string) ([]Agent, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	doc, err := parse(path, text)
	if err != nil {
		return nil, err
	}
	top := doc.top()
	top.only("agents")
	agents := agentsOf(top.table("agents"), filepath.Dir(path))
	doc.filledOnce(agents)
	return agents, doc.err()
}

// WithAgents gives a copy of m in which agents replace those of the same name and join the others. agents are sorted by name.
func (m *Manifest) WithAgents(agents []Agent) *Manifest {
	c := *m
	c.Agents = make([]Agent, 0, len(m.Agents)+len(agents))
	old := m.Agents
	var taken []string
	for _, a := range agents {
		taken = append(taken, a.Roles...)
	}
	for _, a := range agents {
		n, found := slices.BinarySearchFunc(old, a.Name, byName)
		c.Agents = append(append(c.Agents, without(old[:n], taken)...), a)
		if found {
			n++
		}
		old = old[n:]
	}
	c.Agents = append(c.Agents, without(old, taken)...)
	return &c
}

// without gives agents without the roles that others fill.
func without(agents []Agent, taken []string) []Agent {
	agents = slices.Clone(agents)
	for i, a := range agents {
		agents[i].Roles = slices.DeleteFunc(slices.Clone(a.Roles), func(role string) bool { return slices.Contains(taken, role) })
	}
	return agents
}

// Available gives the manifest without the agents whose required environment variables are not set, which become Absent.
func (m *Manifest) Available(lookup func(name string) (string, bool)) *Manifest {
	c := *m
	c.Agents = nil
	for _, a := range m.Agents {
		if a.Lacks(lookup) == "" {
			c.Agents = append(c.Agents, a)
		} else {
			c.Absent = append(c.Absent, a)
		}
	}
	return &c
}

// Lacks names the first required environment variable that is not set, or gives "".
func (a *Agent) Lacks(lookup func(name string) (string, bool)) string {
	for _, name := range a.RequiresEnv {
		if v, ok := lookup(name); !ok || v == "" {
			return name
		}
	}
	return ""
}

// Agent finds an agent by name.
func (m *Manifest) Agent(name string) (Agent, bool) {
	n, ok := slices.BinarySearchFunc(m.Agents, name, byName)
	if !ok {
		return Agent{}, false
	}
	return m.Agents[n], true
}

// AgentNames lists the agents, in byte order.
func (m *Manifest) AgentNames() []string {
	names := make([]string, len(m.Agents))
	for i, a := range m.Agents {
		names[i] = a.Name
	}
	return names
}

func byName(a Agent, name string) int { return strings.Compare(a.Name, name) }
