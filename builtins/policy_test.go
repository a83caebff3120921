package builtins

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"pgregory.net/rapid"
)

func TestAnswersThatPeopleWouldCallEqualHaveOneKey(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]starlark.Value{
		{starlark.String("Yes"), starlark.String(" yes\n")},
		{starlark.String("ΣΑΣ"), starlark.String("σας")},
		{starlark.String("K"), starlark.String("\u212a")}, // the Kelvin sign
		{starlark.MakeInt(1), starlark.Float(1)},
		{starlark.Float(1e300), starlark.Float(1e300)},
		{starlark.NewList([]starlark.Value{starlark.String("A")}), starlark.Tuple{starlark.String("a")}},
		{&Result{value: starlark.String("A")}, starlark.String("a")},
		{starlark.String("caf\u00e9"), starlark.String("CAFE\u0301")},
	} {
		a, err := answerKey(pair[0])
		require.NoError(t, err)
		b, err := answerKey(pair[1])
		require.NoError(t, err)
		require.Equal(t, a, b)
	}
	for _, pair := range [][2]starlark.Value{
		{starlark.String("1"), starlark.MakeInt(1)},
		{starlark.String("a b"), starlark.String("ab")},
		{starlark.None, starlark.False},
		{starlark.Float(1.5), starlark.MakeInt(1)},
	} {
		a, err := answerKey(pair[0])
		require.NoError(t, err)
		b, err := answerKey(pair[1])
		require.NoError(t, err)
		require.NotEqual(t, a, b)
	}
}

// A locked majority wins whatever the rest would have voted.
func TestALockedMajorityCannotBeTurned(t *testing.T) {
	t.Parallel()
	locked, err := starlark.Call(&starlark.Thread{}, majorityLockedDecl().Builtin(nil), nil, nil)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		votes := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 30).Draw(t, "votes")
		w := locked.(*policy).watch(nil)
		for i, v := range votes {
			require.NoError(t, w.see(starlark.String(v)))
			if w.enough(len(votes) - i - 1) {
				require.Equal(t, []string{leader(votes[:i+1])}, leaders(votes))
				return
			}
		}
	})
}

func leader(votes []string) string { return leaders(votes)[0] }

// leaders gives who has the most votes.
func leaders(votes []string) []string {
	count := make(map[string]int)
	for _, v := range votes {
		count[v]++
	}
	var best []string
	most := 0
	for _, v := range []string{"a", "b", "c"} {
		switch n := count[v]; {
		case n > most:
			best, most = []string{v}, n
		case n == most && n > 0:
			best = append(best, v)
		}
	}
	return best
}
