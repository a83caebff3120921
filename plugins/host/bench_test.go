//go:build linux

package host_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// benchInput is what both benchmarks send and get back.
func benchInput() runtime.Payload {
	return runtime.Payload(`{"text":"` + strings.Repeat("word ", 40) + `"}`)
}

// BenchmarkPluginCall is a whole call of an agent that is made with the SDK.
func BenchmarkPluginCall(b *testing.B) {
	self, err := os.Executable()
	require.NoError(b, err)
	h := host.New(host.Options{Agents: []host.AgentConfig{{Name: "a", Command: []string{self, "as", "agent"}}}})
	defer func() { require.NoError(b, h.Close()) }()
	require.NoError(b, h.Start(b.Context(), "a"))
	c := ask("echo")
	c.Input = benchInput()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Call(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRawGRPC is the same request and the same answer over a bare server stream on a unix socket.
func BenchmarkRawGRPC(b *testing.B) {
	self, err := os.Executable()
	require.NoError(b, err)
	dir, err := os.MkdirTemp("", "raw") //nolint:usetesting // the path of a socket must be short
	require.NoError(b, err)
	defer func() { require.NoError(b, os.RemoveAll(dir)) }()
	cmd := exec.Command(self, "as", "raw")
	cmd.Env = append(os.Environ(), "PLUGIN_UNIX_SOCKET_DIR="+dir)
	require.NoError(b, cmd.Start())
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	socket := filepath.Join(dir, "s")
	require.Eventually(b, func() bool { _, err := os.Stat(socket); return err == nil }, 10*time.Second, time.Millisecond)
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	defer conn.Close()
	rpc := agentpb.NewAgentServiceClient(conn)
	req := &agentpb.RunRequest{
		SessionId: "a", CallId: "r1/1", Attempt: 1, Task: "echo",
		Input: &agentpb.Value{Kind: &agentpb.Value_Json{Json: benchInput()}},
	}
	b.ReportAllocs()
	for b.Loop() {
		stream, err := rpc.Run(b.Context(), req)
		if err != nil {
			b.Fatal(err)
		}
		for !errors.Is(err, io.EOF) {
			if _, err = stream.Recv(); err != nil && !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
		}
	}
}
