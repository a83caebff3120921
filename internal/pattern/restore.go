package pattern

import "github.com/parallax-run/parallax/runtime"

// Sources gives the texts of all files read so far, by name: what Restore needs to make the same pattern again.
func (l *Loaded) Sources() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	texts := make(map[string]string)
	for name, text := range l.graph.sources() {
		texts[name] = string(text)
	}
	if aliases := l.graph.packages.text(); aliases != "" {
		texts[packagesName] = aliases
	}
	return texts
}

// Restore compiles a pattern from texts that Sources gave, whatever has become of the files since. root is where they were, for messages and
// for whatever else is relative to it. Errors are those of Load.
func Restore(sources map[string]string, main, root string, env runtime.Environment, opts Options) (*Loaded, error) {
	g := newGraph(root, env, opts)
	g.kept = sources
	if err := g.packages.restore(sources[packagesName]); err != nil {
		return nil, err
	}
	if err := g.readMain(place{root: root, name: main, path: main}); err != nil {
		return nil, err
	}
	return g.load(main)
}

// readKept gives the text that a run recorded.
func (t *tree) readKept(name string) ([]byte, *labelError) {
	text, ok := t.kept[name]
	if !ok {
		return nil, badLabel(codeMissing, "start a new run", "%s is not among the files that the run recorded when it started", name)
	}
	return []byte(text), nil
}
