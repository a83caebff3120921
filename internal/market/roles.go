package market

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/pattern"
)

var _ pattern.Roles = (*Packages)(nil)

// aliases are those under which the project has a package.
func (p *Packages) aliases(source string) []string {
	var found []string
	for _, d := range p.Manifest.Dependencies {
		if d.Source == source && p.Self == "" {
			found = append(found, d.Alias)
		}
	}
	return found
}

// Bound gives the agents that fill roles of a package under other names.
func (p *Packages) Bound(pkg string) map[string]string {
	source, _, _ := strings.Cut(pkg, "@")
	return manifest.Filled(p.Agents, p.aliases(source))
}

// Roles are those that a package names, "" being the one that is run itself.
func (p *Packages) roles(pkg string) ([]manifest.Role, error) {
	if pkg == p.Self {
		return p.Manifest.Roles, nil
	}
	m, err := p.of(pkg)
	if err != nil {
		return nil, err
	}
	return m.Roles, nil
}

// Unbound tells of an agent that a package names and the project does not have.
func (p *Packages) Unbound(pkg, agent string) *pattern.PackageError {
	roles, err := p.roles(pkg)
	if err != nil {
		return nil //nolint:nilerr // whoever loads it says so
	}
	i := slices.IndexFunc(roles, func(r manifest.Role) bool { return r.Name == agent })
	if i < 0 {
		return nil
	}
	source, _, _ := strings.Cut(pkg, "@")
	return p.unfilled(source, roles[i])
}

// Vacant lists the roles that nobody fills, of all patterns that are locked and installed.
func (p *Packages) Vacant() []*pattern.PackageError {
	if p.Lock == nil {
		return nil
	}
	var vacant []*pattern.PackageError
	for _, locked := range p.Lock.Packages {
		if locked.Kind != manifest.KindPattern {
			continue
		}
		pkg := locked.Source + "@" + locked.Version
		roles, err := p.roles(pkg)
		if err != nil {
			continue // others tell of packages that are not whole
		}
		filled := p.Bound(pkg)
		for _, r := range roles {
			if filled[r.Name] == "" && !p.has(r.Name) {
				vacant = append(vacant, p.unfilled(locked.Source, r))
			}
		}
	}
	return vacant
}

func (p *Packages) has(agent string) bool {
	return slices.ContainsFunc(p.Agents, func(a manifest.Agent) bool { return a.Name == agent })
}

// maxNamed is how many agents a hint names.
const maxNamed = 5

// unfilled says who needs an agent for a role, what for, and which of the project's agents could fill it.
func (p *Packages) unfilled(source string, r manifest.Role) *pattern.PackageError {
	role := r.Name
	if aliases := p.aliases(source); len(aliases) > 0 {
		role = "@" + aliases[0] + "/" + role
	}
	e := &pattern.PackageError{Message: fmt.Sprintf("%s needs an agent for its role %s%s", source, r.Name, r.About())}
	fit := make(map[string]bool)
	for _, a := range p.Agents {
		if len(r.Capabilities) > 0 && len(a.Lacking(r.Capabilities)) == 0 {
			fit[a.Name] = true
		}
	}
	names := slices.Sorted(maps.Keys(fit))
	if len(names) == 0 {
		with := ""
		if len(r.Capabilities) > 0 {
			with = fmt.Sprintf(" with capabilities = [\"%s\"]", strings.Join(r.Capabilities, `", "`))
		}
		e.Hint = fmt.Sprintf("add [agents.%s]%s, or roles = [%q] to another agent", r.Name, with, role)
		return e
	}
	more := ""
	if len(names) > maxNamed {
		more = fmt.Sprintf(" and %d more", len(names)-maxNamed)
		names = names[:maxNamed]
	}
	e.Hint = fmt.Sprintf("add roles = [%q] to an agent that has these capabilities: %s%s", role, strings.Join(names, ", "), more)
	return e
}
