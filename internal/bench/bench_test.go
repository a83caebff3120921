// Package bench measures what Parallax adds to the work of its agents, beside bare goroutines in the same run.
// docs/performance.md holds the figures.
package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/mock"
	px "github.com/parallax-run/parallax/runtime"
)

// inProcess is the whole of what `parallax run` uses, with agents in process.
func inProcess(b testing.TB) *local.Engine {
	b.Helper()
	m, err := manifest.Load(filepath.Join("testdata", manifest.FileName))
	require.NoError(b, err)
	options := host.Options{InProcess: map[string]func(host.AgentConfig) (host.InProcessAgent, error){
		"mock": func(c host.AgentConfig) (host.InProcessAgent, error) { return mock.New(c.Config) },
	}}
	for _, a := range m.Agents {
		options.Agents = append(options.Agents, host.AgentConfig{
			Name: a.Name, Use: a.Use, Config: json.RawMessage(a.Config), Capabilities: a.Capabilities,
		})
	}
	h := host.New(options)
	b.Cleanup(func() { require.NoError(b, h.Close()) })
	return &local.Engine{Agents: h}
}

func load(b testing.TB, name string) *px.Program {
	b.Helper()
	loaded, err := pattern.Load(filepath.Join("testdata", name), px.Environment{Builtins: builtins.All()}, pattern.Options{})
	require.NoError(b, err)
	return loaded.Program
}

func run(b *testing.B, name string, n int) {
	b.Helper()
	e, p := inProcess(b), load(b, name)
	r := engine.Run{ID: "bench", Program: p}
	if n > 0 {
		r.Inputs = px.Payload(fmt.Sprintf(`{"n":%d}`, n))
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := e.Run(b.Context(), r)
		require.NoError(b, err)
	}
}

// voter is what a goroutine calls in place of an agent.
func voter(_ context.Context, question string, out *string) { *out = "yes " + question }

// goroutines makes n calls side by side, at most 16 at a time, and waits.
func goroutines(b *testing.B, n int) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		answers := make([]string, n)
		slots := make(chan struct{}, 16)
		var wg sync.WaitGroup
		for i := range n {
			slots <- struct{}{}
			wg.Go(func() {
				voter(b.Context(), "vote", &answers[i])
				<-slots
			})
		}
		wg.Wait()
	}
}

func BenchmarkConsensusOfFive(b *testing.B) {
	b.Run("parallax", func(b *testing.B) { run(b, "consensus.star", 0) })
	b.Run("goroutines", func(b *testing.B) { goroutines(b, 5) })
}

func BenchmarkChain1000(b *testing.B) {
	b.Run("parallax", func(b *testing.B) { run(b, "chain.star", 1000) })
	b.Run("goroutines", func(b *testing.B) {
		for b.Loop() {
			answer := "start"
			for range 1000 {
				voter(b.Context(), answer[:3], &answer)
			}
		}
	})
}

func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("%d/parallax", n), func(b *testing.B) { run(b, "fanout.star", n) })
		b.Run(fmt.Sprintf("%d/goroutines", n), func(b *testing.B) { goroutines(b, n) })
	}
}

// BenchmarkFanOutHTTP makes 1,000 calls over loopback HTTP, both sides with one client of 64 connections.
func BenchmarkFanOutHTTP(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `"yes"`)
	}))
	b.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
	b.Cleanup(client.CloseIdleConnections)
	ask := func(ctx context.Context) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader(`{"q":1}`))
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
	b.Run("parallax", func(b *testing.B) {
		e, p := &local.Engine{Agents: web{ask}}, load(b, "fanout.star")
		for b.Loop() {
			_, err := e.Run(b.Context(), engine.Run{ID: "bench", Program: p})
			require.NoError(b, err)
		}
	})
	b.Run("goroutines", func(b *testing.B) {
		for b.Loop() {
			slots := make(chan struct{}, 16)
			var wg sync.WaitGroup
			for range 1000 {
				slots <- struct{}{}
				wg.Go(func() {
					_, _ = ask(b.Context())
					<-slots
				})
			}
			wg.Wait()
		}
	})
}

// web is an agent in process that asks over HTTP.
type web struct {
	ask func(ctx context.Context) ([]byte, error)
}

func (w web) Call(ctx context.Context, _ px.Call) (px.Answer, error) {
	body, err := w.ask(ctx)
	if err != nil {
		return px.Answer{}, err
	}
	value, err := px.Canonical(body)
	return px.Answer{Value: value}, err
}

func (web) Info(name string) (px.AgentInfo, bool) { return px.AgentInfo{Name: name}, true }

func (web) Lookup(string) []px.AgentInfo { return nil }

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		load(b, "consensus.star")
	}
}

// Five thousand runs in one process must leave its memory where it was.
func TestManyRunsLeaveMemoryWhereItWas(t *testing.T) {
	if testing.Short() {
		t.Skip("5,000 runs; make test runs them")
	}
	e, p := inProcess(t), load(t, "consensus.star")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	work := func(n int) {
		for range n {
			_, err := e.Run(t.Context(), engine.Run{ID: "many", Program: p})
			require.NoError(t, err)
		}
	}
	work(100)
	before, goroutines := heap(), runtime.NumGoroutine()
	work(5000)
	require.Less(t, heap(), before+(1<<20), "bytes on the heap")
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
}

func TestThePatternsThatAreMeasuredWork(t *testing.T) {
	t.Parallel()
	e := inProcess(t)
	for name, want := range map[string]string{
		"consensus.star": `{"asked":5,"support":5,"winner":"yes"}`,
		"chain.star":     `"yes"`,
		"fanout.star":    `1000`,
	} {
		got, err := e.Run(t.Context(), engine.Run{ID: "r", Program: load(t, name)})
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}
