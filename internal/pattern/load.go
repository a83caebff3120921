package pattern

import (
	"sync"

	"github.com/parallax-run/parallax/runtime"
)

// Loaded is a pattern with all it loads. Its sources were read once, also those of the child patterns that it names literally: what
// happens to the files afterwards does not concern it. It is safe for concurrent use.
type Loaded struct {
	Program *runtime.Program
	Root    string   // the package root, an absolute path without links
	Files   []string // names of the files, each after those it loads, the main file last

	mu       sync.Mutex
	graph    *graph
	children map[string]*runtime.Program // by name of the main file
}

// Load finds and compiles the pattern at path: a .star file, a directory with a main file, or a label such as "@std//x.star" or
// "//dir/x.star" seen from the current directory. Errors are a *PathError when there is no such pattern, a *SourceError when
// its source is wrong, and a *runtime.Error when its top-level code failed.
func Load(path string, env runtime.Environment, opts Options) (*Loaded, error) {
	at, err := locate(path, opts)
	if err != nil {
		return nil, err
	}
	g := newGraph(at.root, env, opts)
	defer g.close()
	if err := g.readMain(at); err != nil {
		return nil, err
	}
	return g.load(at.name)
}

// load compiles the pattern whose main file has been read.
func (g *graph) load(main string) (*Loaded, error) {
	units, findings := g.walk(main)
	if len(findings) > 0 {
		return nil, g.wrong(findings)
	}
	prog, err := g.compile(units)
	if err != nil {
		return nil, g.sourced(err)
	}
	g.walkChildren(units)
	clear(g.files) // children are parsed again when they are opened
	return &Loaded{Program: prog, Root: g.dir, Files: namesOf(units), graph: g, children: map[string]*runtime.Program{main: prog}}, nil
}

// Source is the text of a file, as it was when the pattern was loaded, or nil.
func (l *Loaded) Source(name string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.graph.sources()[name]
}

// Unbound tells of an agent that a file names and the project does not have, when it is the role of a package; else it is nil.
func (l *Loaded) Unbound(file, agent string) *PackageError {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.graph.packages.unbound(file, agent)
}

// Open gives the pattern that a label means in the module named from, for run("..."). It is compiled when first asked for.
// A label that means nothing is a *runtime.Error of code NotFound; errors in the child's source are a *SourceError.
func (l *Loaded) Open(from, label string) (*runtime.Program, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name, bad := l.graph.packages.resolve(from, label)
	if bad != nil {
		return nil, bad.notFound()
	}
	if prog, ok := l.children[name]; ok {
		return prog, nil
	}
	defer l.graph.close()
	if _, bad := l.graph.unit(name); bad != nil {
		if bad.code != codeSyntax {
			return nil, bad.notFound()
		}
	}
	units, findings := l.graph.walk(name)
	if len(findings) > 0 {
		return nil, l.graph.wrong(findings)
	}
	prog, err := l.graph.compile(units)
	if err != nil {
		return nil, l.graph.sourced(err)
	}
	l.graph.walkChildren(units)
	l.children[name] = prog
	return prog, nil
}
