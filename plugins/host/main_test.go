//go:build linux

package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

// The test binary is also the agents under test: run with an argument after "as" it is one of them.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as" {
		be(os.Args[2])
		return
	}
	goleak.VerifyTestMain(m)
}

func be(what string) {
	switch what {
	case "agent":
		fmt.Println("a print before Serve does no harm")
		agent.ServeDefinition(testAgent())
	case "raw":
		serveRaw()
	case "host":
		beHost()
	case "boxhost":
		beBoxHost(os.Args[3])
	case "poor":
		bePoor(os.Args[3])
	case "shim":
		os.Exit(shim.Run())
	case "daemon", "stays":
		beDaemon(os.Args[2], os.Args[3])
	case "exits":
		fmt.Fprintln(os.Stderr, "cannot find my model with key", os.Getenv("LEAKED"))
		os.Exit(3)
	case "silent":
		select {}
	default:
		fmt.Fprintln(os.Stderr, "nobody is called", what)
		os.Exit(2)
	}
}

type config struct {
	Prefix string `json:"prefix,omitempty"`
	Strict bool   `json:"strict,omitempty"`
	Grave  string `json:"grave,omitempty"` // a file that is written when the session closes
}

// Close implements agent.Closer.
func (c *config) Close() error {
	if c.Grave == "" {
		return nil
	}
	return os.WriteFile(c.Grave, []byte("closed"), 0o600)
}

func (c *config) Open(_ context.Context, s *agent.Session) error {
	if c.Prefix == "bad" {
		return agent.BadInput("prefix %q is not allowed", c.Prefix).WithField("prefix", "not allowed").WithHint("use another prefix")
	}
	s.Describe("prefix " + c.Prefix)
	return nil
}

// testAgent does what its task says.
func testAgent() agent.Definition {
	return agent.Define(agent.Info{Name: "probe", Version: "1.2.3", Description: "Does what it is told."}, probe)
}

func probe(ctx context.Context, c *agent.Call[config], in json.RawMessage) (json.RawMessage, error) {
	verb, arg, _ := strings.Cut(c.Task(), " ")
	switch verb {
	case "echo":
		return in, nil
	case "say":
		return json.Marshal(c.Config.Prefix + arg)
	case "pid":
		return json.Marshal(os.Getpid())
	case "secret":
		fmt.Fprintln(os.Stderr, "my secret is", c.Secret(arg))
		return json.Marshal(c.Secret(arg))
	case "env":
		return json.Marshal(os.Environ())
	case "size":
		n, err := strconv.Atoi(arg)
		return json.RawMessage(`"` + strings.Repeat("x", n) + `"`), err
	case "raw":
		return json.RawMessage(arg), nil
	case "talk":
		return talk(c)
	case "refuse":
		return nil, agent.Refuse("I will not %s", arg).WithHint("ask nicely").WithCode("rude")
	case "unavailable":
		return nil, agent.Unavailable(1500*time.Millisecond, "the model is asleep")
	case "overloaded":
		return nil, agent.Overloaded(2*time.Second, "too many requests")
	case "panic":
		panic("the agent has a bug")
	case "exit":
		fmt.Fprintln(os.Stderr, "my last words")
		os.Exit(7)
	case "wait":
		c.Progress(0, "waiting")
		<-ctx.Done()
		return nil, ctx.Err()
	case "deaf":
		c.Progress(0, "not listening")
		select {}
	case "children":
		return children(c)
	case "daemon":
		leaveDaemon("daemon", arg)
		return json.Marshal("left")
	case "see":
		text, err := os.ReadFile(arg)
		if err != nil {
			return nil, agent.Refuse("%v", err)
		}
		return json.Marshal(string(text))
	case "fetch":
		return fetch(ctx, c.Config.Prefix+arg, c.Secret("API_KEY"))
	case "ask":
		return c.Ask(ctx, agent.Question{Prompt: arg, Options: []string{"yes", "no"}})
	case "artifact":
		return json.RawMessage(`"made"`), c.Artifact("report.txt", "text/plain", strings.NewReader(arg))
	}
	return nil, agent.BadInput("no verb %q", verb)
}

func talk(c *agent.Call[config]) (json.RawMessage, error) {
	for i := range 100 {
		c.Emit(strconv.Itoa(i) + " ")
	}
	c.EmitThinking("hm")
	c.Progress(0.5, "half way")
	c.ToolCall("1", "grep", nil, nil, false)
	c.Usage(agent.Usage{InputTokens: 10, OutputTokens: 20, CostMicroUSD: 30, Model: "m"})
	c.Confidence(0.75, agent.LogProb)
	c.Reasoning("because")
	c.Finish("stop")
	fmt.Println("a print in mid-call does no harm")
	c.Log().Info("talked", "words", 100)
	return json.Marshal(map[string]any{
		"id": c.ID(), "attempt": c.Attempt(), "feedback": c.Feedback(), "schema": c.OutputSchema(), "messages": c.Messages(),
	})
}

// children starts a child that starts a child, and one in a group of its own, all of which would live for ever.
func children(c *agent.Call[config]) (json.RawMessage, error) {
	same := exec.Command("sh", "-c", "sleep 1000 & echo $!; exec sleep 1000")
	out, err := same.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := same.Start(); err != nil {
		return nil, err
	}
	own := exec.Command("sleep", "1000")
	own.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := own.Start(); err != nil {
		return nil, err
	}
	var grandchild int
	if _, err := fmt.Fscan(out, &grandchild); err != nil {
		return nil, err
	}
	return json.Marshal([]int{os.Getpid(), same.Process.Pid, grandchild, own.Process.Pid})
}

// fetch asks a server as any program would, with a key.
func fetch(ctx context.Context, url, key string) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, agent.Refuse("%v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(body))))
}

// beDaemon is what an agent leaves behind: it starts itself once more, to have no parent, and then stays.
func beDaemon(what, mark string) {
	if what == "stays" {
		select {}
	}
	leaveDaemon("stays", mark)
}

// leaveDaemon starts a process without the environment by which it is found, in a session of its own where it may have one.
func leaveDaemon(what, mark string) {
	for _, session := range []bool{true, false} {
		cmd := exec.Command(os.Args[0], "as", what, mark)
		cmd.Env = []string{}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session, Setpgid: !session}
		if cmd.Start() == nil {
			return
		}
	}
	panic("cannot start a daemon")
}

var _ = agentpb.ProtocolVersion
