package local_test

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

type instant struct{}

func (instant) Call(_ context.Context, c runtime.Call) (runtime.Answer, error) {
	return runtime.Answer{Value: runtime.Payload(`"ok"`)}, nil
}

func (instant) Info(name string) (runtime.AgentInfo, bool) {
	return runtime.AgentInfo{Name: name}, true
}
func (instant) Lookup(string) []runtime.AgentInfo { return nil }

// env has the least that a script needs to use the engine: ask and fork.
func env() runtime.Environment {
	ask := func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		b, err := runtime.BranchOf(t)
		if err != nil {
			return nil, err
		}
		in, err := runtime.Encode(args[1])
		if err != nil {
			return nil, err
		}
		p, err := b.Do(t, runtime.AgentCall{Agent: string(args[0].(starlark.String)), Task: "go", Input: in})
		if err != nil {
			return nil, err
		}
		return runtime.Decode(p)
	}
	fork := func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var fn starlark.Callable
		var n, limit int
		if err := starlark.UnpackArgs("fork", args, kwargs, "fn", &fn, "n", &n, "limit?", &limit); err != nil {
			return nil, err
		}
		g, err := runtime.Fork(t, runtime.ForkSpec{Name: "fork", Limit: limit}, n, []starlark.Value{fn}, func(t *starlark.Thread, i int) (starlark.Value, error) {
			return starlark.Call(t, fn, starlark.Tuple{starlark.MakeInt(i)}, nil)
		})
		if err != nil {
			return nil, err
		}
		out := make([]starlark.Value, n)
		var failed error
		for {
			i, v, err, ok := g.Next()
			if !ok {
				break
			}
			if err != nil && failed == nil {
				failed = err
				g.Cancel(nil)
			}
			out[i] = v
		}
		return starlark.NewList(out), cmp.Or(failed, g.Join())
	}
	return runtime.Environment{Builtins: starlark.StringDict{
		"ask":  starlark.NewBuiltin("ask", ask),
		"fork": starlark.NewBuiltin("fork", fork),
	}}
}

func program(t testing.TB, src string) *runtime.Program {
	t.Helper()
	f, err := runtime.Parse("bench.star", []byte(src))
	require.NoError(t, err)
	p, err := runtime.Compile([]*runtime.File{f}, nil, env())
	require.NoError(t, err)
	return p
}

func BenchmarkChain1000(b *testing.B) {
	bench(b, "def main():\n    for i in range(1000):\n        ask('a', {'q': i})\n")
}

func BenchmarkFanout(b *testing.B) {
	for _, n := range []int{5, 10, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bench(b, fmt.Sprintf("def one(i):\n    return ask('a', {'q': i})['value']\ndef main():\n    return len(fork(one, %d, limit=16))\n", n))
		})
	}
}

func bench(b *testing.B, src string) {
	b.Helper()
	p := program(b, src)
	e := &local.Engine{Agents: instant{}}
	b.ReportAllocs()
	for b.Loop() {
		_, err := e.Run(b.Context(), engine.Run{ID: "b", Program: p})
		require.NoError(b, err)
	}
}

// BenchmarkGoroutines is the baseline: the same fan-out in plain Go.
func BenchmarkGoroutines(b *testing.B) {
	for _, n := range []int{5, 10, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out := make([]runtime.Answer, n)
				slots := make(chan struct{}, 16)
				var wg sync.WaitGroup
				for i := range n {
					slots <- struct{}{}
					wg.Go(func() {
						out[i], _ = instant{}.Call(b.Context(), runtime.Call{})
						<-slots
					})
				}
				wg.Wait()
			}
		})
	}
}
