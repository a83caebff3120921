// Package pattern finds, loads, checks and compiles patterns.
//
// A pattern is a main file and what it loads, all below one package root: the directory of the nearest parallax.toml, or else the main file's
// own. Nothing outside of it is read but the packages that it names by an alias, each confined like it: labels cannot leave a package, links are
// refused, and only regular files are opened. The whole load graph is read and checked before anything is compiled.
//
// The parts, in the order of a load: locate finds the root, resolve turns labels into names, tree reads confined, graph walks,
// Cache keeps what was compiled.
package pattern

import (
	"fmt"
	"io/fs"

	"github.com/parallax-run/parallax/runtime"
)

// Bounds of a package, child patterns included.
const (
	MaxModules = 200
	MaxBytes   = 2 << 20
)

// Options says how patterns are loaded. The zero Options is fine.
type Options struct {
	Std   fs.FS  // the modules of @std//, by path; nil when there are none
	Cache *Cache // nil compiles each time

	// Main gives the main file of a directory, slash-separated and below it, as its parallax.toml says, or "". Nil means main.star.
	Main func(dir string) (string, error)

	// Packages finds what the package at root may load from elsewhere; it is asked when a label first needs it. Nil means that there is nothing.
	Packages func(root string) (Packages, error)
	Package  string // the package that is loaded, as github.com/owner/repo@v1.2.0; "" for a project's own patterns

	// Apart compiles load graphs that have a module from another package, as runtime.Compile does, into programs that run out of this process. Nil
	// means that all are compiled here.
	Apart     func(files []*runtime.File, find func(from, label string) string) (*runtime.Program, error)
	Elsewhere func(root string) bool // says whether the package at root comes from elsewhere itself; nil means that none does
}

// PathError says that there is no pattern at a path.
type PathError struct {
	Path    string // as given
	Message string
	Hint    string // the next step, or ""
	Cause   error  // or nil
}

func (e *PathError) Error() string { return e.Message }

func (e *PathError) Unwrap() error { return e.Cause }

func noPattern(path, hint, format string, args ...any) *PathError {
	err := fmt.Errorf(format, args...)
	e := &PathError{Path: path, Message: err.Error(), Hint: hint}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		e.Cause = u.Unwrap()
	}
	return e
}
