package index

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/index/site"
)

// pagesName is the file in which a site keeps the list of its pages, so that the next one can remove those that are gone.
const pagesName = ".parallax-site"

// folder is a site on the disk. Nothing is written outside of it.
type folder struct {
	root  *os.Root
	old   map[string]bool // pages of the site that was here
	pages map[string]bool // pages so far
}

// openSite makes the folder of a site, or opens the one that is there. One with pages that somebody else wrote is refused.
func openSite(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, cli.Usagef("give a folder that can be written", "--out: %v", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{root: root, old: make(map[string]bool), pages: make(map[string]bool)}
	text, err := root.ReadFile(pagesName)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := root.Lstat("index.html"); err == nil {
			f.close()
			return nil, cli.Usagef("name another folder, or empty it", "%s has an index.html that parallax did not write", dir)
		}
		return f, nil
	}
	if err != nil {
		f.close()
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if page := strings.TrimSpace(line); fs.ValidPath(page) && path.Ext(page) == ".html" {
			f.old[page] = true
		}
	}
	return f, nil
}

func (f *folder) close() { _ = f.root.Close() }

// write writes one page, unless it is there as it is to be.
func (f *folder) write(p site.Page) error {
	if len(f.pages) == 0 { // a site that is broken off is known as one
		if err := f.list(f.old); err != nil {
			return err
		}
	}
	f.pages[p.Path] = true
	if text, err := f.root.ReadFile(p.Path); err == nil && bytes.Equal(text, p.HTML) {
		return nil
	}
	if err := f.root.MkdirAll(path.Dir(p.Path), 0o755); err != nil {
		return err
	}
	return f.replace(p.Path, p.HTML)
}

// replace writes a file so that who reads it has all of the old text or all of the new one.
func (f *folder) replace(name string, text []byte) error {
	temp := name + ".new"
	if err := f.root.WriteFile(temp, text, 0o644); err != nil {
		_ = f.root.Remove(temp)
		return err
	}
	return f.root.Rename(temp, name)
}

// list notes which pages are those of a site.
func (f *folder) list(pages map[string]bool) error {
	var b strings.Builder
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		b.WriteString(page + "\n")
	}
	return f.replace(pagesName, []byte(b.String()))
}

// finish removes pages that are gone.
func (f *folder) finish() error {
	for page := range f.old {
		if !f.pages[page] {
			if err := f.root.Remove(page); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return f.list(f.pages)
}
