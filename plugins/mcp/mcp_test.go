//go:build unix

package mcp_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/interop"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
	"github.com/parallax-run/parallax/plugins/mcp"
)

type object = map[string]any

// self is the command of one of this test's servers.
func self(what string, args ...string) []string {
	return append([]string{os.Args[0], "as", what}, args...)
}

func open(t *testing.T, config object, secrets map[string]string) (*agenttest.Agent, error) {
	t.Helper()
	return agenttest.Open(t, mcp.Agent(), config, secrets)
}

func opened(t *testing.T, config object) *agenttest.Agent {
	t.Helper()
	a, err := open(t, config, nil)
	require.NoError(t, err)
	return a
}

func ask(t *testing.T, a *agenttest.Agent, task string, input any) (agenttest.Reply, error) {
	t.Helper()
	return a.Run(t.Context(), agenttest.Request{Task: task, Input: input})
}

// everything is the protocol's own server for trying out clients.
func everything(t *testing.T) object {
	t.Helper()
	return object{"command": interop.Node(t, program)}
}

const program = "node_modules/@modelcontextprotocol/server-everything/dist/index.js"

func fault(t *testing.T, err error) *agenttest.Error {
	t.Helper()
	e, ok := errors.AsType[*agenttest.Error](err)
	require.True(t, ok, "%v", err)
	return e
}

// everywhere runs a test with that server, started and over HTTP.
func everywhere(t *testing.T, test func(t *testing.T, config object)) {
	t.Helper()
	t.Run("stdio", func(t *testing.T) {
		t.Parallel()
		test(t, everything(t))
	})
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		test(t, object{"url": served(t)})
	})
}

// served starts the server for HTTP and gives its URL.
func served(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().(*net.TCPAddr)
	require.NoError(t, l.Close())
	argv := append(interop.Node(t, program), "streamableHttp")
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PORT="+strconv.Itoa(addr.Port))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", addr.String(), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
	return "http://" + addr.String() + "/mcp"
}

func TestToolsOfAServerOfOthersAreSkills(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, config object) {
		t.Helper()
		a := opened(t, config)
		inputs, outputs := map[string]string{}, map[string]string{}
		for _, s := range a.Offer().GetSkills() {
			inputs[s.GetName()], outputs[s.GetName()] = string(s.GetInputSchema()), string(s.GetOutputSchema())
		}
		require.Contains(t, inputs["echo"], `"required":["message"]`)
		require.Empty(t, outputs["echo"])
		require.Contains(t, outputs["get-structured-content"], `"humidity"`)
		require.False(t, a.Offer().GetCapabilities().GetIdempotent(), "some of its tools do not say so")
	})
}

func TestAnswersOfAServerOfOthers(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, config object) {
		t.Helper()
		a := opened(t, config)
		r, err := ask(t, a, "echo", object{"message": "hello"})
		require.NoError(t, err)
		require.JSONEq(t, `"Echo: hello"`, string(r.Output))

		r, err = ask(t, a, "get-structured-content", object{"location": "New York"})
		require.NoError(t, err)
		require.JSONEq(t, `{"temperature":33,"conditions":"Cloudy","humidity":82}`, string(r.Output))

		r, err = ask(t, a, "get-tiny-image", nil)
		require.NoError(t, err)
		require.Len(t, r.Artifacts, 1)
		require.Equal(t, "image-1.png", r.Artifacts[0].Name)
		require.Equal(t, "image/png", r.Artifacts[0].MediaType)
		require.Equal(t, "\x89PNG", string(r.Artifacts[0].Content[:4]))

		r, err = ask(t, a, "get-resource-reference", object{"resourceType": "Text", "resourceId": 1})
		require.NoError(t, err)
		require.Len(t, r.Artifacts, 1)
		require.Contains(t, string(r.Artifacts[0].Content), "Resource 1")

		r, err = ask(t, a, "get-resource-links", object{"count": 2})
		require.NoError(t, err)
		require.Len(t, r.Artifacts, 2, "what is linked is read")

		_, err = ask(t, a, "get-sum", object{"a": "one", "b": 2})
		e := fault(t, err)
		require.Equal(t, "FailedPrecondition", e.Code.String())
		require.Contains(t, e.Message, "number")
	})
}

func TestProgressOfAServerOfOthersIsPassedOn(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, config object) {
		t.Helper()
		r, err := ask(t, opened(t, config), "trigger-long-running-operation", object{"duration": 0.2, "steps": 4})
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(r.Notes), 3, r.Notes)
		require.Contains(t, string(r.Output), "completed")
	})
}

func TestAQuestionOfAServerOfOthersIsPutToAPerson(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, config object) {
		t.Helper()
		r, err := opened(t, config).Run(t.Context(), agenttest.Request{
			Task: "trigger-elicitation-request", Answers: []any{object{"name": "Ada", "check": true}},
		})
		require.NoError(t, err)
		require.Len(t, r.Questions, 1)
		require.Contains(t, string(r.Output), "Ada")
	})
}

func TestTheServerIsToldWhenACallEnds(t *testing.T) {
	t.Parallel()
	marks := filepath.Join(t.TempDir(), "marks")
	a := opened(t, object{"command": self("hanging", marks)})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		_ = awaitMark(ctx, marks, "asked")
	}()
	_, err := a.Run(ctx, agenttest.Request{Task: "t"})
	require.Equal(t, "Canceled", fault(t, err).Code.String())
	require.NoError(t, awaitMark(t.Context(), marks, "cancelled"))
}

// awaitMark waits until a server has noted something in a file.
func awaitMark(ctx context.Context, file, mark string) error {
	for ctx.Err() == nil {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), mark) {
			return nil
		}
		runtime.Gosched()
	}
	return ctx.Err()
}

func TestAToolIsChosenByItsNameOrByTheConfiguration(t *testing.T) {
	t.Parallel()
	all := opened(t, object{"command": self("good")})
	_, err := ask(t, all, "cuont", object{"text": "a b"})
	e := fault(t, err)
	require.Equal(t, "NotFound", e.Code.String())
	require.Contains(t, e.Message, `has no tool "cuont"`)
	require.Equal(t, `did you mean "count"?`, e.Hint)
	_, err = ask(t, all, "something altogether different", nil)
	require.Contains(t, fault(t, err).Hint, "its tools are count, die, environment, grow")

	for _, config := range []object{
		{"command": self("good"), "tool": "count"},
		{"command": self("good"), "tools": []string{"count"}},
	} {
		r, err := ask(t, opened(t, config), "three words here", nil)
		require.NoError(t, err)
		require.JSONEq(t, `{"words":3,"big":9007199254740993}`, string(r.Output), "the words of the task are the one text that is missing")
		require.Contains(t, string(r.Output), "9007199254740993", "whole numbers are exact")
	}
}

func TestCapabilitiesComeFromTheToolsThatAreOffered(t *testing.T) {
	t.Parallel()
	require.True(t, opened(t, object{"command": self("good")}).Offer().GetCapabilities().GetIdempotent())
	require.True(t, opened(t, object{"command": self("good")}).Offer().GetCapabilities().GetInteractive())
}

func TestAToolThatFailsRefusesWithItsWords(t *testing.T) {
	t.Parallel()
	_, err := ask(t, opened(t, object{"command": self("good")}), "count", object{"text": "no"})
	e := fault(t, err)
	require.Equal(t, "FailedPrecondition", e.Code.String())
	require.Equal(t, `I do not count "no"`, e.Message)
	require.Equal(t, "tool_error", e.AgentCode)
}

func TestToolsThatComeLaterAreFound(t *testing.T) {
	t.Parallel()
	a := opened(t, object{"command": self("good")})
	_, err := ask(t, a, "grow", nil)
	require.NoError(t, err)
	var r agenttest.Reply
	require.Eventually(t, func() bool {
		r, err = ask(t, a, "grown", nil)
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	require.JSONEq(t, `"here I am"`, string(r.Output))
}

func TestAServerThatEndsIsStartedAgain(t *testing.T) {
	t.Parallel()
	a := opened(t, object{"command": self("good")})
	_, err := ask(t, a, "die", nil)
	e := fault(t, err)
	require.Equal(t, "Unavailable", e.Code.String())
	require.Contains(t, e.Message, "ended (exit status 3): I cannot go on")
	r, err := ask(t, a, "count", object{"text": "a b"})
	require.NoError(t, err)
	require.Contains(t, string(r.Output), `"words":2`)
}

func TestSecretsGoToTheCommandAndAreNotShown(t *testing.T) {
	t.Parallel()
	a, err := open(t, object{"command": self("good")}, map[string]string{"DEPOT_KEY": "open-sesame"})
	require.NoError(t, err)
	r, err := ask(t, a, "environment", object{"text": "DEPOT_KEY"})
	require.NoError(t, err)
	require.JSONEq(t, `"***"`, string(r.Output))
	r, err = ask(t, a, "environment", object{"text": "PLUGIN_MIN_PORT"})
	require.NoError(t, err)
	require.JSONEq(t, `""`, string(r.Output))
}

func TestServersThatCannotBeUsedSayWhy(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		"gone":    "ended (exit status 7): no database",
		"chatty":  "broke: invalid character 'W'",
		"empty":   "offers no tools",
		"many":    "offers more than 1000 tools",
		"endless": "in more than 100 pages",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, object{"command": self(what)}, nil)
			require.ErrorContains(t, err, want)
		})
	}
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // as a host waits; the server is given a second of it to end
		defer cancel()
		_, err := agenttest.OpenContext(ctx, t, mcp.Agent(), object{"command": self("silent")}, nil)
		require.ErrorContains(t, err, "did not answer in time")
	})
	t.Run("not there", func(t *testing.T) {
		t.Parallel()
		_, err := open(t, object{"command": []string{"no-such-server"}}, nil)
		require.ErrorContains(t, err, `there is no program "no-such-server" on PATH`)
	})
}

type failure struct{ code, message, agentCode string }

func TestCallsOfServersThatMisbehaveEnd(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]failure{
		"huge":   {"FailedPrecondition", "sent a message of more than 524288 bytes", "too_long"},
		"wrong":  {"FailedPrecondition", "answered with something that is not MCP", "not_mcp"},
		"broken": {"Unavailable", "the connection to", "broken"},
		"cut":    {"Unavailable", "ended (exit status 9)", "ended"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a := opened(t, object{"command": self(what), "max_response": 1 << 19})
			for range 2 { // a broken connection is not used again
				_, err := ask(t, a, "t", nil)
				e := fault(t, err)
				require.Equal(t, want.code, e.Code.String())
				require.Contains(t, e.Message, want.message)
				require.Equal(t, want.agentCode, e.AgentCode)
			}
		})
	}
}

// A server that takes no notice of the end of its input is told to end, and killed, with what it started.
func TestAStubbornServerEndsWithItsAgent(t *testing.T) {
	t.Parallel()
	marks := filepath.Join(t.TempDir(), "marks")
	_, err := open(t, object{"command": self("stubborn", marks)}, nil)
	require.ErrorContains(t, err, "the connection to")
	text, err := os.ReadFile(marks)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestWrongConfigurationsAreNamed(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]object{
		"neither command nor url":             {},
		"both a command and a url":            {"command": []string{"x"}, "url": "http://x"},
		"go with url":                         {"command": []string{"x"}, "headers": object{"A": "b"}},
		"must be an http or https URL":        {"url": "ftp://x"},
		"must not hold a name":                {"url": "https://me:secret@x"},
		"must not be below zero":              {"command": []string{"x"}, "max_response": -1},
		"which is not among tools":            {"command": []string{"x"}, "tool": "a", "tools": []string{"b"}},
		`write "Header: VARIABLE"`:            {"url": "https://x", "header_env": []string{"Authorization"}},
		"MCP_TEST_UNSET is not set":           {"url": "https://x", "header_env": []string{"Authorization: MCP_TEST_UNSET"}},
		`has no tool "conut"`:                 {"command": self("good"), "tool": "conut"},
		`configuration has no field "comand"`: {"comand": []string{"x"}},
	} {
		_, err := open(t, c, nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret@")
	}
}
