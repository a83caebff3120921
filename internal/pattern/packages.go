package pattern

import (
	"errors"
	"fmt"
	"maps"
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

func (p *packages) close() {
	for _, t := range p.trees {
		t.close()
	}
}

// packagesName is the entry of Sources that says which package each alias means. No module can have that name.
const packagesName = "@//packages"

// text is what Sources keeps of the aliases, "" when none was used.
func (p *packages) text() string {
	var b strings.Builder
	for _, key := range slices.SortedFunc(maps.Keys(p.names), func(a, b aliased) int {
		return strings.Compare(a.from+" "+a.alias, b.from+" "+b.alias)
	}) {
		fmt.Fprintf(&b, "%q %q %q\n", key.from, key.alias, p.names[key])
	}
	return b.String()
}

// restore takes the aliases from what Sources kept, and no others.
func (p *packages) restore(text string) error {
	p.frozen = true
	p.names = make(map[aliased]string)
	for line := range strings.Lines(text) {
		var key aliased
		var name string
		if _, err := fmt.Sscanf(line, "%q %q %q", &key.from, &key.alias, &name); err != nil {
			return fmt.Errorf("the packages that the run recorded cannot be read: %w", err)
		}
		p.names[key] = name
	}
	return nil
}
