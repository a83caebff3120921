package pattern

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/parallax-run/parallax/runtime"
)

// manifestName is the file that marks a package root.
const manifestName = "parallax.toml"

// place is where a pattern is.
type place struct {
	path string // as given
	root string // the package root, absolute, without links
	name string // of the main file
}

// locate finds the package root and the main file of what somebody asked to run.
func locate(given string, opts Options) (place, error) {
	if strings.HasPrefix(given, ":") || strings.HasPrefix(given, "//") || strings.HasPrefix(given, "@") {
		return locateLabel(given, opts)
	}
	file, err := mainFile(given, opts)
	if err != nil {
		return place{}, err
	}
	if filepath.Ext(file) != ".star" {
		return place{}, noPattern(given, "patterns are .star files", "%s is not a pattern", given)
	}
	dir, err := realDir(filepath.Dir(file))
	if err != nil {
		return place{}, noPattern(given, "", "%s: %w", given, err)
	}
	root := rootAbove(dir)
	rel, err := filepath.Rel(root, filepath.Join(dir, filepath.Base(file)))
	if err != nil {
		return place{}, noPattern(given, "", "%s: %w", given, err)
	}
	return place{given, root, filepath.ToSlash(rel)}, nil
}

// locateLabel sees a label from the current directory.
func locateLabel(label string, opts Options) (place, error) {
	dir, err := realDir(".")
	if err != nil {
		return place{}, noPattern(label, "", "the current directory: %w", err)
	}
	root := rootAbove(dir)
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return place{}, noPattern(label, "", "%s: %w", label, err)
	}
	p := packages{find: opts.Packages, root: root}
	name, bad := p.resolve(filepath.ToSlash(filepath.Join(rel, "x.star")), label)
	if bad != nil {
		return place{}, &PathError{Path: label, Message: bad.message, Hint: bad.hint}
	}
	return place{label, root, name}, nil
}

// mainFile gives the path of the file to run: the one given, or the main file of the directory given.
func mainFile(given string, opts Options) (string, error) {
	if given == "" {
		return "", noPattern(given, "name a .star file", "no pattern was named")
	}
	info, err := os.Stat(given)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return "", noPattern(given, fileLike(given), "there is no file %s", given)
	case err != nil:
		return "", noPattern(given, "", "%s cannot be read: %w", given, reason(err))
	case !info.IsDir():
		return given, nil
	}
	return mainOf(given, opts)
}

// mainOf is the main file of a directory.
func mainOf(dir string, opts Options) (string, error) {
	name := ""
	if opts.Main != nil {
		var err error
		if name, err = opts.Main(dir); err != nil {
			return "", err
		}
	}
	given := name != ""
	if !given {
		name = "main.star"
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", noPattern(dir, "", "the main file %s of %s is outside of it", name, dir)
	}
	file := filepath.Join(dir, filepath.FromSlash(name))
	switch _, err := os.Lstat(file); {
	case err == nil:
		return file, nil
	case given:
		return "", noPattern(dir, fileLike(file), "there is no file %s, which parallax.toml names as main", file)
	}
	return "", noPattern(dir, "name a .star file in it, or write main = \"FILE.star\" under [project] in parallax.toml", "%s is a directory without main.star", dir)
}

// fileLike proposes a file that was meant instead of one that is not there.
func fileLike(file string) string {
	d, err := os.Open(filepath.Dir(file))
	if err != nil {
		return ""
	}
	defer d.Close()
	entries, _ := d.ReadDir(maxSiblings)
	names := patternsIn(entries)
	base := filepath.Base(file)
	near := runtime.Nearest(base, names)
	if slices.Contains(names, base+".star") {
		near = base + ".star"
	}
	if near == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", filepath.Join(filepath.Dir(file), near))
}

// realDir makes a directory's path absolute and free of links.
func realDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// rootAbove is the nearest directory with a manifest, seen upwards from dir, or dir itself.
func rootAbove(dir string) string {
	for at := dir; ; {
		if _, err := os.Stat(filepath.Join(at, manifestName)); err == nil {
			return at
		}
		above := filepath.Dir(at)
		if above == at {
			return dir
		}
		at = above
	}
}
