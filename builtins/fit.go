package builtins

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// fitting is one walk of a value against a type.
type fitting struct {
	decoded bool             // the value is fresh from JSON: objects become records, lists may be changed
	thread  *starlark.Thread // charged for copies; nil charges nothing
	path    []string         // parts such as ".name" and "[3]"
	quiet   bool             // mismatches are errQuiet
	steps   int              // made by schemas of the script's own
}

// errQuiet is a mismatch of which nobody wants to know the reason.
var errQuiet = errors.New("does not fit")

// at fits a part of the value.
func (f *fitting) at(part string, s shape, v starlark.Value) (starlark.Value, error) {
	f.path = append(f.path, part)
	out, err := s.fit(f, v)
	f.path = f.path[:len(f.path)-1]
	return out, err
}

func (f *fitting) failAt(part, format string, args ...any) error {
	if f.quiet {
		return errQuiet
	}
	path := strings.Join(f.path, "") + part
	if len(path) > 200 {
		path = strings.ToValidUTF8(path[:200], "") + "..."
	}
	return &schemaMismatch{Path: "$" + path, Reason: fmt.Errorf(format, args...).Error()}
}

func (f *fitting) fail(format string, args ...any) error { return f.failAt("", format, args...) }

func (f *fitting) want(s shape, v starlark.Value) error {
	return f.fail("want %s, got %s", brief(s.String()), describe(v))
}

// object fits the fields of an object and gives them in the order of the columns. get gives a field, or nil; names are those
// that the object has.
func (f *fitting) object(columns []column, names []string, get func(string) starlark.Value) ([]starlark.Value, error) {
	if err := f.unknown(columns, names); err != nil {
		return nil, err
	}
	out := make([]starlark.Value, len(columns))
	for i, c := range columns {
		v := get(c.name)
		if v == nil {
			if c.def == nil {
				return nil, f.failAt("."+c.name, "is missing, want %s", brief(c.of.String()))
			}
			out[i] = c.def
			continue
		}
		var err error
		if out[i], err = f.at("."+c.name, c.of, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *fitting) unknown(columns []column, names []string) error {
	known := make([]string, len(columns))
	set := make(map[string]bool, len(columns))
	for i, c := range columns {
		known[i] = c.name
		set[c.name] = true
	}
	for _, name := range names {
		if set[name] {
			continue
		}
		if near := runtime.Nearest(name, known); near != "" {
			return f.failAt("."+brief(name), "there is no such field, did you mean %s?", near)
		}
		return f.failAt("."+brief(name), "there is no such field, the fields are %s", brief(strings.Join(known, ", ")))
	}
	return nil
}

// lookup gives the entries of a dict by key, nil for those that it lacks.
func lookup(d *starlark.Dict) func(string) starlark.Value {
	return func(name string) starlark.Value {
		v, found, _ := d.Get(starlark.String(name)) // a string always hashes
		if !found {
			return nil
		}
		return v
	}
}

// stringKeys gives the string keys of a dict in their order.
func stringKeys(d *starlark.Dict) ([]string, error) {
	names := make([]string, 0, d.Len())
	for _, k := range d.Keys() {
		s, ok := k.(starlark.String)
		if !ok {
			return nil, fmt.Errorf("the key %s is a %s, want a string", brief(k.String()), k.Type())
		}
		names = append(names, string(s))
	}
	return names, nil
}

// longWork is a charge, in bytes, before which it is looked whether the run was stopped.
const longWork = 1 << 20

// charge counts bytes that t is about to allocate. While a module is loaded there is no branch to charge; steps bound it.
func charge(t *starlark.Thread, bytes int) error {
	if bytes < 0 || bytes > runtime.MaxValueBytes {
		return fmt.Errorf("the result would be larger than %d MiB", runtime.MaxValueBytes>>20)
	}
	if t == nil {
		return nil
	}
	b, err := runtime.BranchOf(t)
	if err != nil {
		return nil //nolint:nilerr // no branch, no charge
	}
	if bytes >= longWork {
		if err := b.Effects().Checkpoint(); err != nil {
			if _, forScript := errors.AsType[*runtime.Error](err); forScript {
				return err
			}
			return hosted(err)
		}
	}
	return b.Charge(t, uint64(bytes))
}
