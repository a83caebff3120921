//go:build linux

package host_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// raw is an agent written without the SDK and without go-plugin, as one in another language would be. It does what an
// agent must not.
type raw struct {
	agentpb.UnimplementedAgentServiceServer
}

// serveRaw prints the handshake itself. The socket's directory comes from the host.
func serveRaw() {
	dir := os.Getenv("PLUGIN_UNIX_SOCKET_DIR")
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		panic(err)
	}
	s := grpc.NewServer()
	agentpb.RegisterAgentServiceServer(s, raw{})
	h := health.NewServer()
	h.SetServingStatus("plugin", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(s, h)
	// The SDK is linked into this test and keeps stdout clean, so the real one is found again.
	fmt.Fprintf(realStdout(), "1|1|unix|%s|grpc\n", l.Addr())
	_ = s.Serve(l)
}

// realStdout is where the SDK put it: the lowest pipe above stderr that can be written to.
func realStdout() *os.File {
	for fd := uintptr(3); fd < 20; fd++ {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && strings.HasPrefix(target, "pipe:") {
			return os.NewFile(fd, "stdout")
		}
	}
	return os.Stdout
}

func (raw) Describe(context.Context, *agentpb.DescribeRequest) (*agentpb.DescribeResponse, error) {
	return &agentpb.DescribeResponse{Name: "raw", Version: "0.0.1"}, nil
}

func (raw) Open(context.Context, *agentpb.OpenRequest) (*agentpb.OpenResponse, error) {
	return &agentpb.OpenResponse{}, nil
}

func (raw) Run(req *agentpb.RunRequest, stream agentpb.AgentService_RunServer) error {
	result := func(json string) error {
		return stream.Send(&agentpb.RunEvent{Event: &agentpb.RunEvent_Result{Result: &agentpb.Result{
			Output: &agentpb.Value{Kind: &agentpb.Value_Json{Json: []byte(json)}},
		}}})
	}
	blob := func(b *agentpb.Blob) error {
		return stream.Send(&agentpb.RunEvent{Event: &agentpb.RunEvent_Result{Result: &agentpb.Result{
			Output: &agentpb.Value{Kind: &agentpb.Value_Blob{Blob: b}},
		}}})
	}
	switch req.GetTask() {
	case "echo":
		return result(string(req.GetInput().GetJson()))
	case "none":
		return nil
	case "two":
		_ = result("1")
		return result("2")
	case "open":
		_ = result(`"early"`)
		select {}
	case "after":
		_ = result("1")
		return status.Error(codes.FailedPrecondition, "changed my mind")
	case "huge":
		return result(`"` + strings.Repeat("x", 100<<20) + `"`)
	case "utf8":
		return result("\"a\xffb\"")
	case "text":
		return result("I think so")
	case "empty":
		return result("")
	case "escape":
		return blob(&agentpb.Blob{Path: "../../../../etc/passwd", Size: 5})
	case "dir":
		return blob(&agentpb.Blob{Path: ".", Size: 5})
	case "lie":
		return blob(&agentpb.Blob{Path: "x", Size: 1 << 40})
	case "sure":
		v := 7.0
		return stream.Send(&agentpb.RunEvent{Event: &agentpb.RunEvent_Result{Result: &agentpb.Result{
			Output: &agentpb.Value{Kind: &agentpb.Value_Json{Json: []byte("1")}}, Confidence: &v,
		}}})
	case "unknown":
		_ = stream.Send(&agentpb.RunEvent{})
		return result("1")
	}
	return status.Error(codes.Unimplemented, "what?")
}

func TestAgentsWithoutTheSDK(t *testing.T) {
	t.Parallel()
	h := probeHost(t, func(o *host.Options) { o.Agents[0].Command = as(t, "raw") })
	host.Hurry(h)
	for task, want := range map[string]string{"echo": "{}", "unknown": "1", "open": `"early"`} {
		a, err := call(t, h, ask(task))
		require.NoError(t, err, task)
		require.Equal(t, want, a.Value.String())
	}
	for task, want := range map[string]string{
		"none":   `agent "a" ended without a result`,
		"two":    `agent "a" gave two results`,
		"after":  `agent "a" refused: changed my mind`,
		"huge":   `agent "a" gave an answer that goes on after byte 67108864, the most there may be`,
		"utf8":   `agent "a" gave an answer that is not JSON: invalid JSON at byte 2: `,
		"text":   `agent "a" gave an answer that is not JSON: invalid JSON at byte 0: `,
		"empty":  `agent "a" gave an answer that is not JSON: invalid JSON at byte 0: `,
		"escape": `agent "a" gave an answer that cannot be read: `,
		"dir":    `agent "a" gave an answer that cannot be read: `,
		"lie":    `agent "a" gave an answer of 1099511627776 bytes that goes on after byte 67108864`,
		"sure":   `agent "a" is 7 confident, which is not between 0 and 1`,
		"what":   `agent "a" refused: what?`,
	} {
		_, err := call(t, h, ask(task))
		var e *runtime.Error
		require.ErrorAs(t, err, &e, task)
		require.Equal(t, runtime.Refused, e.Code, task)
		require.False(t, e.Retryable, task)
		require.True(t, strings.HasPrefix(e.Message, want), e.Message)
	}
}
