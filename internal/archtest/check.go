package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Violation is a line that breaks the plan, with the rule it breaks.
type Violation struct {
	Pos  token.Position // Filename is relative to the tree that was checked
	Rule string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s:%d: %s", v.Pos.Filename, v.Pos.Line, v.Rule)
}

// Check reads every Go file below root, generated ones and those of other platforms included, and returns what breaks the plan
// in the order of files and lines. Test data and hidden folders are not read.
func Check(root fs.FS) ([]Violation, error) {
	var found []Violation
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && ignored(name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		broken, err := checkFile(root, name)
		found = append(found, broken...)
		return err
	})
	return found, err
}

// ignored says whether the go tool passes over a folder, or would if it held no built things.
func ignored(dir string) bool {
	base := path.Base(dir)
	return dir != "." && (base == "testdata" || base == "vendor" || base == "bin" || base[0] == '.' || base[0] == '_')
}

func checkFile(root fs.FS, name string) ([]Violation, error) {
	src, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	room, ok := roomOf(path.Dir(name))
	if !ok {
		return []Violation{{fset.Position(file.Package), path.Dir(name) + " belongs to no room; give it one in internal/archtest/house.go"}}, nil
	}
	v := visit{room: room, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), fset: fset}
	for _, imp := range file.Imports {
		v.importSpec(imp)
	}
	if room.Pure && !v.test {
		v.clocks(file)
	}
	return v.found, nil
}

// roomOf returns the room that a folder of the repository belongs to.
func roomOf(dir string) (Room, bool) {
	i := slices.IndexFunc(house, func(r Room) bool { return within(dir, r.Path) })
	if i < 0 {
		return Room{}, false
	}
	return house[i], true
}

// within says whether p is parent or lies below it.
func within(p, parent string) bool {
	return p == parent || strings.HasPrefix(p, parent+"/")
}

// A visit checks one file of one room.
type visit struct {
	room  Room
	dir   string
	test  bool
	fset  *token.FileSet
	found []Violation
}

func (v *visit) importSpec(spec *ast.ImportSpec) {
	target, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		v.report(spec, err.Error())
		return
	}
	if rule := v.rule(target); rule != "" {
		v.report(spec, rule)
	}
}

func (v *visit) report(n ast.Node, rule string) {
	v.found = append(v.found, Violation{v.fset.Position(n.Pos()), rule})
}

// rule returns what forbids the import of target, or nothing.
func (v *visit) rule(target string) string {
	if slow := v.slow(target); slow != "" {
		return slow
	}
	switch first, _, _ := strings.Cut(target, "/"); {
	case within(target, module):
		return v.ownRule(strings.TrimPrefix(strings.TrimPrefix(target, module), "/"))
	case strings.Contains(first, "."):
		return v.doorRule(target)
	default:
		return v.standardRule(target)
	}
}

// slow returns what forbids a folder that starts fast the import of target, or nothing.
func (v *visit) slow(target string) string {
	i := slices.IndexFunc(shims, func(f Fast) bool { return v.dir == f.Path })
	if v.test || i < 0 || !slices.ContainsFunc(shims[i].Without, func(p string) bool { return within(target, p) }) {
		return ""
	}
	return fmt.Sprintf("%s starts before the rest of its executable and may not import %s; see docs/decisions/0018-the-sandbox.md", shims[i].Path, target)
}

// ownRule judges the import of a folder of this repository.
func (v *visit) ownRule(dir string) string {
	to, ok := roomOf(dir)
	switch {
	case !ok:
		return dir + " belongs to no room; give it one in internal/archtest/house.go"
	case to.Path == v.room.Path:
		return ""
	case to.ForTests && !v.test:
		return to.Path + " is for tests only"
	case to.Path == testkit:
		return ""
	case v.test && slices.Contains(v.room.Tests, to.Path):
		return ""
	default:
		return between(v.room, to)
	}
}

// between returns what forbids the room from to import the room to, or nothing.
func between(from, to Room) string {
	switch {
	case within(to.Path, enterprise) && open(from):
		return fmt.Sprintf("%s is an open room and must build without %s", from.Path, enterprise)
	case from.Only != nil && !slices.Contains(from.Only, to.Path):
		return fmt.Sprintf("%s may import %s, not %s", from.Path, list(from.Only), to.Path)
	case from.Floor == to.Floor:
		return fmt.Sprintf("%s and %s are both on floor %d and do not know each other", from.Path, to.Path, to.Floor)
	case from.Floor < to.Floor:
		return fmt.Sprintf("%s (floor %d) is above %s (floor %d); take a function or a small interface instead", to.Path, to.Floor, from.Path, from.Floor)
	default:
		return ""
	}
}

// open says whether a room is part of the open edition.
func open(r Room) bool { return !closed(r.Path) }

// closed says whether a folder is left out of the open edition.
func closed(dir string) bool { return within(dir, enterprise) || within(dir, "cmd/parallaxd") }

func list(rooms []string) string {
	if len(rooms) == 0 {
		return "no room"
	}
	return "only " + strings.Join(rooms, " and ")
}

// doorRule judges the import of somebody else's package.
func (v *visit) doorRule(target string) string {
	i := slices.IndexFunc(doors, func(d Door) bool { return within(target, d.Module) })
	if i < 0 {
		return target + " has no door; a new dependency needs one in internal/archtest/house.go and a decision record"
	}
	d := doors[i]
	if slices.Contains(d.Rooms, v.room.Path) || v.test && (slices.Contains(d.Tests, anywhere) || slices.Contains(d.Tests, v.room.Path)) {
		return ""
	}
	return fmt.Sprintf("%s may import %s, %s may not", strings.Join(d.Rooms, ", "), d.Module, v.room.Path)
}

func (v *visit) standardRule(target string) string {
	if !v.room.Pure || v.test || !slices.ContainsFunc(impure, func(p string) bool { return within(target, p) }) {
		return ""
	}
	return fmt.Sprintf("%s is pure and may not import %s", v.room.Path, target)
}

// clocks reports the uses of the clock in a file, under whatever name it imports package time.
func (v *visit) clocks(file *ast.File) {
	name := timeName(file)
	if name == "" {
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == name && slices.Contains(clock, sel.Sel.Name) {
			v.report(sel, fmt.Sprintf("%s is pure and may not call time.%s; ask the Effects", v.room.Path, sel.Sel.Name))
		}
		return true
	})
}

// timeName returns what a file calls package time, or nothing if it does not import it.
func timeName(file *ast.File) string {
	for _, imp := range file.Imports {
		switch {
		case imp.Path.Value != `"time"`:
		case imp.Name != nil:
			return imp.Name.Name
		default:
			return "time"
		}
	}
	return ""
}
