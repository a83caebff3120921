//go:build linux

package host_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/runtime"
)

// benchInput is what both benchmarks send and get back.
func benchInput() runtime.Payload {
	return runtime.Payload(`{"text":"` + strings.Repeat("word ", 40) + `"}`)
}

// BenchmarkPluginCall is a whole call of an agent that is made with the SDK.
func BenchmarkPluginCall(b *testing.B) {
	call := pluginCall(b)
	b.ReportAllocs()
	for b.Loop() {
		call(b)
	}
}

// BenchmarkRawGRPC is the same request and the same answer over a bare server stream on a unix socket.
func BenchmarkRawGRPC(b *testing.B) {
	call := rawCall(b)
	b.ReportAllocs()
	for b.Loop() {
		call(b)
	}
}

// BenchmarkPluginCallBesideRaw makes both in turns, so that what else the machine does weighs on both, and reports the
// ratio of the best rounds.
func BenchmarkPluginCallBesideRaw(b *testing.B) {
	const round = 200
	plugin, raw := pluginCall(b), rawCall(b)
	best := func(shortest time.Duration, call func(testing.TB)) time.Duration {
		start := time.Now()
		for range round {
			call(b)
		}
		return min(shortest, time.Since(start))
	}
	ours, theirs := time.Hour, time.Hour
	for b.Loop() {
		ours, theirs = best(ours, plugin), best(theirs, raw)
	}
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
	b.ReportMetric(float64(ours.Microseconds())/round, "plugin-µs")
	b.ReportMetric(float64(theirs.Microseconds())/round, "raw-µs")
}

func pluginCall(b *testing.B) func(testing.TB) {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	h := host.New(host.Options{Agents: []host.AgentConfig{{Name: "a", Command: []string{self, "as", "agent"}}}})
	b.Cleanup(func() { require.NoError(b, h.Close()) })
	require.NoError(b, h.Start(b.Context(), "a"))
	c := ask("echo")
	c.Input = benchInput()
	return func(tb testing.TB) {
		tb.Helper()
		_, err := h.Call(b.Context(), c)
		require.NoError(tb, err)
	}
}

func rawCall(b *testing.B) func(testing.TB) {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	dir, err := os.MkdirTemp("", "raw") //nolint:usetesting // the path of a socket must be short
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, os.RemoveAll(dir)) })
	cmd := exec.Command(self, "as", "raw")
	cmd.Env = append(os.Environ(), "PLUGIN_UNIX_SOCKET_DIR="+dir)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	socket := filepath.Join(dir, "s")
	require.Eventually(b, func() bool { _, err := os.Stat(socket); return err == nil }, 10*time.Second, time.Millisecond)
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, conn.Close()) })
	rpc := agentpb.NewAgentServiceClient(conn)
	req := &agentpb.RunRequest{
		SessionId: "a", CallId: "r1/1", Attempt: 1, Task: "echo",
		Input: &agentpb.Value{Kind: &agentpb.Value_Json{Json: benchInput()}},
	}
	return func(tb testing.TB) {
		tb.Helper()
		stream, err := rpc.Run(b.Context(), req)
		require.NoError(tb, err)
		for err == nil {
			_, err = stream.Recv()
		}
		require.ErrorIs(tb, err, io.EOF)
	}
}

// BenchmarkStartSandboxedBesideNot starts an agent without a sandbox and at each level, in turns, so that what else the machine does weighs
// on all, and reports how much longer it takes until the agent is ready: the ratio of the best rounds and that of the medians.
func BenchmarkStartSandboxedBesideNot(b *testing.B) {
	levels := []sandbox.Level{sandbox.None, sandbox.Basic, sandbox.Standard, sandbox.Strict}
	took := make(map[sandbox.Level][]time.Duration)
	for b.Loop() {
		for _, l := range levels {
			took[l] = append(took[l], start(b, l))
		}
	}
	for _, l := range levels {
		slices.Sort(took[l])
	}
	plain := took[sandbox.None]
	b.ReportMetric(float64(plain[0])/1e6, "plain-ms")
	for _, l := range levels[1:] {
		b.ReportMetric(float64(took[l][0])/float64(plain[0]), l.String()+"-best-ratio")
		b.ReportMetric(float64(took[l][len(plain)/2])/float64(plain[len(plain)/2]), l.String()+"-median-ratio")
	}
}

// start measures how long it takes until an agent is ready.
func start(b *testing.B, l sandbox.Level) time.Duration {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	shim := []string{self, "as", "shim"}
	cfg := host.AgentConfig{Name: "a", Command: []string{self, "as", "agent"}}
	if path := os.Getenv("PARALLAX_BENCH_BINARY"); path != "" { // the product's own
		shim, cfg.Command, cfg.Config = []string{path, "__shim"}, []string{path, "__agent", "exec"}, []byte(`{"command":["true"]}`)
	}
	if l != sandbox.None {
		cfg.Policy = &sandbox.Policy{Net: sandbox.ListOf([]string{"example.com"}), Least: sandbox.Basic}
	}
	h := host.New(host.Options{Agents: []host.AgentConfig{cfg}, Shim: shim})
	defer h.Close()
	host.CapLevel(h, l)
	begin := time.Now()
	require.NoError(b, h.Start(b.Context(), "a"))
	return time.Since(begin)
}
