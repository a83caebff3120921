package builtins_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

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
