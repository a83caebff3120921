package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// fills reads the key roles of an agent.
func (t *table) fills(count int) []string {
	roles := t.texts("roles")
	if len(roles) > 0 && count > 0 {
		t.wrong("roles", "give the role to an agent without a count", "a role is filled by one agent, and %s has a count", t.name())
	}
	for _, role := range roles {
		alias, name, of := cutRole(role)
		if !agentName().MatchString(name) || of && !ValidAlias(alias) {
			t.wrong("roles", `write roles = ["critic"], or ["@debate/critic"] for that of the package @debate`, "%q is not a role", role)
			return nil
		}
	}
	return roles
}

// cutRole takes @ALIAS/ROLE apart; of says whether it names a package.
func cutRole(role string) (alias, name string, of bool) {
	rest, of := strings.CutPrefix(role, "@")
	if !of {
		return "", role, false
	}
	alias, name, _ = strings.Cut(rest, "/")
	return alias, name, true
}

// filledOnce sees to it that each role is filled by one agent.
func (d *document) filledOnce(agents []Agent) {
	by := make(map[string]string)
	for _, a := range agents {
		for _, role := range a.Roles {
			if other, taken := by[role]; taken {
				d.problem(d.place([]string{"agents", a.Name, "roles"}), "take it from one of them", "the role %s is filled by %s and by %s", role, other, a.Name)
			}
			by[role] = a.Name
		}
	}
}

// rolesFit sees to it that each role is filled by one agent, and that its package is there.
func (m *Manifest) rolesFit(doc *document) {
	doc.filledOnce(m.Agents)
	var aliases []string
	for _, d := range m.Dependencies {
		aliases = append(aliases, d.Alias)
	}
	for _, a := range m.Agents {
		at := doc.place([]string{"agents", a.Name, "roles"})
		for _, role := range a.Roles {
			alias, _, of := cutRole(role)
			if !of || slices.Contains(aliases, alias) {
				continue
			}
			hint := "parallax add github.com/owner/repo --as " + alias
			if near := runtime.Nearest(alias, aliases); near != "" {
				hint = fmt.Sprintf("did you mean @%s?", near)
			}
			doc.problem(at, hint, "agent %q has a role of @%s, which is not in [dependencies]", a.Name, alias)
		}
	}
}

// Filled gives the agents that fill roles of a package under other names, by role. aliases are those under which [dependencies] has the package;
// what is said of one of them goes before what is said of a role of that name in any package.
func Filled(agents []Agent, aliases []string) map[string]string {
	filled := make(map[string]string)
	for _, exact := range []bool{false, true} {
		for _, a := range agents {
			for _, role := range a.Roles {
				alias, name, of := cutRole(role)
				if of == exact && (!of || slices.Contains(aliases, alias)) {
					filled[name] = a.Name
				}
			}
		}
	}
	return filled
}

// Lacking gives those of wants that an agent does not have.
func (a *Agent) Lacking(wants []string) []string {
	return slices.DeleteFunc(slices.Clone(wants), func(c string) bool { return slices.Contains(a.Capabilities, c) })
}
