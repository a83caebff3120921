package pattern

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// Packages finds what a project may load from elsewhere. Nothing is fetched: what is not there is an error that says how to get it.
type Packages interface {
	// Find names the package that an alias means in the package named from, "" being the project's own. Names look like
	// github.com/owner/repo@v1.2.0. A *PackageError says why there is none.
	Find(from, alias string) (name string, err error)
	// Dir is where the files of that package are. A *PackageError says why it cannot be used.
	Dir(name string) (string, error)
}

// Roles says which agents packages mean by the names in their files. What Options.Packages gives may be one.
type Roles interface {
	// Bound gives the agents that a package means by other names; nil when there are none.
	Bound(pkg string) map[string]string
	// Unbound tells of an agent that a package names and the project does not have. It is nil when it is no role of the package.
	Unbound(pkg, agent string) *PackageError
}

// PackageError says why a package cannot be loaded from.
type PackageError struct {
	Message string
	Hint    string // the next step, or ""
	Cause   error  // or nil
}

func (e *PackageError) Error() string { return e.Message }

func (e *PackageError) Unwrap() error { return e.Cause }

// splitName takes the name of a module apart: the space it is in, "", "@std//" or "@github.com/owner/repo@v1.2.0//", and its path there.
func splitName(name string) (space, path string) {
	if !strings.HasPrefix(name, "@") {
		return "", name
	}
	end := strings.Index(name, "//")
	if end < 0 {
		return "", name
	}
	return name[:end+2], name[end+2:]
}

// packageIn is the name of the package that a space stands for; "" is the project's own.
func packageIn(space string) string { return strings.TrimSuffix(strings.TrimPrefix(space, "@"), "//") }

// aliased is an alias as a package uses it.
type aliased struct{ from, alias string }

// packages is what a graph knows of the packages that it loads from. Each is found once.
type packages struct {
	find   func(root string) (Packages, error) // nil when there are none
	root   string
	from   Packages
	err    error
	names  map[aliased]string
	frozen bool // names is all there is
	trees  map[string]*tree
	self   string                       // the package that the root is, "" for a project
	bound  map[string]map[string]string // roles that are bound, by package; nil when nobody asked for a package's
}

// space gives the space that an alias means in another one.
func (p *packages) space(from, label string) (string, *labelError) {
	alias, _, _ := strings.Cut(label, "//")
	key := aliased{packageIn(from), strings.TrimPrefix(alias, "@")}
	if name, ok := p.names[key]; ok {
		return "@" + name + "//", nil
	}
	if near := runtime.Nearest(alias, []string{"@std"}); near != "" {
		return "", badLabel(codePackage, `did you mean "@std//..."?`, "there is no package %s", alias)
	}
	if p.frozen {
		return "", badLabel(codeMissing, "start a new run", "%s is not among the packages that the run recorded when it started", alias)
	}
	if from == stdPrefix || p.find == nil {
		return "", badLabel(codePackage, "copy the module into this package and load it as \"//dir/file.star\"", "%q is in another package; there are none to load from here", label)
	}
	found, err := p.open()
	if err != nil {
		return "", packageTrouble(err)
	}
	name, err := found.Find(key.from, key.alias)
	if err != nil {
		return "", packageTrouble(err)
	}
	if p.names == nil {
		p.names = make(map[aliased]string)
	}
	p.names[key] = name
	return "@" + name + "//", nil
}

func (p *packages) open() (Packages, error) {
	if p.from == nil && p.err == nil {
		p.from, p.err = p.find(p.root)
	}
	return p.from, p.err
}

// packageTrouble makes a label's error of a package's.
func packageTrouble(err error) *labelError {
	bad := badLabel(codePackage, "", "%s", err)
	bad.cause = err
	if e, ok := errors.AsType[*PackageError](err); ok {
		bad.message, bad.hint = e.Message, e.Hint
	}
	return bad
}

// tree gives the files of the package that a space stands for.
func (p *packages) tree(space string) (*tree, *labelError) {
	if t, ok := p.trees[space]; ok {
		return t, nil
	}
	if p.find == nil {
		return nil, badLabel(codePackage, "", "there is no package %s here", packageIn(space))
	}
	found, err := p.open()
	if err != nil {
		return nil, packageTrouble(err)
	}
	dir, err := found.Dir(packageIn(space))
	if err != nil {
		return nil, packageTrouble(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, packageTrouble(fmt.Errorf("package %s: %w", packageIn(space), err))
	}
	t := &tree{dir: dir, space: space}
	if p.trees == nil {
		p.trees = make(map[string]*tree)
	}
	p.trees[space] = t
	return t, nil
}

// packageOf names the package of a file; "" is a project's own.
func (p *packages) packageOf(file string) string {
	switch space, _ := splitName(file); space {
	case "":
		return p.self
	case stdPrefix:
		return ""
	default:
		return packageIn(space)
	}
}

// agents gives those that a file means by other names.
func (p *packages) agents(file string) map[string]string {
	pkg := p.packageOf(file)
	if pkg == "" {
		return nil
	}
	if bound, ok := p.bound[pkg]; ok || p.frozen || p.find == nil {
		return bound
	}
	if p.bound == nil {
		p.bound = make(map[string]map[string]string)
	}
	p.bound[pkg] = nil
	if found, err := p.open(); err == nil {
		if roles, ok := found.(Roles); ok {
			p.bound[pkg] = roles.Bound(pkg)
		}
	}
	return p.bound[pkg]
}

// unbound tells of an agent that a file names and the project does not have; nil when it is no role.
func (p *packages) unbound(file, agent string) *PackageError {
	pkg := p.packageOf(file)
	if pkg == "" || p.find == nil {
		return nil
	}
	found, err := p.open()
	if roles, ok := found.(Roles); err == nil && ok {
		return roles.Unbound(pkg, agent)
	}
	return nil
}

func (p *packages) close() {
	for _, t := range p.trees {
		t.close()
	}
}

// packagesName is the entry of Sources that says which package each alias means. No module can have that name.
const packagesName = "@//packages"

// rolesName is the entry of Sources that says which agents packages mean.
const rolesName = "@//roles"

// text is what Sources keeps of the aliases, "" when none was used.
func (p *packages) text() string {
	return lines(p.names, func(key aliased, name string) [3]string { return [3]string{key.from, key.alias, name} })
}

// roles is what Sources keeps of the roles that are bound, "" when none is.
func (p *packages) roles() string {
	type role struct{ pkg, name string }
	flat := make(map[role]string)
	if p.self != "" {
		flat[role{}] = p.self
	}
	for pkg, bound := range p.bound {
		for name, agent := range bound {
			flat[role{pkg, name}] = agent
		}
	}
	return lines(flat, func(r role, agent string) [3]string { return [3]string{r.pkg, r.name, agent} })
}

// lines writes a map as text, a line for each entry, sorted.
func lines[K comparable](m map[K]string, words func(K, string) [3]string) string {
	var all []string
	for key, value := range m {
		w := words(key, value)
		all = append(all, fmt.Sprintf("%q %q %q\n", w[0], w[1], w[2]))
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

// restore takes aliases and roles from what Sources kept, and no others.
func (p *packages) restore(sources map[string]string) error {
	p.frozen = true
	p.names = make(map[aliased]string)
	p.bound = make(map[string]map[string]string)
	err := readLines(sources[packagesName], func(from, alias, name string) { p.names[aliased{from, alias}] = name })
	if err != nil {
		return fmt.Errorf("the packages that the run recorded cannot be read: %w", err)
	}
	err = readLines(sources[rolesName], func(pkg, role, agent string) {
		if pkg == "" {
			p.self = agent
			return
		}
		if p.bound[pkg] == nil {
			p.bound[pkg] = make(map[string]string)
		}
		p.bound[pkg][role] = agent
	})
	if err != nil {
		return fmt.Errorf("the roles that the run recorded cannot be read: %w", err)
	}
	return nil
}

func readLines(text string, take func(a, b, c string)) error {
	for line := range strings.Lines(text) {
		var a, b, c string
		if _, err := fmt.Sscanf(line, "%q %q %q", &a, &b, &c); err != nil {
			return err
		}
		take(a, b, c)
	}
	return nil
}
