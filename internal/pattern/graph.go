package pattern

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// graph is what has been read of a package. Each file is read once, whichever pattern of the package loads it.
type graph struct {
	tree
	packages packages
	env      runtime.Environment
	cache    *Cache
	units    map[string]*unit
	broken   map[string]*labelError   // files that could not be read or parsed
	texts    map[string][]byte        // of broken files, for excerpts
	files    map[string]*runtime.File // parsed and not compiled yet
	bytes    int                      // of all files read
	decls    []*builtins.Decl         // asked for once
	apart    func(files []*runtime.File, find func(from, label string) string) (*runtime.Program, error)
	foreign  bool // all of it comes from elsewhere
}

func newGraph(root string, env runtime.Environment, opts Options) *graph {
	return &graph{
		tree:     tree{dir: root, std: opts.Std},
		packages: packages{find: opts.Packages, root: root, self: opts.Package},
		env:      env,
		cache:    opts.Cache,
		apart:    opts.Apart,
		foreign:  opts.Elsewhere != nil && opts.Elsewhere(root),
		units:    make(map[string]*unit),
		broken:   make(map[string]*labelError),
		texts:    make(map[string][]byte),
		files:    make(map[string]*runtime.File),
	}
}

// readMain reads the main file. That there is none is the caller's mistake, not one in a source.
func (g *graph) readMain(at place) error {
	_, bad := g.unit(at.name)
	if bad == nil || bad.code == codeSyntax {
		return nil
	}
	return &PathError{Path: at.path, Message: bad.message, Hint: bad.hint, Cause: bad.cause}
}

// unit gives a file, reading it if it was not read yet.
func (g *graph) unit(name string) (*unit, *labelError) {
	if u, ok := g.units[name]; ok {
		return u, nil
	}
	if bad, ok := g.broken[name]; ok {
		return nil, bad
	}
	if len(g.broken) >= MaxModules {
		return nil, badLabel(codeMissing, "", "%s was not looked for: too many files are missing or wrong", name)
	}
	u, bad := g.readUnit(name)
	if bad != nil {
		g.broken[name] = bad
		return nil, bad
	}
	g.units[name] = u
	return u, nil
}

func (g *graph) readUnit(name string) (*unit, *labelError) {
	if len(g.units) >= MaxModules {
		return nil, badLabel(codeTooLarge, "", "the package has more than %d modules", MaxModules)
	}
	text, bad := g.text(name)
	if bad != nil {
		return nil, bad
	}
	if g.bytes += len(text); g.bytes > MaxBytes {
		return nil, badLabel(codeTooLarge, "", "the package has more than %d MiB of source", MaxBytes>>20)
	}
	if u, ok := g.cache.unit(name, text); ok {
		return u, nil
	}
	u, file, bad := parseUnit(name, text)
	if bad != nil {
		g.texts[name] = text
		return nil, bad
	}
	g.files[name] = file
	g.cache.keepUnit(u)
	return u, nil
}

// walk reads all that main loads and gives it in an order in which each file comes after those it loads. The findings are all
// that is wrong with the graph; the order then lacks the files concerned.
func (g *graph) walk(main string) ([]*unit, []runtime.Finding) {
	w := walk{graph: g, state: make(map[string]progress)}
	u, bad := g.unit(main)
	if bad != nil {
		return nil, bad.at(syntax.MakePosition(&main, 1, 1))
	}
	w.visit(u)
	return w.order, w.findings
}

// walkChildren reads the child patterns that the files name literally, and theirs. What is wrong with them is found
// again when they are opened.
func (g *graph) walkChildren(units []*unit) {
	seen := make(map[string]bool)
	for _, u := range units {
		seen[u.name] = true
	}
	all := slices.Clone(units)
	for i := 0; i < len(all); i++ {
		for _, c := range all[i].children {
			name, bad := g.packages.resolve(all[i].name, c.Name)
			if bad != nil || seen[name] {
				continue
			}
			below, _ := g.walk(name)
			for _, u := range below {
				if !seen[u.name] {
					seen[u.name] = true
					all = append(all, u)
				}
			}
		}
	}
}

// progress is how far the walk is with a file.
type progress uint8

const (
	entered progress = iota + 1
	done
)

// walk is one walk of a graph, depth first.
type walk struct {
	*graph
	state    map[string]progress
	way      []step // from the main file to the current one
	order    []*unit
	findings []runtime.Finding
}

// step is a load on the way.
type step struct {
	from *unit
	load load
	to   string
}

func (w *walk) visit(u *unit) {
	w.state[u.name] = entered
	for _, l := range u.loads {
		w.follow(u, l)
	}
	w.state[u.name] = done
	w.order = append(w.order, u)
}

// maxFindings is where a walk gives up.
const maxFindings = 100

func (w *walk) follow(u *unit, l load) {
	if len(w.findings) >= maxFindings {
		return
	}
	name, bad := w.packages.resolve(u.name, l.label)
	if bad != nil {
		w.findings = append(w.findings, bad.at(l.pos)...)
		return
	}
	at := step{u, l, name}
	if w.state[name] == entered {
		w.findings = append(w.findings, cycle(w.way, at))
		return
	}
	first := w.state[name] == 0
	to, bad := w.unit(name)
	switch {
	case bad != nil && bad.findings == nil:
		w.findings = append(w.findings, bad.at(l.pos)...)
		return
	case bad != nil:
		if first {
			w.findings = append(w.findings, bad.findings...)
		}
		w.state[name] = done
		return
	}
	if first {
		w.way = append(w.way, at)
		w.visit(to)
		w.way = w.way[:len(w.way)-1]
	}
	w.checkNames(to, l)
}

// checkNames sees to it that a module has what is loaded from it.
func (w *walk) checkNames(to *unit, l load) {
	for _, id := range l.names {
		if to.exports[id.Name] || strings.HasPrefix(id.Name, "_") {
			continue // names with an underscore are the resolver's to refuse
		}
		f := runtime.Finding{Code: "no-such-name", Pos: id.NamePos, Message: fmt.Sprintf("%s does not define %s", to.name, id.Name)}
		if near := runtime.Nearest(id.Name, slices.Sorted(maps.Keys(to.exports))); near != "" {
			f.Hint = fmt.Sprintf("did you mean %s?", near)
		}
		w.findings = append(w.findings, f)
	}
}

// cycle says which loads lead back to a file.
func cycle(way []step, last step) runtime.Finding {
	start := slices.IndexFunc(way, func(s step) bool { return s.from.name == last.to })
	if start < 0 {
		start = len(way)
	}
	var parts []string
	for _, s := range append(slices.Clone(way[start:]), last) {
		parts = append(parts, fmt.Sprintf("%s loads %s", s.load.pos, s.to))
	}
	return runtime.Finding{
		Code:    "cycle",
		Pos:     last.load.pos,
		Message: "the loads go in a circle: " + strings.Join(parts, ", "),
		Hint:    "move what both need into a third file",
	}
}

// at makes findings of the error, at the place that needs the file.
func (e *labelError) at(pos syntax.Position) []runtime.Finding {
	if e.findings != nil {
		return e.findings
	}
	return []runtime.Finding{{Code: e.code, Pos: pos, Message: e.message, Hint: e.hint}}
}

// compile makes a program of files in load order, or takes it from the cache. What comes from elsewhere is compiled, and run, apart.
func (g *graph) compile(units []*unit) (*runtime.Program, error) {
	if g.apart != nil && g.fetched(units) {
		files, err := g.parsed(units)
		if err != nil {
			return nil, err
		}
		return g.apart(files, g.nameOf)
	}
	return g.cache.program(keyOf(units, g.env, g.nameOf, g.packages.agents), func() (*runtime.Program, error) {
		files, err := g.parsed(units)
		if err != nil {
			return nil, err
		}
		return runtime.Compile(files, g.nameOf, g.env)
	})
}

// fetched says whether one of the files comes from another package.
func (g *graph) fetched(units []*unit) bool {
	return g.foreign || slices.ContainsFunc(units, func(u *unit) bool {
		space, _ := splitName(u.name)
		return space != "" && space != stdPrefix
	})
}

// parsed gives the parsed files of units.
func (g *graph) parsed(units []*unit) ([]*runtime.File, error) {
	files := make([]*runtime.File, len(units))
	for i, u := range units {
		f, err := g.file(u)
		if err != nil {
			return nil, err
		}
		files[i] = f
	}
	return files, nil
}

// nameOf gives the module that a label means, where that is already known to be good.
func (g *graph) nameOf(from, label string) string {
	name, _ := g.packages.resolve(from, label)
	return name
}

// file gives the parsed file of a unit. A tree is large: it is let go once it is compiled.
func (g *graph) file(u *unit) (*runtime.File, error) {
	f, ok := g.files[u.name]
	if !ok {
		var err error
		if f, err = runtime.Parse(u.name, u.text); err != nil {
			return nil, err
		}
	}
	delete(g.files, u.name)
	f.Agents = g.packages.agents(u.name)
	return f, nil
}

// text reads a file, of this package or another.
func (g *graph) text(name string) ([]byte, *labelError) {
	space, _ := splitName(name)
	if space == "" || space == stdPrefix || g.kept != nil {
		return g.read(name)
	}
	t, bad := g.packages.tree(space)
	if bad != nil {
		return nil, bad
	}
	return t.read(name)
}

// close gives back what is open.
func (g *graph) close() {
	g.tree.close()
	g.packages.close()
}

// sources gives all texts read so far, by name.
func (g *graph) sources() map[string][]byte {
	all := maps.Clone(g.texts)
	for name, u := range g.units {
		all[name] = u.text
	}
	return all
}

func namesOf(units []*unit) []string {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
	}
	return names
}
