package pattern

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

func TestFunctionsThatCaptureALoopVariableAreFound(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want string // "LINE:COL severity", or "" for none
	}{
		"list in parallel":             {`return parallel([lambda: ask(x) for x in xs])`, "2:22 error"},
		"list in gather":               {`return gather(*[lambda: ask(x) for x in xs])`, "2:21 error"},
		"named argument":               {`return race(calls = [lambda: ask(x) for x in xs])`, "2:26 error"},
		"dict in gather":               {`return gather(**{x: (lambda: ask(x)) for x in xs})`, "2:26 error"},
		"deferred lambda":              {`return gather(*[defer(lambda: ask(x)) for x in xs])`, "2:27 error"},
		"deferred, kept":               {`calls = [defer(lambda: ask(x)) for x in xs]`, "2:20 error"},
		"by way of a name":             {"fns = [lambda: ask(x) for x in xs]\n    return parallel(fns)", "2:12 error"},
		"added to another list":        {`return parallel([main] + [lambda: ask(x) for x in xs])`, "2:31 error"},
		"chosen":                       {`return parallel([(lambda: ask(x)) if x else main for x in xs])`, "2:23 error"},
		"nested comprehension":         {`return parallel([lambda: ask(x, y) for x in xs for y in x])`, "2:22 error"},
		"outer variable of two":        {`return parallel([f for x in xs for f in [lambda: ask(x)]])`, ""},
		"appended in a loop":           {"fns = []\n    for x in xs:\n        fns.append(lambda: ask(x))\n    return parallel(fns)", "4:20 error"},
		"added in a loop":              {"fns = []\n    for x in xs:\n        fns += [lambda: ask(x)]\n    return parallel(fns)", "4:17 error"},
		"summed in a loop":             {"fns = []\n    for x in xs:\n        fns = fns + [lambda: ask(x)]\n    return race(*fns)", "4:22 error"},
		"stored by key":                {"fns = {}\n    for x in xs:\n        fns[x] = lambda: ask(x)\n    return gather(**fns)", "4:18 error"},
		"assigned in the loop":         {"fns = []\n    for x in xs:\n        y = x + 1\n        fns.append(lambda: ask(y))\n    return parallel(fns)", "5:20 error"},
		"def in a loop":                {"fns = []\n    for x in xs:\n        def one():\n            return ask(x)\n        fns.append(one)\n    return parallel(fns)", "6:20 error"},
		"deferred in a loop":           {"fns = []\n    for x in xs:\n        fns.append(defer(lambda: ask(x)))\n    return fns", "4:26 error"},
		"kept, unseen by a fork":       {`return [lambda: x for x in xs]`, "2:13 warning"},
		"appended, unseen by a fork":   {"fns = []\n    for x in xs:\n        fns.append(lambda: ask(x))\n    return fns", "4:20 warning"},
		"bound by a default":           {`return parallel([lambda x = x: ask(x) for x in xs])`, ""},
		"no capture":                   {`return parallel([lambda: ask(1) for x in xs])`, ""},
		"own parameter":                {`return parallel([lambda x: ask(x) for x in xs])`, ""},
		"shadowed inside":              {`return parallel([lambda: [x for x in ys] for x in xs])`, ""},
		"function of the iteration":    {"for x in xs:\n        parallel(lambda y: ask(x, y), ys)", ""},
		"key function":                 {"for x in xs:\n        ys = sorted(ys, key = lambda y: y[x])", ""},
		"list of one turn":             {"for x in xs:\n        fns = []\n        fns.append(lambda: ask(x))\n        parallel(fns)", ""},
		"called where it is":           {`return [(lambda: x)() for x in xs]`, ""},
		"argument of an unknown call":  {`return [apply(lambda: x) for x in xs]`, ""},
		"condition of a comprehension": {`return [x for x in xs if any([lambda: x])]`, ""},
		"deferred with arguments":      {`return gather(*[defer(ask, x) for x in xs])`, ""},
		"attribute of the same name":   {`return parallel([lambda: ask(ys.x) for x in xs])`, ""},
		"argument of the same name":    {`return parallel([lambda: ask(x = 1) for x in xs])`, ""},
		"function in between":          {"for x in xs:\n        def g():\n            fns = []\n            fns.append(lambda: x)\n            return parallel(fns)\n        g()", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := runtime.Parse("a.star", []byte("def main(xs, ys):\n    "+tt.body+"\n"))
			require.NoError(t, err)
			var got []string
			for _, finding := range lateBinding(f.Syntax) {
				require.Equal(t, "late-binding", finding.Code)
				got = append(got, strings.TrimPrefix(strings.SplitN(finding.String(), ": ", 2)[0], "a.star:")+" "+string(finding.Severity))
			}
			require.Equal(t, tt.want, strings.Join(got, ", "))
		})
	}
}

// The finding is about something real: this is what Starlark does.
func TestStarlarkBindsLoopVariablesLate(t *testing.T) {
	t.Parallel()
	got := run(t, "def main():\n    return [f() for f in [lambda: x for x in [1, 2, 3]]]\n")
	require.Equal(t, "[3,3,3]", got)
}

// A source of the greatest size that is nothing but the worst shape must not take long to search.
func TestSearchingForCapturesIsNotQuadratic(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("def main(xs):\n  fns = []\n  for x in xs:\n")
	for b.Len() < runtime.MaxSourceBytes-64 {
		b.WriteString("    fns.append(lambda: x)\n")
	}
	f, err := runtime.Parse("a.star", []byte(b.String()))
	require.NoError(t, err)
	require.Len(t, lateBinding(f.Syntax), strings.Count(b.String(), "append"))
}
