package pattern

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// Sources gives the texts of all files that the pattern may need, by name: what Restore needs to make the same pattern again. Where one of them
// runs patterns that it does not name, those are all patterns of the package, as they are now.
func (l *Loaded) Sources() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.graph.readOpen()
	texts := make(map[string]string)
	for name, text := range l.graph.sources() {
		texts[name] = string(text)
	}
	if aliases := l.graph.packages.text(); aliases != "" {
		texts[packagesName] = aliases
	}
	if roles := l.graph.packages.roles(); roles != "" {
		texts[rolesName] = roles
	}
	return texts
}

// Restore compiles a pattern from texts that Sources gave, whatever has become of the files since. root is where they were, for messages and
// for whatever else is relative to it. Errors are those of Load.
func Restore(sources map[string]string, main, root string, env runtime.Environment, opts Options) (*Loaded, error) {
	g := newGraph(root, env, opts)
	g.kept = sources
	if err := g.packages.restore(sources); err != nil {
		return nil, err
	}
	if err := g.readMain(place{root: root, name: main, path: main}); err != nil {
		return nil, err
	}
	return g.load(main)
}

// readOpen reads all patterns of the package, if one that was read may run any of them.
func (g *graph) readOpen() {
	if g.kept != nil || !g.mayRunAny() {
		return
	}
	defer g.close()
	for _, name := range g.patterns() {
		if u, bad := g.unit(name); bad == nil {
			g.walk(u.name) // what is wrong with it is found when it is run
		}
	}
	clear(g.files)
}

func (g *graph) mayRunAny() bool {
	for _, u := range g.units {
		if u.open && !strings.HasPrefix(u.name, stdPrefix) {
			return true
		}
	}
	return false
}

// maxEntries is how many files and directories of a package are looked at for patterns.
const maxEntries = 20_000

var errEnough = errors.New("that is enough")

// patterns lists the patterns of the package, as far as they can be found. Directories that begin with a point are none of it.
func (g *graph) patterns() (names []string) {
	root, err := os.OpenRoot(g.dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	seen := 0
	_ = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if seen++; seen > maxEntries {
			return errEnough
		}
		switch {
		case d == nil:
			return err
		case err != nil && d.IsDir():
			return fs.SkipDir
		case d.IsDir() && name != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Type().IsRegular() && path.Ext(name) == ".star":
			names = append(names, name)
		}
		return nil
	})
	return names
}

// readKept gives the text that a run recorded.
func (t *tree) readKept(name string) ([]byte, *labelError) {
	text, ok := t.kept[name]
	if !ok {
		return nil, badLabel(codeMissing, "start a new run", "%s is not among the files that the run recorded when it started", name)
	}
	return []byte(text), nil
}
