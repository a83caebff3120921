package runtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/fakefx"
	"github.com/parallax-run/parallax/runtime"
)

// covered compiles and runs one file, and gives what its lines are said to have run.
func covered(t testing.TB, text string, inputs string, skip func(string) bool) []runtime.FileCoverage {
	t.Helper()
	c := &runtime.Coverage{Skip: skip}
	f, err := runtime.Parse("x.star", []byte(text))
	require.NoError(t, err)
	p, err := runtime.Compile([]*runtime.File{f}, func(_, label string) string { return label }, runtime.Environment{Cover: c})
	require.NoError(t, err)
	_, err = new(fakefx.World).Run(t.Context(), p, runtime.Payload(inputs), runtime.Config{})
	require.NoError(t, err)
	return c.Files()
}

const branches = `X = [1,
  2]

def main(n):
    """Does this.

    And that.
    """
    if n == 1:
        return "one"
    elif n == 2:
        x = "two"
        return x
    elif (n ==
          3): return "three"
    else:
        if n == 4:
            pass
        for i in range(3):
            if i == 1: continue
            def inner():
                return i
            inner()
    return helper(
        n)

def helper(n): return [m for m in range(n)]

def unused(n):
    fail("never")
`

func TestLinesAreCounted(t *testing.T) {
	t.Parallel()
	files := covered(t, branches, `{"n": 5}`, nil)
	require.Len(t, files, 1)
	require.Equal(t, "x.star", files[0].File)
	require.Equal(t, []runtime.LineCount{
		{9, 1},
		{10, 0},
		{11, 1},
		{12, 0},
		{13, 0},
		{14, 1},
		{15, 0},
		{17, 1},
		{18, 0},
		{19, 1},
		{20, 3},
		{21, 2},
		{22, 2},
		{23, 2},
		{24, 1},
		{27, 1},
		{30, 0},
	}, files[0].Lines)
	require.Equal(t, []runtime.FuncCount{{"main", 4, 1}, {"inner", 21, 2}, {"helper", 27, 1}, {"unused", 29, 0}}, files[0].Funcs)
	files = covered(t, branches, `{"n": 2}`, nil)
	require.Equal(t, []runtime.LineCount{{9, 1}, {10, 0}, {11, 1}, {12, 1}, {13, 1}, {14, 0}}, files[0].Lines[:6])
}

func TestFilesThatAreSkippedAreNotCounted(t *testing.T) {
	t.Parallel()
	require.Empty(t, covered(t, branches, `{"n": 1}`, func(file string) bool { return file == "x.star" }))
}

// What a script gives and where it fails does not depend on the counting.
func TestCountingChangesNothing(t *testing.T) {
	t.Parallel()
	for text, inputs := range map[string]string{
		branches:                     `{"n": 3}`,
		"def main():\n    \"doc\"\n": "{}",
		"def main():\n    x = {\"a\": [1]}\n    x[\"a\"] += [2]\n    if not x: pass\n    elif x[\"b\"]: pass\n": "{}",
		"def main():\n    for i in range(10):\n        if i == 7:\n            fail(i)\n":                       "{}",
	} {
		plain, counted := ends(t, text, inputs, nil), ends(t, text, inputs, new(runtime.Coverage))
		require.Equal(t, plain, counted)
	}
}

// ends is what came of a run, with the way to an error.
func ends(t *testing.T, text, inputs string, c *runtime.Coverage) string {
	t.Helper()
	f, err := runtime.Parse("x.star", []byte(text))
	require.NoError(t, err)
	p, err := runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Cover: c})
	require.NoError(t, err)
	out, err := new(fakefx.World).Run(t.Context(), p, runtime.Payload(inputs), runtime.Config{})
	if e, ok := err.(*runtime.Error); ok {
		return e.Message + "\n" + e.Backtrace() + p.Doc()
	}
	require.NoError(t, err)
	return string(out) + p.Doc()
}

const busy = `
def main():
    n = 0
    for i in range(100000):
        if i % 3 == 0:
            n += 1
        else:
            n = n + 2
    return n
`

func BenchmarkCoverage(b *testing.B) {
	for name, c := range map[string]*runtime.Coverage{"off": nil, "on": new(runtime.Coverage)} {
		b.Run(name, func(b *testing.B) {
			f, err := runtime.Parse("x.star", []byte(busy))
			require.NoError(b, err)
			p, err := runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Cover: c})
			require.NoError(b, err)
			for b.Loop() {
				_, err := new(fakefx.World).Run(b.Context(), p, nil, runtime.Config{Limits: runtime.Limits{StepsInARow: 1 << 40, Steps: 1 << 40}})
				require.NoError(b, err)
			}
		})
	}
}
