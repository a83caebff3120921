package pattern

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/parallax-run/parallax/runtime"
)

// tree reads the files of a package and of the standard modules, and nothing else.
type tree struct {
	dir   string   // the package root
	space string   // that names of its modules begin with: "" in the project's own package
	root  *os.Root // of dir, opened when first needed
	std   fs.FS
	kept  map[string]string // when not nil, all there is: texts by name, as a run recorded them
}

// close gives back the root; the next read opens it again.
func (t *tree) close() {
	if t.root != nil {
		t.root.Close()
		t.root = nil
	}
}

// read gives the text of a module.
func (t *tree) read(name string) ([]byte, *labelError) {
	if t.kept != nil {
		return t.readKept(name)
	}
	if p, ok := strings.CutPrefix(name, stdPrefix); ok {
		return t.readStd(name, p)
	}
	name = strings.TrimPrefix(name, t.space)
	if t.root == nil {
		root, err := os.OpenRoot(t.dir)
		if err != nil {
			return nil, t.unreadable(name, err)
		}
		t.root = root
	}
	return t.readFile(name)
}

// readFile opens a file below the root: no link on the way, a regular file, of a size that can be compiled. The root itself
// sees to it that nothing outside is opened, whatever changes meanwhile.
func (t *tree) readFile(name string) ([]byte, *labelError) {
	seen, bad := t.walkTo(name)
	if bad != nil {
		return nil, bad
	}
	f, err := t.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, t.unreadable(name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, t.unreadable(name, err)
	}
	if !os.SameFile(seen, info) {
		return nil, badLabel(codeLink, "run it again", "%s was replaced while it was opened", t.space+name)
	}
	return t.textOf(name, f)
}

// walkTo looks at each part of the way to a file before the file is opened.
func (t *tree) walkTo(name string) (fs.FileInfo, *labelError) {
	for end := 0; ; {
		next := strings.IndexByte(name[end:], '/')
		last := next < 0
		part := name
		if !last {
			part = name[:end+next]
			end += next + 1
		}
		info, err := t.root.Lstat(filepath.FromSlash(part))
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
			return nil, t.missing(name)
		case err != nil:
			return nil, t.unreadable(name, err)
		case info.Mode()&fs.ModeSymlink != 0:
			return nil, badLabel(codeLink, "copy the file into the package", "%s is a symbolic link; a package has none", t.space+part)
		case last && !info.Mode().IsRegular():
			return nil, badLabel(codeNotRegular, "", "%s is %s, not a regular file", t.space+name, kindOf(info.Mode()))
		case last:
			return info, nil
		case !info.IsDir():
			return nil, t.missing(name)
		}
	}
}

// textOf reads a file that is open, up to the size that can be compiled.
func (t *tree) textOf(name string, r io.Reader) ([]byte, *labelError) {
	text, err := io.ReadAll(io.LimitReader(r, runtime.MaxSourceBytes+1))
	if err != nil {
		return nil, t.unreadable(name, err)
	}
	if len(text) > runtime.MaxSourceBytes {
		return nil, badLabel(codeTooLarge, "split it into modules and load() them", "%s has more than %d KiB", t.space+name, runtime.MaxSourceBytes>>10)
	}
	return text, nil
}

func (t *tree) readStd(name, p string) ([]byte, *labelError) {
	if t.std == nil {
		return nil, badLabel(codeMissing, "", "%s is not there: this build has no standard modules", name)
	}
	f, err := t.std.Open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, badLabel(codeMissing, t.nearby(name), "there is no standard module %s", name)
	}
	if err != nil {
		return nil, t.unreadable(name, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, badLabel(codeNotRegular, "", "%s is not a regular file", name)
	}
	return t.textOf(name, f)
}

func (t *tree) missing(name string) *labelError {
	return badLabel(codeMissing, t.nearby(name), "there is no file %s (tried %s)", t.space+name, filepath.Join(t.dir, filepath.FromSlash(name)))
}

func (t *tree) unreadable(name string, err error) *labelError {
	e := badLabel(codeUnreadable, "", "%s cannot be read: %s", t.space+name, reason(err))
	e.cause = err
	return e
}

// reason is an error of the file system without the path, which the message already names.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// maxSiblings is how many files of a directory are looked at for one that was meant.
const maxSiblings = 1000

// nearby proposes a file of the same directory whose name is like that of the missing one.
func (t *tree) nearby(name string) string {
	space, p := cmp.Or(t.space, "//"), name
	list := t.siblings
	if inStd, ok := strings.CutPrefix(name, stdPrefix); ok {
		space, p, list = stdPrefix, inStd, t.stdSiblings
	}
	near := runtime.Nearest(path.Base(p), list(path.Dir(p)))
	if near == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", space+path.Join(path.Dir(p), near))
}

func (t *tree) siblings(dir string) []string {
	f, err := t.root.OpenFile(filepath.FromSlash(dir), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, err := f.ReadDir(maxSiblings)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return patternsIn(entries)
}

func (t *tree) stdSiblings(dir string) []string {
	entries, err := fs.ReadDir(t.std, dir)
	if err != nil {
		return nil
	}
	return patternsIn(entries)
}

// patternsIn lists the .star files among the entries of a directory.
func patternsIn(entries []fs.DirEntry) []string {
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && path.Ext(e.Name()) == ".star" {
			names = append(names, e.Name())
		}
	}
	return names
}

// kindOf names what a file is when it is not regular.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "something special"
}
