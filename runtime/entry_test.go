package runtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/internal/testkit/fakefx"
	"github.com/parallax-run/parallax/runtime"
)

// aside gives what the program was entered with.
func aside(t *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	b, err := runtime.BranchOf(t)
	if err != nil {
		return nil, err
	}
	v, _ := b.Aside().(starlark.Value)
	if v == nil {
		return starlark.None, nil
	}
	return v, nil
}

func compileTests(t *testing.T, name, text string) (*runtime.Program, error) {
	t.Helper()
	f, err := runtime.Parse(name, []byte(text))
	require.NoError(t, err)
	env := runtime.Environment{
		Builtins: starlark.StringDict{},
		Tests:    starlark.StringDict{"aside": starlark.NewBuiltin("aside", aside)},
	}
	return runtime.Compile([]*runtime.File{f}, nil, env)
}

func TestAFileOfTestsHasManyEntries(t *testing.T) {
	t.Parallel()
	p, err := compileTests(t, "a_test.star", "def test_one():\n    return [1, aside()]\ndef test_two():\n    return [2, aside()]\nx = 1\n")
	require.NoError(t, err)
	require.ErrorAs(t, p.Bind(nil), new(*runtime.InputError), "by itself it is no pattern")

	two, err := p.Entry("test_two", starlark.String("w"))
	require.NoError(t, err)
	out, err := new(fakefx.World).Run(t.Context(), two, nil, runtime.Config{})
	require.NoError(t, err)
	require.Equal(t, `[2,"w"]`, string(out))
	one, err := p.Entry("test_one", nil)
	require.NoError(t, err)
	out, err = new(fakefx.World).Run(t.Context(), one, nil, runtime.Config{})
	require.NoError(t, err)
	require.Equal(t, `[1,null]`, string(out))

	for _, name := range []string{"x", "nothing"} {
		_, err = p.Entry(name, nil)
		require.Error(t, err)
	}
}

func TestOnlyFilesOfTestsHaveTheirNamesAndNoMain(t *testing.T) {
	t.Parallel()
	_, err := compileTests(t, "a.star", "def main():\n    return aside()\n")
	require.ErrorContains(t, err, "aside is not defined")
	_, err = compileTests(t, "a.star", "def test_one():\n    pass\n")
	require.ErrorContains(t, err, "a.star has no main function")
	_, err = compileTests(t, "a_test.star", "def helper():\n    pass\n")
	require.ErrorContains(t, err, "a_test.star has no test")
	p, err := compileTests(t, "a_test.star", "def main():\n    return 1\ndef test_one():\n    pass\n")
	require.NoError(t, err)
	require.NoError(t, p.Bind(nil), "a main makes it a pattern")
}
