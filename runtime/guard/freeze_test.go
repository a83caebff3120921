package guard_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime/guard"
)

func TestFreezeRefusesWhatItWouldNotComeBackFrom(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"def f():\n    def g():\n        return g\n    return g\nx = f()",
		"def f():\n    def g():\n        return h\n    def h():\n        return g\n    return [[h]]\nx = f()",
		"def f():\n    def g():\n        return t\n    t = ((1, g),)\n    return g\nx = f()",
		"def f():\n    def g(a=0):\n        return d\n    def h():\n        return g\n    d = h\n    return {1: g}\nx = f()",
		"def f(x=(1,)):\n    for _ in range(100):\n        x = (x, x)\n    return x\nx = f()",
	} {
		err := guard.Freeze(fresh(t, src))
		var large *guard.TooLarge
		require.ErrorAs(t, err, &large, src)
	}
}

func TestFreezeAllowsFunctionsInContainersThatTheySee(t *testing.T) {
	t.Parallel()
	x := fresh(t, "def f():\n    l = []\n    def g():\n        return l\n    l.append(g)\n    return g\nx = f()")
	require.NoError(t, guard.Freeze(x))
	_, l := x.(*starlark.Function).FreeVar(0)
	require.Error(t, l.(*starlark.List).Append(starlark.None))
}

// fresh gives the global x of a program, not frozen yet.
func fresh(t *testing.T, src string) starlark.Value {
	t.Helper()
	_, prog, err := starlark.SourceProgramOptions(&syntax.FileOptions{}, "x.star", src, func(string) bool { return false })
	require.NoError(t, err)
	globals, err := prog.Init(new(starlark.Thread), nil)
	require.NoError(t, err)
	return globals["x"]
}
