package examples_test

import (
	"io/fs"
	"slices"
)

// without is a file system without the entries of some names.
type without struct {
	fs.FS
	names []string
}

// ReadDir implements fs.ReadDirFS.
func (w without) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(w.names, e.Name()) }), err
}
