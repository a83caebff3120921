package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/pattern/diagnose"
	"github.com/parallax-run/parallax/runtime"
)

// maxRounds bounds how often a file is fixed and examined again.
const maxRounds = 40

// Fix makes the safe changes that a report proposes in the files of the package, again and again until none is left, and gives the names of
// those it changed. A file is replaced as a whole or not at all, and only where it has fewer errors then, or can be read at last.
func Fix(r *Report, opts CheckOptions, env runtime.Environment) ([]string, error) {
	g := newGraph(r.Root, env, opts.Options)
	defer g.close()
	var changed []string
	for _, name := range r.fixable() {
		text := r.Sources[name]
		after := g.fixed(name, text, opts.Effects)
		if after == nil {
			continue
		}
		if err := g.replace(name, text, after); err != nil {
			return changed, fmt.Errorf("%s: %w", name, err)
		}
		changed = append(changed, name)
	}
	return changed, nil
}

// fixable lists the files of the package, standard modules excepted, that have something safe to change.
func (r *Report) fixable() []string {
	var names []string
	for _, f := range r.Findings {
		if f.Fix != nil && f.Fix.Safe && !strings.HasPrefix(f.File, "@") && !slices.Contains(names, f.File) {
			names = append(names, f.File)
		}
	}
	return names
}

// fixed gives the text with its safe changes, or nil where it would be no better.
func (g *graph) fixed(name string, before []byte, effects []string) []byte {
	text := before
	for range maxRounds {
		next, n := diagnose.ApplySafe(string(text), raw(g.examine(name, text, effects)))
		if n == 0 || len(next) > 4*len(before)+4096 {
			break
		}
		text = []byte(next)
	}
	if bytes.Equal(text, before) || !g.better(name, before, text, effects) {
		return nil
	}
	return text
}

// raw are findings as the package below knows them.
func raw(list []Finding) []diagnose.Finding {
	out := make([]diagnose.Finding, len(list))
	for i, f := range list {
		out[i] = diagnose.Finding{Code: f.Code, Fix: f.Fix, Warning: f.Severity == IsWarning}
	}
	return out
}

// better says that a text can be read where the other could not, or has fewer findings.
func (g *graph) better(name string, before, after []byte, effects []string) bool {
	_, _, was := parseUnit(name, before)
	_, _, is := parseUnit(name, after)
	if (was == nil) != (is == nil) {
		return is == nil
	}
	a, b := count(g.examine(name, before, effects)), count(g.examine(name, after, effects))
	return b.errors < a.errors || b.errors == a.errors && b.warnings < a.warnings
}

type tally struct{ errors, warnings int }

func count(list []Finding) (t tally) {
	for _, f := range list {
		if f.Severity == IsError {
			t.errors++
		} else {
			t.warnings++
		}
	}
	return t
}

// replace puts a text in the place of a file that still holds the other.
func (t *tree) replace(name string, old, text []byte) error {
	root, err := os.OpenRoot(t.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	at := filepath.FromSlash(name)
	info, err := root.Lstat(at)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("it is not a regular file any more")
	}
	if now, err := root.ReadFile(at); err != nil {
		return err
	} else if !bytes.Equal(now, old) {
		return fmt.Errorf("it was changed meanwhile; run the check again")
	}
	draft := fmt.Sprintf("%s.%d.fix", at, os.Getpid())
	if err := write(root, draft, info.Mode().Perm(), text); err != nil {
		return err
	}
	return errors.Join(root.Rename(draft, at), ignoreMissing(root.Remove(draft)))
}

// write makes a new file and sees it onto the disk.
func write(root *os.Root, name string, mode fs.FileMode, text []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(text))
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
