package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// An upgrade of the interpreter may bring functions and methods that nobody has priced yet.
func TestEveryFunctionOfTheUniverseHasItsPrice(t *testing.T) {
	t.Parallel()
	for name, v := range starlark.Universe {
		if _, isFunction := v.(*starlark.Builtin); isFunction {
			require.Contains(t, universe, name)
		} else {
			require.Contains(t, []string{"None", "True", "False"}, name)
		}
	}
	for name := range universe {
		require.Contains(t, starlark.Universe, name)
	}
}

func TestEveryMethodHasItsPrice(t *testing.T) {
	t.Parallel()
	for _, v := range []starlark.HasAttrs{
		starlark.String(""), starlark.Bytes(""), new(starlark.List), new(starlark.Dict), new(starlark.Set),
	} {
		table := methods[v.Type()]
		require.ElementsMatch(t, v.AttrNames(), keys(table), v.Type())
	}
	for _, v := range []starlark.Value{starlark.None, starlark.True, starlark.MakeInt(1), starlark.Float(1), starlark.Tuple{}} {
		_, has := v.(starlark.HasAttrs)
		require.False(t, has, "%s has methods now", v.Type())
	}
	require.Empty(t, (&starlarkstruct.Struct{}).AttrNames())
}

func keys(table map[string]price) []string {
	var names []string
	for name := range table {
		names = append(names, name)
	}
	return names
}
