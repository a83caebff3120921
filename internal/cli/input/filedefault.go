package input

import (
	"errors"
	"os"
	"path"
	"path/filepath"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// fileDefaults adds the inputs that nobody named and whose default is file("..."): the content of that file.
func (r Reader) fileDefaults(params []runtime.Param, fields map[string]runtime.Payload) error {
	for _, p := range params {
		f, ok := p.Default.(builtins.FileInput)
		if !ok {
			continue
		}
		if _, named := fields[p.Name]; named {
			continue
		}
		v, err := r.fileDefault(p.Name, f.Path)
		if err != nil {
			return err
		}
		fields[p.Name] = v
	}
	return nil
}

// fileDefault reads a file of the package. What the pattern names never leads out of it, not over a link either.
func (r Reader) fileDefault(name, file string) (runtime.Payload, error) {
	other := "--input " + name + "=@PATH names another file"
	root, err := os.OpenRoot(r.Package)
	if err != nil {
		return nil, cli.Usagef(other, "the input %q is the file %s, which cannot be read: %v", name, file, errors.Unwrap(err))
	}
	defer root.Close()
	at := filepath.FromSlash(path.Join(path.Dir(r.Main), file))
	info, err := root.Stat(at)
	switch {
	case err != nil:
		return nil, cli.Usagef(other, "the input %q is the file %s, which cannot be read: %v", name, file, errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return nil, cli.Usagef(other, "the input %q is %s, which is no regular file", name, file)
	}
	f, err := root.Open(at)
	if err != nil {
		return nil, cli.Usagef(other, "the input %q is the file %s, which cannot be read: %v", name, file, errors.Unwrap(err))
	}
	defer f.Close()
	raw, err := limited(f, file)
	if err != nil {
		return nil, cli.Usagef(other, "the input %q: %v", name, err)
	}
	return fileText(name, file, raw)
}
