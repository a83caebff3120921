package manifest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/runtime"
)

// Package is the table [package]: what a project is to others who install it. The zero Package is that of a project that is none.
type Package struct {
	Name        string // owner/repo, as on its host
	Kind        Kind
	Version     string // with its v, as the tag: v1.2.0
	Description string
	License     string
	Parallax    string // the oldest parallax that can run it, with a v; "" is any
	Pos         Pos
}

// Kind is what a package is.
type Kind string

// The kinds of packages.
const (
	KindPattern Kind = "pattern"
	KindAgent   Kind = "agent"
)

// Program is the table [agent]: how a package's agent is started.
type Program struct {
	Protocol  int
	Command   []string // Command[0] is a file of the package, or a program to be found on PATH such as node
	Platforms []string // os/arch, sorted; none means wherever there is a build
}

// Dependency is one entry of [dependencies]: alias = "github.com/owner/repo@v1.2.0".
type Dependency struct {
	Alias   string
	Source  string // github.com/owner/repo
	Version string // the oldest that will do
	Pos     Pos
}

// Role is one agent that a pattern needs: the table [roles.NAME]. Who uses the pattern has an agent of that name, or one whose roles name it.
type Role struct {
	Name         string
	Description  string
	Capabilities []string // sorted
}

// About says what a role is, in parentheses; "" when the package does not.
func (r Role) About() string {
	parts := slices.DeleteFunc([]string{r.Description, strings.Join(r.Capabilities, ", ")}, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// StdAlias is the alias of the standard modules; no dependency can have it.
const StdAlias = "std"

var (
	aliasName   = lazily(`^[a-z][a-z0-9_-]{0,63}$`)
	repoName    = lazily(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)
	sourceName  = lazily(`^([a-z0-9-]+\.)+[a-z0-9-]+/[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)
	platformOf  = lazily(`^[a-z0-9]+/[a-z0-9]+$`)
	licenseName = lazily(`^[A-Za-z0-9.+() -]{1,100}$`)
)

// ValidSource says whether s names a package: host/owner/repo.
func ValidSource(s string) bool { return sourceName().MatchString(s) && !strings.HasSuffix(s, ".git") }

// ValidVersion says whether v is a version of a package: v1.2.0 or v1.2.0-rc.1, written in full.
func ValidVersion(v string) bool { return semver.IsValid(v) && semver.Canonical(v) == v }

// ValidAlias says whether a package can be called that.
func ValidAlias(s string) bool { return aliasName().MatchString(s) && s != StdAlias }

// Published says what else stands in a manifest whose project is a package, or uses packages.
type Published struct {
	Package      Package
	Program      Program
	Permissions  *Permissions    // of the package's agent, seen from the project that uses it; nil when it states none
	Asks         runtime.Payload // the table [permissions] as it stands; nil when there is none
	Dependencies []Dependency    // by alias, in byte order
	Roles        []Role          // by name, in byte order
	HasAgents    *Pos            // where [agents] stands, if it does
}

// publishedTables are the tables that publishedOf reads.
func publishedTables() []string {
	return []string{"package", "agent", "permissions", "dependencies", "roles"}
}

// publishedOf reads what concerns packages. Paths in permissions are seen from dir.
func publishedOf(top *table, dir string) Published {
	p := Published{
		Package:      packageOf(top.table("package")),
		Dependencies: dependenciesOf(top.table("dependencies")), Roles: rolesOf(top.table("roles")),
	}
	switch t := top.table("agent"); {
	case t.m != nil && top.m["package"] == nil:
		top.wrong("agent", "did you mean agents? [agents.NAME] is an agent of this project", "[agent] describes a package, and there is no [package]")
	default:
		p.Program = programOf(t)
	}
	if t := top.table("permissions"); t.m != nil {
		p.Permissions, p.Asks = permissionsOf(t, dir), t.payload(nil)
	}
	if t := top.table("agents"); t.m != nil {
		pos := t.doc.place(t.path)
		p.HasAgents = &pos
	}
	p.fits(top)
	return p
}

// fits checks what one table says against another.
func (p *Published) fits(top *table) {
	has := func(name string) bool { return top.table(name).m != nil }
	switch {
	case p.Package.Kind == KindAgent && !has("agent"):
		top.wrong("package", `add [agent] and below it command = ["NAME"]`, "a package of kind agent needs a table [agent]")
	case p.Package.Kind == KindPattern && has("agent"):
		top.wrong("agent", `write kind = "agent" under [package], or leave [agent] out`, "a package of kind pattern has no [agent]")
	}
	if has("permissions") && p.Package.Kind != KindAgent {
		top.wrong("permissions", "an agent of this project has its own: [agents.NAME.permissions]", "[permissions] is for packages of kind agent")
	}
}

func packageOf(t *table) Package {
	if t.m == nil {
		return Package{}
	}
	t.only("name", "kind", "version", "description", "license", "parallax")
	p := Package{
		Name: t.text("name"), Kind: Kind(t.text("kind")), Version: t.version("version"), Description: t.text("description"),
		License: t.text("license"), Parallax: t.version("parallax"), Pos: t.doc.place(t.path),
	}
	for _, key := range []string{"name", "kind", "version"} {
		if _, ok := t.m[key]; !ok {
			t.wrong("", fmt.Sprintf("add %s = \"...\"", key), "[package] does not say its %s", key)
		}
	}
	if p.Name != "" && (!repoName().MatchString(p.Name) || strings.HasSuffix(p.Name, ".git")) {
		t.wrong("name", `write name = "owner/repo", as on its host`, "name is %q, want owner/repo", p.Name)
	}
	if p.Kind != "" && p.Kind != KindAgent && p.Kind != KindPattern {
		t.wrong("kind", `write kind = "pattern" or kind = "agent"`, "kind is %q", p.Kind)
	}
	t.shown("description", p.Description)
	if p.License != "" && !licenseName().MatchString(p.License) {
		t.wrong("license", `write its SPDX name: license = "Apache-2.0"`, "license is %q", p.License)
	}
	return p
}

// shown refuses words that a person is shown in a line and that would steer a terminal.
func (t *table) shown(key string, words ...string) {
	for _, s := range words {
		switch {
		case strings.ContainsAny(s, "\r\n"):
			t.wrong(key, "keep it to one line", "%s has several lines", key)
		case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }):
			t.wrong(key, "keep it to plain text", "%s has characters that cannot be seen", key)
		}
	}
}

// version gives a version that is written without its v, with it.
func (t *table) version(key string) string {
	text := t.text(key)
	if text == "" {
		return ""
	}
	if v := "v" + text; ValidVersion(v) {
		return v
	}
	hint := fmt.Sprintf("write %s = \"1.2.0\"; its tag is v1.2.0", key)
	if key == "parallax" {
		hint = `write the oldest version that will do: parallax = "1.2.0"`
	}
	t.wrong(key, hint, "%s is %q, want a version of three numbers without v", key, text)
	return ""
}

func programOf(t *table) Program {
	if t.m == nil {
		return Program{}
	}
	t.only("protocol", "command", "platforms")
	p := Program{Protocol: max(1, t.count("protocol", 99)), Command: t.texts("command"), Platforms: t.texts("platforms")}
	if len(p.Command) == 0 {
		t.wrong("", `add command = ["NAME"], a file of the package`, "[agent] does not say what starts it")
	} else if c := p.Command[0]; !filepath.IsLocal(filepath.FromSlash(c)) || strings.Contains(c, `\`) {
		t.wrong("command", `name a file of the package: command = ["bin/NAME"]`, "command begins with %q, which is outside of the package", c)
	}
	for _, platform := range p.Platforms {
		if !platformOf().MatchString(platform) {
			t.wrong("platforms", `write platforms = ["linux/amd64", "darwin/arm64"]`, "platforms has %q, want os/arch", platform)
		}
	}
	slices.Sort(p.Platforms)
	return p
}

func dependenciesOf(t *table) []Dependency {
	var all []Dependency
	for _, alias := range t.sortedKeys() {
		if d, ok := dependencyOf(t, alias); ok {
			all = append(all, d)
		}
	}
	return all
}

func dependencyOf(t *table, alias string) (Dependency, bool) {
	example := `write ` + alias + ` = "github.com/owner/repo@v1.2.0"`
	if !ValidAlias(alias) {
		t.wrong(alias, "use lower-case letters, digits, '-' and '_'; std is taken", "a package cannot be called %q here", alias)
		return Dependency{}, false
	}
	text, ok := t.m[alias].(string)
	if !ok {
		t.wrong(alias, example, "%s is %s, want a string", alias, kindOf(t.m[alias]))
		return Dependency{}, false
	}
	source, version, _ := strings.Cut(text, "@")
	switch {
	case !ValidSource(source):
		t.wrong(alias, example, "%q is not the source of a package", text)
	case !ValidVersion(version):
		t.wrong(alias, example, "%s does not say which version is the oldest that will do: %q", alias, text)
	default:
		return Dependency{alias, source, version, t.doc.place(t.sub(alias))}, true
	}
	return Dependency{}, false
}

func rolesOf(t *table) []Role {
	var roles []Role
	for _, name := range t.sortedKeys() {
		if !agentName().MatchString(name) {
			t.wrong(name, nameHint(name), "%q cannot be the name of a role", name)
			continue
		}
		if _, ok := t.m[name].(map[string]any); !ok {
			t.wrong(name, fmt.Sprintf("write [roles.%s] and below it capabilities = [\"...\"]", name), "role %q is %s, want a table", name, kindOf(t.m[name]))
			continue
		}
		role := t.table(name)
		role.only("description", "capabilities")
		r := Role{Name: name, Description: role.text("description"), Capabilities: role.texts("capabilities")}
		role.shown("description", r.Description)
		role.shown("capabilities", r.Capabilities...)
		slices.Sort(r.Capabilities)
		roles = append(roles, r)
	}
	return roles
}

// ParsePackage reads the manifest of a package that somebody fetched: like Parse, and it must be a package that brings no agents of its own and
// keeps nothing. Paths in its permissions are seen from workspace, the folder of the project that uses it. The error is an *Error.
func ParsePackage(name string, text []byte, workspace string) (*Manifest, error) {
	doc, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	m := manifestOf(doc, name, workspace)
	top := doc.top()
	if m.HasAgents != nil {
		doc.problem(*m.HasAgents, "a package names what it needs in [roles]; who uses it says which agents those are",
			"a package brings no [agents]: running it would run its commands")
	}
	if top.table("package").m == nil {
		doc.problem(Pos{1, 1}, "it is not published as a package yet: its parallax.toml needs name, kind and version under [package]", "there is no [package]")
	}
	m.Agents, m.State = nil, State{}
	return m, doc.err()
}

// Installed gives the alias of the package that the agent comes from.
func (a *Agent) Installed() (alias string, ok bool) { return strings.CutPrefix(a.Use, "@") }

// Dependency finds a dependency by its alias.
func (p *Published) Dependency(alias string) (Dependency, bool) {
	i := slices.IndexFunc(p.Dependencies, func(d Dependency) bool { return d.Alias == alias })
	if i < 0 {
		return Dependency{}, false
	}
	return p.Dependencies[i], true
}

// known sees to it that agents come from packages that [dependencies] names.
func (m *Manifest) known(doc *document) {
	var aliases []string
	for _, d := range m.Dependencies {
		aliases = append(aliases, d.Alias)
	}
	for i, a := range m.Agents {
		alias, ok := a.Installed()
		if !ok || slices.Contains(aliases, alias) || i > 0 && m.Agents[i-1].Pos == a.Pos {
			continue
		}
		hint := "parallax add github.com/owner/repo --as " + alias
		if near := runtime.Nearest(alias, aliases); near != "" {
			hint = fmt.Sprintf("did you mean @%s?", near)
		}
		doc.problem(a.Pos, hint, "agent %q uses @%s, which is not in [dependencies]", a.Name, alias)
	}
}
