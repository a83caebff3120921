//go:build linux

package conform_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host/conform"
)

// The test binary is also the agents under test.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as" {
		be(os.Args[2])
		return
	}
	goleak.VerifyTestMain(m)
}

type settings struct {
	Shout bool `json:"shout,omitempty"`
}

type in struct {
	Text  string   `json:"text"`
	Times int      `json:"times"`
	Tags  []string `json:"tags"`
}

func be(what string) {
	info := agent.Info{Name: what, Version: "0.1.0", Description: "For a test."}
	switch what {
	case "typed":
		agent.Serve(info, func(_ context.Context, c *agent.Call[settings], i in) (string, error) {
			fmt.Println("prints do no harm")
			if c.Config.Shout {
				i.Text = strings.ToUpper(i.Text)
			}
			return strings.Repeat(i.Text, i.Times), nil
		})
	case "raw":
		agent.Serve(info, func(_ context.Context, _ *agent.Call[agent.NoConfig], i json.RawMessage) (json.RawMessage, error) {
			return i, nil
		})
	case "crashes":
		agent.Serve(info, func(_ context.Context, _ *agent.Call[agent.NoConfig], i json.RawMessage) (json.RawMessage, error) {
			fmt.Fprintln(os.Stderr, "goodbye")
			os.Exit(9)
			return nil, nil
		})
	case "deaf":
		agent.Serve(info, func(_ context.Context, c *agent.Call[agent.NoConfig], i json.RawMessage) (json.RawMessage, error) {
			if c.Task() == "long" {
				select {}
			}
			return i, nil
		})
	case "careless":
		serveCareless()
	}
}

// careless does everything wrong that does not keep it from running.
type careless struct {
	agentpb.UnimplementedAgentServiceServer
}

func serveCareless() {
	l, err := net.Listen("unix", filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "s"))
	if err != nil {
		panic(err)
	}
	s := grpc.NewServer()
	agentpb.RegisterAgentServiceServer(s, careless{})
	out := realStdout()
	fmt.Fprintf(out, "1|1|unix|%s|grpc\n", l.Addr())
	fmt.Fprintln(out, "listening")
	_ = s.Serve(l)
}

// realStdout is where the SDK, which is linked into this test, put it: the first pipe above stderr.
func realStdout() *os.File {
	for fd := uintptr(3); fd < 20; fd++ {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && strings.HasPrefix(target, "pipe:") {
			return os.NewFile(fd, "stdout")
		}
	}
	return os.Stdout
}

func (careless) Describe(context.Context, *agentpb.DescribeRequest) (*agentpb.DescribeResponse, error) {
	return &agentpb.DescribeResponse{
		Name: "careless", ConfigSchema: []byte(`{"type":"object","additionalProperties":false}`),
		Skills: []*agentpb.Skill{{InputSchema: []byte(`{"required":["text"]}`), OutputSchema: []byte(`{"properties":5}`)}},
	}, nil
}

func (careless) Open(context.Context, *agentpb.OpenRequest) (*agentpb.OpenResponse, error) {
	return &agentpb.OpenResponse{}, nil
}

func (careless) Close(context.Context, *agentpb.CloseRequest) (*agentpb.CloseResponse, error) {
	return &agentpb.CloseResponse{}, nil
}

func (careless) Run(_ *agentpb.RunRequest, stream agentpb.AgentService_RunServer) error {
	_ = stream.Send(&agentpb.RunEvent{Event: &agentpb.RunEvent_Result{Result: &agentpb.Result{
		Output: &agentpb.Value{Kind: &agentpb.Value_Json{Json: []byte("not json")}},
	}}})
	return status.Error(codes.Unknown, "oops")
}

func check(t *testing.T, what string, change ...func(*conform.Options)) (conform.Report, map[string]conform.Check) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	o := conform.Options{Argv: []string{self, "as", what}, Dir: t.TempDir()}
	for _, f := range change {
		f(&o)
	}
	r := conform.Run(t.Context(), o)
	byName := make(map[string]conform.Check)
	for _, c := range r.Checks {
		byName[c.Name] = c
	}
	return r, byName
}

func TestAgentsOfTheSDKConform(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"typed", "raw"} {
		r, _ := check(t, what)
		for _, c := range r.Checks {
			require.True(t, c.OK, "%s: %s: %s", what, c.Name, c.Why)
		}
		require.True(t, r.OK())
		require.Equal(t, what, r.Name)
		require.Equal(t, "0.1.0", r.Version)
		require.Len(t, r.Checks, 23)
	}
}

func TestCarelessAgentFails(t *testing.T) {
	t.Parallel()
	r, by := check(t, "careless")
	require.False(t, r.OK())
	for name, why := range map[string]string{
		"describe":        "it has no version",
		"schemas":         "output_schema of",
		"health":          "unknown service grpc.health.v1.Health",
		"open":            "not NOT_FOUND",
		"bad-config":      "it ended with success, not InvalidArgument",
		"unknown-setting": "it ended with success, not InvalidArgument",
		"unknown-session": "not NotFound",
		"run":             "it ended with Unknown (oops)",
		"large-input":     "it ended with Unknown (oops)",
		"concurrent":      "it ended with Unknown (oops)",
		"wrong-input":     "it ended with Unknown (oops), not InvalidArgument",
		"errors":          "has no AgentError",
		"bad-blob":        "a blob with another sha256 ended with Unknown (oops), not INVALID_ARGUMENT",
		"answer":          "not NotFound",
		"interrupt":       "it ended",
		"stdout":          `it printed "listening\n"`,
		"shutdown":        "it has no service plugin.GRPCController",
		"orphan":          "it still runs after 2s",
	} {
		require.False(t, by[name].OK, name)
		require.Contains(t, by[name].Why, why, name)
	}
	require.True(t, by["handshake"].OK)
}

func TestAgentThatCrashesFails(t *testing.T) {
	t.Parallel()
	r, by := check(t, "crashes")
	require.False(t, r.OK())
	require.Contains(t, by["run"].Why, "the process ended: exit status 9; its last stderr:\n")
	require.Contains(t, by["run"].Why, "goodbye")
	require.True(t, by["shutdown"].OK, by["shutdown"].Why)
}

func TestAgentThatIgnoresCancellationFails(t *testing.T) {
	t.Parallel()
	_, by := check(t, "deaf", func(o *conform.Options) { o.Task, o.Timeout = "long", 3*time.Second })
	require.False(t, by["cancel"].OK)
	require.Contains(t, by["cancel"].Why, "its session does not close within 2s")
}

func TestProgramThatIsNoAgent(t *testing.T) {
	t.Parallel()
	r := conform.Run(t.Context(), conform.Options{Argv: []string{"echo", "hello"}, Timeout: 5 * time.Second})
	require.False(t, r.OK())
	require.Len(t, r.Checks, 1)
	require.Equal(t, "handshake", r.Checks[0].Name)
	require.Contains(t, r.Checks[0].Why, "hello")
}

// listening starts an agent of TestMain that serves over TCP, and gives its URL.
func listening(t *testing.T, what string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "as", what)
	cmd.Env = append(os.Environ(), "PARALLAX_LISTEN=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _, _ = io.Copy(io.Discard, stderr); _ = cmd.Wait() })
	line, err := bufio.NewReader(stderr).ReadBytes('\n')
	require.NoError(t, err)
	var said struct {
		Address string `json:"address"`
	}
	require.NoError(t, json.Unmarshal(line, &said), "%s", line)
	return "grpc://" + said.Address
}

func TestAnAgentThatIsServedElsewhereConforms(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"typed", "raw"} {
		r := conform.Run(t.Context(), conform.Options{Remote: json.RawMessage(`{"url":"` + listening(t, what) + `"}`)})
		for _, c := range r.Checks {
			require.True(t, c.OK, "%s: %s", c.Name, c.Why)
			require.Equal(t, slices.Contains([]string{"bad-blob", "interrupt", "stdout", "shutdown", "orphan"}, c.Name) || slices.Contains([]string{"unknown-setting", "wrong-input"}, c.Name) && c.Skipped, c.Skipped, c.Name)
		}
		require.Greater(t, len(r.Checks), 10)
	}
	r := conform.Run(t.Context(), conform.Options{Remote: json.RawMessage(`{"url":"` + listening(t, "crashes") + `"}`)})
	require.False(t, r.OK())
	r = conform.Run(t.Context(), conform.Options{Remote: json.RawMessage(`{"url":"grpc://127.0.0.1:1"}`)})
	require.Len(t, r.Checks, 1)
	require.Equal(t, "connect", r.Checks[0].Name)
	require.Contains(t, r.Checks[0].Why, "nobody listens there")
}
