package builtins_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/testkit/fakefx"
	"github.com/parallax-run/parallax/runtime"
)

// BenchmarkAsk is one ask from the script and back, the fake engine included.
func BenchmarkAsk(b *testing.B) { benchmark(b, 1000, asks) }

// BenchmarkParallel is one branch of a fan-out with one ask in it.
func BenchmarkParallel(b *testing.B) {
	for _, width := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(width), func(b *testing.B) { benchmark(b, width, fanOut) })
	}
}

// BenchmarkParallelPure is one branch of a fan-out that does nothing.
func BenchmarkParallelPure(b *testing.B) { benchmark(b, 1000, pureFanOut) }

const (
	asks = `
def main(n):
    a = agent("x")
    for i in range(n):
        a.ask("say", value=i)
`
	fanOut = `
def work(i):
    return agent("x").ask("say", value=i)
def main(n):
    parallel(work, range(n), limit=None)
`
	pureFanOut = `
def work(i):
    return i
def main(n):
    parallel(work, range(n))
`
)

// benchmark runs a program whose n is the unit of work, and reports the time for each unit.
func benchmark(b *testing.B, n int, src string) {
	b.Helper()
	prog, err := compile("bench.star", src)
	require.NoError(b, err)
	confidence := 0.9
	answer := runtime.Answer{Value: runtime.Payload(`"yes"`), Confidence: &confidence, Usage: runtime.Usage{InputTokens: 9, OutputTokens: 3}}
	inputs := runtime.Payload(fmt.Sprintf(`{"n":%d}`, n))
	b.ReportAllocs()
	for b.Loop() {
		w := &fakefx.World{Ask: func(context.Context, runtime.Address, runtime.AgentCall) (runtime.Answer, error) { return answer, nil }}
		if _, err := w.Run(b.Context(), prog, inputs, runtime.Config{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/unit")
}

// BenchmarkVote counts votes through the builtin: reading, comparing and counting.
func BenchmarkVote(b *testing.B) {
	vote := builtins.All()["vote"]
	for _, n := range []int{1000, 100_000} {
		votes := make([]starlark.Value, n)
		for i := range votes {
			votes[i] = starlark.String([]string{"yes", "no", "Yes ", "perhaps"}[i*7%4])
		}
		list := starlark.NewList(votes)
		weight := []starlark.Tuple{{starlark.String("weight"), starlark.NewBuiltin("w", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
			return starlark.Float(0.5), nil
		})}}
		for _, c := range []struct {
			name   string
			kwargs []starlark.Tuple
		}{{"plurality", nil}, {"weighted", weight}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := starlark.Call(&starlark.Thread{}, vote, starlark.Tuple{list}, c.kwargs); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSchulze ranks 20 options by 10,000 ballots through the builtin.
func BenchmarkSchulze(b *testing.B) {
	ballots := make([]starlark.Value, 10_000)
	for i := range ballots {
		ballot := make([]starlark.Value, 20)
		for k := range ballot {
			ballot[k] = starlark.String(fmt.Sprintf("option %d", (k*(2*(i%10)+1)+i)%20))
		}
		ballots[i] = starlark.NewList(nil)
		seen := map[string]bool{}
		for _, o := range ballot {
			if s := string(o.(starlark.String)); !seen[s] {
				seen[s] = true
				if err := ballots[i].(*starlark.List).Append(o); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	vote, list := builtins.All()["vote"], starlark.NewList(ballots)
	kwargs := []starlark.Tuple{{starlark.String("method"), starlark.String("schulze")}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := starlark.Call(&starlark.Thread{}, vote, starlark.Tuple{list}, kwargs); err != nil {
			b.Fatal(err)
		}
	}
}
