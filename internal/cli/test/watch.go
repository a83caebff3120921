package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
)

// pollEvery is how often --watch looks at the files.
const pollEvery = 300 * time.Millisecond

// stamp tells whether a file has changed; the zero stamp is that of a file that is not there.
type stamp struct {
	size int64
	at   int64 // nanoseconds
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime().UnixNano()}
}

// watcher knows which files concern which tests.
type watcher struct {
	concerns map[string][]string // by file of tests: the paths it depends on
	stamps   map[string]stamp
}

// watch runs all tests, and then again those that a changed file concerns, until ctx ends. That is a good end.
func (o *Options) watch(ctx context.Context, files []string) error {
	w := &watcher{concerns: make(map[string][]string), stamps: make(map[string]stamp)}
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	for {
		seen := w.look(files)
		done, err := o.round(ctx, files)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how a watch ends
		}
		if _, told := errors.AsType[*cli.Told](err); err != nil && !told {
			cli.Tell(o.App, err)
		}
		w.learn(done, files, seen)
		if _, err := fmt.Fprintf(o.App.Err, "watching %s; Ctrl-C ends\n", count(len(w.stamps), "file")); err != nil {
			return err
		}
		if files = o.changed(ctx, w, ticks.C); files == nil {
			return nil
		}
	}
}

// look notes how files are before they are read, so that a change meanwhile is seen.
func (w *watcher) look(files []string) map[string]stamp {
	seen := make(map[string]stamp)
	for _, f := range files {
		for _, path := range append(slices.Clone(w.concerns[f]), f) {
			seen[path] = stampOf(path)
		}
	}
	return seen
}

// learn notes what each file of tests depends on.
func (w *watcher) learn(done []*file, files []string, seen map[string]stamp) {
	for _, f := range files {
		if w.concerns[f] == nil {
			w.concerns[f] = []string{f}
		}
	}
	for _, f := range done {
		w.concerns[f.path] = f.dependsOn()
	}
	stamps := make(map[string]stamp)
	for _, paths := range w.concerns {
		for _, path := range paths {
			at, ok := seen[path]
			if !ok {
				if at, ok = w.stamps[path]; !ok {
					at = stampOf(path)
				}
			}
			stamps[path] = at
		}
	}
	w.stamps = stamps
}

// dependsOn lists the paths that a file of tests depends on, sorted. One that could not be loaded depends on all scripts of its package.
func (f *file) dependsOn() []string {
	paths := []string{f.path}
	if f.suite == nil {
		paths = append(paths, scripts(packageOf(f.path))...)
	} else {
		root := f.suite.Loaded.Root
		paths = append(paths, filepath.Join(root, manifest.FileName), filepath.Join(root, manifest.LockName))
		for name := range f.suite.Loaded.Sources() {
			if !strings.HasPrefix(name, "@") {
				paths = append(paths, filepath.Join(root, filepath.FromSlash(name)))
			}
		}
		for _, t := range f.tests {
			paths = append(paths, t.out.reads...)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// packageOf is the directory of the nearest manifest above a file, else the file's own.
func packageOf(path string) string {
	own := filepath.Dir(path)
	for dir := own; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, manifest.FileName)); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return own
		}
	}
}

// maxScripts bounds how many scripts of a broken package are watched.
const maxScripts = 1000

func scripts(dir string) []string {
	var found []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // what cannot be read is not watched
		switch {
		case err != nil:
			return nil //nolint:nilerr // see above
		case len(found) >= maxScripts:
			return filepath.SkipAll
		case d.IsDir() && path != dir && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case filepath.Ext(path) == ".star":
			found = append(found, path)
		}
		return nil
	})
	return found
}

// changed waits for a change and gives the files of tests that it concerns, nil when ctx ended.
func (o *Options) changed(ctx context.Context, w *watcher, ticks <-chan time.Time) []string {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		}
		concerned, why := w.poll(o)
		if len(concerned) > 0 {
			fmt.Fprintf(o.App.Err, "\nchanged: %s\n", strings.Join(why, ", "))
			return concerned
		}
	}
}

// poll looks at all files. A file of tests that is gone is forgotten, a new one is run.
func (w *watcher) poll(o *Options) (concerned, changes []string) {
	changed := make(map[string]bool)
	for path, old := range w.stamps {
		if now := stampOf(path); now != old {
			changed[path] = true
			w.stamps[path] = now
		}
	}
	for f := range w.concerns {
		if changed[f] && stampOf(f) == (stamp{}) {
			delete(w.concerns, f)
		}
	}
	found, _ := o.files() // while there are none, there is nothing to run
	for _, f := range found {
		if _, known := w.concerns[f]; !known {
			changed[f] = true
			w.concerns[f] = []string{f}
		}
	}
	for f, paths := range w.concerns {
		if slices.ContainsFunc(paths, func(p string) bool { return changed[p] }) {
			concerned = append(concerned, f)
		}
	}
	for path := range changed {
		changes = append(changes, cli.Short(o.App.Dir, path))
	}
	slices.Sort(concerned)
	slices.Sort(changes)
	return concerned, changes
}
