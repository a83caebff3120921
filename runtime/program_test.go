package runtime_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// alone is the Effects of a script that needs none; done counts what it did all the same.
type alone struct {
	done []runtime.Effect
	err  error
}

func (a *alone) Do(e runtime.Effect) (runtime.Payload, error) {
	a.done = append(a.done, e)
	return runtime.Null, a.err
}

func (a *alone) Fork(runtime.ForkSpec, int, func(int, runtime.Effects) (any, error)) runtime.Group {
	panic("no forks here")
}
func (a *alone) Checkpoint() error { return a.err }
func (a *alone) Now() time.Time    { return time.Unix(0, 0).UTC() }

// compile makes a program of files, the last being main; labels are file names.
func compile(t *testing.T, files ...string) (*runtime.Program, error) {
	t.Helper()
	var graph []*runtime.File
	for i := 0; i < len(files); i += 2 {
		f, err := runtime.Parse(files[i], []byte(files[i+1]))
		if err != nil {
			return nil, err
		}
		graph = append(graph, f)
	}
	find := func(_, label string) string { return strings.TrimPrefix(label, ":") }
	sleep := starlark.NewBuiltin("sleep", func(t *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		b, err := runtime.BranchOf(t)
		if err != nil {
			return nil, err
		}
		p, err := b.Do(t, runtime.Sleep{For: time.Second})
		if err != nil {
			return nil, err
		}
		return runtime.Decode(p)
	})
	return runtime.Compile(graph, find, runtime.Environment{Builtins: starlark.StringDict{"sleep": sleep}})
}

func run(t *testing.T, src, inputs string, limits runtime.Limits) (string, error) {
	t.Helper()
	p, err := compile(t, "p.star", src)
	require.NoError(t, err)
	out, err := p.Run(&alone{}, runtime.Payload(inputs), runtime.Config{Limits: limits})
	return string(out), err
}

func TestMainsParametersAreTheInputs(t *testing.T) {
	t.Parallel()
	const src = "def main(question, n = 3, *, deep = False):\n    return (question, n, deep)\n"
	out, err := run(t, src, `{"question":"why?","deep":true}`, runtime.Limits{})
	require.NoError(t, err)
	require.Equal(t, `["why?",3,true]`, out)

	for inputs, want := range map[string]runtime.InputError{
		`{}`:                          {Name: "question", Message: `the input "question" is missing`, Hint: "add --input question=VALUE"},
		`{"question":1,"questoin":2}`: {Name: "questoin", Message: `there is no input "questoin"`, Hint: `did you mean "question"?`},
		`{"question":1,"x":2}`:        {Name: "x", Message: `there is no input "x"`, Hint: "main takes question, n, deep"},
		`[1]`:                         {Message: "the inputs are a list, want an object with the fields of main"},
	} {
		_, err := run(t, src, inputs, runtime.Limits{})
		bad, ok := errors.AsType[*runtime.InputError](err)
		require.True(t, ok, inputs)
		require.Equal(t, want, *bad)
	}
}

func TestModulesAreLoadedOnceAndFrozen(t *testing.T) {
	t.Parallel()
	p, err := compile(t,
		"lib.star", "shared = []\ndef add(x):\n    shared.append(x)\n",
		"main.star", "load(':lib.star', 'add')\ndef main():\n    add(1)\n")
	require.NoError(t, err)
	_, err = p.Run(&alone{}, nil, runtime.Config{})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Equal(t, runtime.Script, failed.Code)
	require.Contains(t, failed.Message, "cannot append to frozen list")
	require.Contains(t, failed.Hint, "while a module is loaded")
	require.Equal(t, []runtime.Frame{{Func: "main", Pos: "main.star:3:8"}, {Func: "add", Pos: "lib.star:3:18"}, {Func: "append"}}, failed.Trace)
}

func TestEffectsBelongIntoFunctions(t *testing.T) {
	t.Parallel()
	_, err := compile(t, "p.star", "sleep()\ndef main():\n    pass\n")
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Equal(t, runtime.Script, failed.Code)
	require.Contains(t, failed.Message, "while a module is loaded")
	require.Equal(t, "p.star:1:6", failed.Trace[0].Pos)
}

func TestWrongSourceNamesThePlaceAndTheNextStep(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"def main():\n    return lenn([])\n": "p.star:2:12: lenn is not defined (did you mean len?)",
		"def main(:\n":                       "p.star:1:11: got ':', want ')' ()",
		"x = 1\n":                            "p.star:1:1: p.star has no main function (add one: def main(question): ...)",
		"main = 3\n":                         "p.star:1:1: main is an int, not a function (write def main(question): ...)",
		"def main():\n    while True:\n        pass\n": "p.star:2:5: this Starlark dialect does not support while loops ()",
	} {
		_, err := compile(t, "p.star", src)
		wrong, ok := errors.AsType[*runtime.SourceError](err)
		require.True(t, ok, "%s: %v", src, err)
		require.Equal(t, want, wrong.Findings[0].String()+" ("+wrong.Findings[0].Hint+")")
	}
}

func TestTheDigestCoversEveryFile(t *testing.T) {
	t.Parallel()
	digest := func(lib string) string {
		p, err := compile(t, "lib.star", lib, "main.star", "load(':lib.star', 'x')\ndef main():\n    return x\n")
		require.NoError(t, err)
		return p.Digest
	}
	one, again, two := digest("x = 1\n"), digest("x = 1\n"), digest("x = 2\n")
	require.Equal(t, one, again)
	require.NotEqual(t, one, two)
}

func TestAgentsNamedInTheSourceAreKnownBeforeItRuns(t *testing.T) {
	t.Parallel()
	f, err := runtime.Parse("p.star", []byte("def main():\n    return [agent('b'), agent('a').ask('x'), agent('b'), agent(name)]\n"))
	require.NoError(t, err)
	env := runtime.Environment{Builtins: starlark.StringDict{"agent": starlark.None, "name": starlark.None}}
	p, err := runtime.Compile([]*runtime.File{f}, nil, env)
	require.NoError(t, err)
	require.Len(t, p.Asks, 2)
	require.Equal(t, "b", p.Asks[0].Name)
	require.Equal(t, "a", p.Asks[1].Name)
	require.EqualValues(t, 2, p.Asks[0].Pos.Line)
}

func TestLimitsEndARunAndNameThemselves(t *testing.T) {
	t.Parallel()
	const loop = "def main():\n    for _ in range(1000000):\n        pass\n"
	for name, c := range map[string]struct {
		src    string
		limits runtime.Limits
	}{
		"steps":          {loop, runtime.Limits{Steps: 10_000}},
		"steps_in_a_row": {loop, runtime.Limits{StepsInARow: 10_000}},
		"bytes":          {loop, runtime.Limits{Bytes: 100_000}},
		"effects":        {"def main():\n    for _ in range(20):\n        sleep()\n", runtime.Limits{Effects: 10}},
		"output":         {"def main():\n    for _ in range(20):\n        print('x' * 100)\n    for _ in range(100000):\n        pass\n", runtime.Limits{OutputBytes: 500}},
		"depth":          {"def f(g):\n    for _ in range(3000):\n        pass\ndef main():\n    f(1)\n", runtime.Limits{Depth: 1}},
	} {
		_, err := run(t, c.src, "", c.limits)
		failed, ok := errors.AsType[*runtime.Error](err)
		require.True(t, ok, "%s: %v", name, err)
		require.Equal(t, runtime.Limit, failed.Code, name)
		require.Contains(t, string(failed.Details), `"limit":"`+name+`"`)
		require.Contains(t, failed.Hint, "--limit "+name+"=N")
		require.False(t, failed.Catchable())
	}
}

func TestAResultWithoutJSONFormIsTheScriptsError(t *testing.T) {
	t.Parallel()
	_, err := run(t, "def main():\n    return {'f': main}\n", "", runtime.Limits{})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Equal(t, "the result of main: $.f: a function has no JSON form", failed.Message)
}

func TestACancelledRunEndsEvenInALoop(t *testing.T) {
	t.Parallel()
	p, err := compile(t, "p.star", "def main():\n    for _ in range(1000000):\n        pass\n")
	require.NoError(t, err)
	_, err = p.Run(&alone{err: runtime.ErrCancelled()}, nil, runtime.Config{})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Equal(t, runtime.Cancelled, failed.Code)
}

func TestAddressesSortAsPeopleCount(t *testing.T) {
	t.Parallel()
	sorted := []string{"1", "2", "10", "1.0/1", "1.0/2", "1.0.1.0/1", "1.2/1", "1.10/1", "2.0/1"}
	for i, a := range sorted {
		x, ok := runtime.ParseAddress(a)
		require.True(t, ok)
		require.Equal(t, a, x.String())
		for j, b := range sorted {
			y, _ := runtime.ParseAddress(b)
			require.Equal(t, cmpInt(i, j), x.Compare(y), "%s %s", a, b)
		}
	}
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestNearestFindsSlipsAndNothingElse(t *testing.T) {
	t.Parallel()
	words := []string{"parallel", "pipeline", "gather", "race"}
	for slip, want := range map[string]string{"paralel": "parallel", "gahter": "gather", "rcae": "race", "consensus": "", "": ""} {
		require.Equal(t, want, runtime.Nearest(slip, words), slip)
	}
}

// Top-level code is not run here: what it may do to the process is the guard's business, not the parser's.
func FuzzParse(f *testing.F) {
	f.Add("def main(x = 1):\n    return [y for y in range(x)]\n")
	f.Add("load(':a.star', 'b')\nmain = lambda: b\n")
	f.Add("x = {'a': (1, 2)}\ndef main():\n    return x | {}\n")
	f.Fuzz(func(t *testing.T, src string) {
		_, err := runtime.Parse("f.star", []byte(src))
		if wrong, ok := errors.AsType[*runtime.SourceError](err); err != nil && (!ok || len(wrong.Findings) == 0) {
			t.Fatalf("not a source error: %v", err)
		}
	})
}

func TestTopLevelCodeIsBounded(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{
		"steps": "x = [i for i in range(1 << 40)]\ndef main():\n    pass\n",
		"bytes": "x = [[0] * 1000000 for i in range(1000)]\ndef main():\n    pass\n",
	} {
		_, err := compile(t, "p.star", src)
		failed, ok := errors.AsType[*runtime.Error](err)
		require.True(t, ok, err)
		require.Equal(t, runtime.Limit, failed.Code)
		require.Contains(t, string(failed.Details), `"limit":"`+name+`"`)
	}
}
