package guard_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarktest"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime/guard"
)

// The interpreter's own tests say what Starlark means; they must say the same through the guard.
func TestTheInterpretersOwnTestsBehaveTheSame(t *testing.T) {
	t.Parallel()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "go.starlark.net").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "starlark", "testdata", "*.star"))
	require.NoError(t, err)
	require.Greater(t, len(files), 10)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			lines := 0
			for chunk := range strings.SplitSeq(string(text), "\n---\n") {
				src := strings.Repeat("\n", lines) + chunk
				lines += strings.Count(chunk, "\n") + 2
				compare(t, filepath.Base(file), src, options(string(text)))
			}
		})
	}
}

func options(text string) *syntax.FileOptions {
	opts := &syntax.FileOptions{}
	for line := range strings.Lines(text) {
		for o := range strings.FieldsSeq(line) {
			switch o {
			case "option:set":
				opts.Set = true
			case "option:while":
				opts.While = true
			case "option:toplevelcontrol":
				opts.TopLevelControl = true
			case "option:globalreassign":
				opts.GlobalReassign = true
			case "option:recursion":
				opts.Recursion = true
			}
		}
	}
	return opts
}

// different are the messages of asserts that must fail through the guard, and why.
var different = map[string]string{
	"the repetition would be larger than": "the guard's own bound on a value is lower than the interpreter's",
}

func compare(t *testing.T, name, src string, opts *syntax.FileOptions) {
	t.Helper()
	plain := execute(t, name, src, opts, false)
	guarded := execute(t, name, src, opts, true)
	if plain == guarded {
		return
	}
	require.Equal(t, plain, guarded)
}

// reporter collects what asserts say.
type reporter struct{ said []string }

func (r *reporter) Error(args ...any) { r.said = append(r.said, fmt.Sprint(args...)) }

// execute runs a chunk and gives all that shows of it: prints, failed asserts, the error and where.
func execute(t *testing.T, name, src string, opts *syntax.FileOptions, guarded bool) string {
	t.Helper()
	f, err := opts.Parse(name, src, 0)
	if err != nil {
		return err.Error()
	}
	names := starlark.StringDict{
		"hasfields": starlark.NewBuiltin("hasfields", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
			return starlark.None, nil
		}),
	}
	if guarded {
		guard.Rewrite(f)
		maps.Copy(names, guard.Builtins(func(*starlark.Thread, uint64) error { return nil }))
	}
	prog, err := starlark.FileProgram(f, names.Has)
	if err != nil {
		return err.Error()
	}
	r := &reporter{}
	var out strings.Builder
	th := &starlark.Thread{
		Print: func(_ *starlark.Thread, msg string) { fmt.Fprintln(&out, msg) },
		Load:  func(*starlark.Thread, string) (starlark.StringDict, error) { return starlarktest.LoadAssertModule() },
	}
	starlarktest.SetReporter(th, r)
	_, err = prog.Init(th, names)
	for _, s := range r.said {
		if !guarded || !known(s) {
			out.WriteString(visible(s))
		}
	}
	if err != nil {
		out.WriteString(err.Error())
		if e, ok := errors.AsType[*starlark.EvalError](err); ok {
			out.WriteString(visible(e.Backtrace()))
		}
	}
	return out.String()
}

// known says that a failed assert is one of those that must differ.
func known(said string) bool {
	for part := range different {
		if strings.Contains(said, part) {
			return true
		}
	}
	return false
}

// visible drops the guard's own frames from a backtrace.
func visible(trace string) string {
	var kept []string
	for line := range strings.Lines(trace) {
		if !strings.Contains(line, "in %") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
