package pattern

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// environment is a language with the names that these tests use.
func environment() runtime.Environment {
	effect := func(name string) *starlark.Builtin {
		return starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			if _, err := runtime.BranchOf(t); err != nil {
				return nil, err
			}
			return starlark.None, nil
		})
	}
	env := runtime.Environment{Builtins: starlark.StringDict{}}
	for _, name := range []string{"parallel", "gather", "race", "defer", "run", "sleep"} {
		env.Builtins[name] = effect(name)
	}
	env.Builtins["agent"] = starlark.NewBuiltin("agent", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return starlark.None, nil
	})
	return env
}

// files writes a tree of files, given as "name: text" pairs, and gives its directory.
func files(t testing.TB, tree map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for name, text := range tree {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return dir
}

// deaf are effects for patterns that have none.
type deaf struct{}

func (deaf) Do(runtime.Effect) (runtime.Payload, error) { return nil, errors.New("no effects here") }

func (deaf) Fork(runtime.ForkSpec, int, func(int, runtime.Effects) (any, error)) runtime.Group {
	panic("no forks here")
}
func (deaf) Checkpoint() error { return nil }
func (deaf) Now() time.Time    { return time.Unix(0, 0).UTC() }

// result runs a program without inputs.
func result(t testing.TB, p *runtime.Program) string {
	t.Helper()
	out, err := p.Run(deaf{}, nil, runtime.Config{})
	require.NoError(t, err)
	return string(out)
}

// run compiles and runs one file.
func run(t testing.TB, text string) string {
	t.Helper()
	l, err := Load(filepath.Join(files(t, map[string]string{"main.star": text}), "main.star"), environment(), Options{})
	require.NoError(t, err)
	return result(t, l.Program)
}

// codes lists findings as "file:line:col code".
func codes(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, strings.SplitN(f.String(), ": ", 2)[0]+" "+f.Code)
	}
	return out
}

func findingsOf(t *testing.T, err error) []Finding {
	t.Helper()
	wrong, ok := errors.AsType[*SourceError](err)
	require.True(t, ok, "%v", err)
	return wrong.Findings
}
