package guard_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime/guard"
)

var loops = map[string]string{
	"fib":     "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\ndef main():\n    return fib(18)\n",
	"arith":   "def main():\n    t = 0\n    for i in range(50000):\n        t = t + i % 7\n    return t\n",
	"dict":    "def main():\n    d = {}\n    for i in range(10000):\n        k = 'k%d' % (i % 100)\n        d[k] = d.get(k, 0) + 1\n    return d\n",
	"list":    "def main():\n    x = [i * i for i in range(10000)]\n    x.append(1)\n    t = 0\n    for v in x:\n        t += v\n    return x[1:-1] + [t]\n",
	"strings": "def main():\n    out = []\n    for i in range(5000):\n        out.append('item %d' % i + ',' + str(i))\n    return ' '.join(out).split(' ')\n",
	"calls":   "def main():\n    t = 0\n    s = 'abc'\n    for i in range(50000):\n        t = max(t, len(s))\n    return t\n",
}

// BenchmarkLoops runs what scripts do in loops, plain and guarded; the ratio is the price of the sandbox.
func BenchmarkLoops(b *testing.B) {
	for name, src := range loops {
		for _, guarded := range []bool{false, true} {
			kind := "plain"
			if guarded {
				kind = "guarded"
			}
			b.Run(name+"/"+kind, func(b *testing.B) { loop(b, src, guarded) })
		}
	}
}

func loop(b *testing.B, src string, guarded bool) {
	b.Helper()
	opts := &syntax.FileOptions{Recursion: true}
	f, err := opts.Parse("bench.star", src, 0)
	require.NoError(b, err)
	names := starlark.StringDict{}
	used := uint64(0)
	if guarded {
		guard.Rewrite(f)
		names = guard.Builtins(func(_ *starlark.Thread, n uint64) error { used += n; return nil })
	}
	prog, err := starlark.FileProgram(f, names.Has)
	require.NoError(b, err)
	g, err := prog.Init(&starlark.Thread{}, names)
	require.NoError(b, err)
	for b.Loop() {
		_, err := starlark.Call(&starlark.Thread{}, g["main"], nil, nil)
		require.NoError(b, err)
	}
}
