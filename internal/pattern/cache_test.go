package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func TestAnUnchangedGraphIsCompiledOnce(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"main.star": "load(\":lib.star\", \"one\")\ndef main():\n    return one\n",
		"lib.star":  "one = 1\n",
	})
	opts := Options{Cache: &Cache{}}
	loaded := func(env runtime.Environment) *runtime.Program {
		l, err := Load(filepath.Join(dir, "main.star"), env, opts)
		require.NoError(t, err)
		return l.Program
	}
	first := loaded(environment())
	require.Same(t, first, loaded(environment()))

	more := environment()
	more.Builtins["another"] = starlark.None
	other := loaded(more)
	require.NotSame(t, first, other)
	require.NotEqual(t, first.Digest, other.Digest)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "lib.star"), []byte("one = 2\n"), 0o644))
	changed := loaded(environment())
	require.NotSame(t, first, changed)
	require.NotEqual(t, first.Digest, changed.Digest)
	require.Equal(t, "2", result(t, changed))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "lib.star"), []byte("one = 1\n"), 0o644))
	require.Same(t, first, loaded(environment()))
}

// Equal texts under other names are other programs: messages and child patterns go by the name.
func TestNamesBelongToTheKey(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"a.star": simple, "b.star": simple})
	opts := Options{Cache: &Cache{}}
	for _, name := range []string{"a.star", "b.star"} {
		l, err := Load(filepath.Join(dir, name), environment(), opts)
		require.NoError(t, err)
		require.Equal(t, name, l.Program.Name)
	}
}

func TestManyMayLoadAtOnce(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"main.star":  "load(\":lib.star\", \"one\")\ndef main():\n    return one\n",
		"lib.star":   "one = 1\n",
		"child.star": "load(\":lib.star\", \"one\")\ndef main():\n    return one + 1\n",
	})
	opts := Options{Cache: &Cache{}}
	programs := make([]*runtime.Program, 16)
	var wg sync.WaitGroup
	for i := range programs {
		wg.Go(func() {
			l, err := Load(filepath.Join(dir, "main.star"), environment(), opts)
			if err != nil {
				return
			}
			var inner sync.WaitGroup
			for range 4 {
				inner.Go(func() { _, _ = l.Open("main.star", ":child.star") })
			}
			inner.Wait()
			if _, err := l.Open("main.star", ":child.star"); err == nil {
				programs[i] = l.Program
			}
		})
	}
	wg.Wait()
	for _, p := range programs {
		require.NotNil(t, p)
		require.Same(t, programs[0], p)
	}
}

func TestFailuresAreNotKept(t *testing.T) {
	t.Parallel()
	c := &Cache{}
	broken := errors.New("broken")
	_, err := c.program(digest{1}, func() (*runtime.Program, error) { return nil, broken })
	require.ErrorIs(t, err, broken)
	want := &runtime.Program{Name: "x"}
	got, err := c.program(digest{1}, func() (*runtime.Program, error) { return want, nil })
	require.NoError(t, err)
	require.Same(t, want, got)
	got, err = c.program(digest{1}, func() (*runtime.Program, error) { return nil, broken })
	require.NoError(t, err)
	require.Same(t, want, got)
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := &Cache{}
	for i := range maxUnits + 10 {
		c.keepUnit(&unit{name: fmt.Sprint(i)})
		_, _ = c.unit("0", nil) // used all the time, so it stays
	}
	require.Equal(t, maxUnits, c.units.used.Len())
	require.Len(t, c.units.byKey, maxUnits)
	_, ok := c.unit("0", nil)
	require.True(t, ok)
	_, ok = c.unit("1", nil)
	require.False(t, ok)
}

// source writes a pattern of about n lines that looks like one.
func source(n int) string {
	var b strings.Builder
	b.WriteString("def main(question = \"why\"):\n    \"\"\"Answers a question.\"\"\"\n    return step_0(question, [])\n")
	for i := 0; strings.Count(b.String(), "\n") < n; i++ {
		fmt.Fprintf(&b, `
def step_%d(question, found, limit = %d):
    """Does step %d of the work."""
    ordered = sorted([x for x in found if x.score > 0.%d], key = lambda x: x.score)
    for item in ordered[:limit]:
        if item.agent == "writer-%d" and item.value != None:
            question = question + "\n" + item.value.strip()
        elif len(question) > limit * 100:
            break
    return {"question": question, "found": found + ordered, "step": %d}
`, i, i+3, i, i%9+1, i, i)
	}
	return b.String()
}

var sizes = []int{50, 1000}

func BenchmarkLoad(b *testing.B) {
	for _, n := range sizes {
		file := filepath.Join(files(b, map[string]string{"main.star": source(n)}), "main.star")
		env := environment()
		for name, cache := range map[string]*Cache{"compiled": nil, "cached": {}} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					_, err := Load(file, env, Options{Cache: cache})
					require.NoError(b, err)
				}
			})
		}
	}
}

// What a cache on disk would cost in the best case: the bytes are in the page cache, and nobody checks them.
func BenchmarkReadingACompiledProgram(b *testing.B) {
	for _, n := range sizes {
		env := environment()
		_, prog, err := starlark.SourceProgramOptions(runtime.Dialect(), "main.star", source(n), env.Builtins.Has)
		require.NoError(b, err)
		var compiled bytes.Buffer
		require.NoError(b, prog.Write(&compiled))
		dir := files(b, map[string]string{"main.star": source(n), "main.bin": compiled.String()})
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				// The source is read and hashed to know that the program belongs to it.
				text, err := os.ReadFile(filepath.Join(dir, "main.star"))
				require.NoError(b, err)
				_ = unitKey("main.star", text)
				code, err := os.ReadFile(filepath.Join(dir, "main.bin"))
				require.NoError(b, err)
				prog, err := starlark.CompiledProgram(bytes.NewReader(code))
				require.NoError(b, err)
				_, err = prog.Init(&starlark.Thread{}, env.Builtins)
				require.NoError(b, err)
			}
		})
	}
}
