package a2a_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/testkit/interop"
	"github.com/parallax-run/parallax/plugins/a2a"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type object = map[string]any

// peer is an agent that this project's protocol code had no part in.
type peer struct {
	url   string
	lines chan string // what it prints
}

func start(t *testing.T, args ...string) *peer {
	t.Helper()
	argv := append(interop.Node(t, "a2a-server.mjs"), args...)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var said strings.Builder
	cmd.Stderr = &said
	require.NoError(t, cmd.Start())
	p := &peer{lines: make(chan string, 100)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
		close(p.lines)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	p.url = p.await(t, "http://")
	return p
}

// await waits for a line that begins so.
func (p *peer) await(t *testing.T, begin string) string {
	t.Helper()
	for line := range p.lines {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	t.Fatalf("the server ended and did not print %q", begin)
	return ""
}

func opened(t *testing.T, config object) *agenttest.Agent {
	t.Helper()
	a, err := agenttest.Open(t, a2a.Agent(), config, nil)
	require.NoError(t, err)
	return a
}

func fault(t *testing.T, err error) *agenttest.Error {
	t.Helper()
	e, ok := errors.AsType[*agenttest.Error](err)
	require.True(t, ok, "%v", err)
	return e
}

// Every way in which tasks are followed gives the same answers.
func TestAnAgentOfOthersIsAsked(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"streaming": nil, "polling": {"--poll"}, "rest": {"--rest"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := opened(t, object{"url": start(t, args...).url})
			ask := func(r agenttest.Request) agenttest.Reply {
				reply, err := a.Run(t.Context(), r)
				require.NoError(t, err)
				return reply
			}
			require.Contains(t, a.Detail(), "Tryout 2.1.0 at http://127.0.0.1:")
			require.Len(t, a.Offer().GetSkills(), 2)
			require.Equal(t, "Adds a and b.", a.Offer().GetSkills()[1].GetDescription())

			require.JSONEq(t, `"you said: echo this {} run/7"`, string(ask(agenttest.Request{Task: "echo this", ID: "run/7"}).Output))
			require.Contains(t, string(ask(agenttest.Request{Task: "echo"}).Output), `skillId`)
			require.Contains(t, string(ask(agenttest.Request{Task: "echo", Feedback: "too short"}).Output), "not accepted: too short")

			added := ask(agenttest.Request{Task: "add", Input: object{"a": 2, "b": 40}})
			require.JSONEq(t, `{"sum":42}`, string(added.Output))
			require.Equal(t, "added", added.Reasoning)

			steps := ask(agenttest.Request{Task: "steps"})
			require.JSONEq(t, `"once upon a time"`, string(steps.Output))
			if name != "polling" {
				require.Equal(t, []string{"step one", "step two"}, steps.Notes)
				require.Equal(t, "once upon a time", steps.Text)
			}

			file := ask(agenttest.Request{Task: "file"})
			require.JSONEq(t, `"here is the table"`, string(file.Output))
			require.Equal(t, []agenttest.Artifact{{Name: "table.csv", MediaType: "text/csv", Content: []byte("a,b\n1,2\n")}}, file.Artifacts)

			asked := ask(agenttest.Request{Task: "ask", Answers: []any{"Lyon"}})
			require.Equal(t, []string{"which city?"}, asked.Questions)
			require.JSONEq(t, `"the city is Lyon"`, string(asked.Output))

			for task, want := range map[string]string{
				"fail": "the engine broke", "reject": "I do not do that", "login": "log in first", "dance": "I do not know dance",
			} {
				_, err := a.Run(t.Context(), agenttest.Request{Task: task})
				require.Equal(t, want, fault(t, err).Message)
				require.Equal(t, "FailedPrecondition", fault(t, err).Code.String())
			}
		})
	}
}

func TestATaskIsCancelledWhenNobodyWaitsForIt(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"streaming": nil, "polling": {"--poll"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, args...)
			a := opened(t, object{"url": p.url})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := a.Run(ctx, agenttest.Request{Task: "hang"})
				ended <- err
			}()
			p.await(t, "hanging")
			cancel()
			require.Equal(t, "Canceled", fault(t, <-ended).Code.String())
			p.await(t, "cancelled")
		})
	}
}

func TestCredentialsAreSentToTheirServerAlone(t *testing.T) {
	t.Parallel()
	p := start(t, "--token", "Bearer open-sesame")
	_, err := agenttest.Open(t, a2a.Agent(), object{"url": p.url}, nil)
	require.Contains(t, fault(t, err).Message, "wants to know who asks (401)")
	config := object{"url": p.url, "header_env": []string{"Authorization: TRAVEL_AUTH"}}
	_, err = agenttest.Open(t, a2a.Agent(), config, map[string]string{"TRAVEL_AUTH": "Bearer wrong"})
	require.Contains(t, fault(t, err).Message, "does not accept the credentials in TRAVEL_AUTH")
	require.NotContains(t, fault(t, err).Message, "wrong")
	a, err := agenttest.Open(t, a2a.Agent(), config, map[string]string{"TRAVEL_AUTH": "Bearer open-sesame"})
	require.NoError(t, err)
	r, err := a.Run(t.Context(), agenttest.Request{Task: "echo Bearer open-sesame"})
	require.NoError(t, err)
	require.Contains(t, string(r.Output), "you said: echo ***")

	// A card that leads elsewhere does not take them along.
	card := served(t, http.StatusOK, `{"name":"x","version":"1","capabilities":{},"skills":[],
		"supportedInterfaces":[{"url":"`+p.url+`/rpc","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}`)
	a, err = agenttest.Open(t, a2a.Agent(), object{"url": card + "/card.json", "header_env": []string{"Authorization: TRAVEL_AUTH"}},
		map[string]string{"TRAVEL_AUTH": "Bearer open-sesame"})
	require.NoError(t, err)
	_, err = a.Run(t.Context(), agenttest.Request{Task: "echo"})
	require.Contains(t, fault(t, err).Message, "which does not get the credentials in TRAVEL_AUTH")
}

// served answers every request in one way.
func served(t *testing.T, code int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestCardsThatCannotBeUsedSayWhy(t *testing.T) {
	t.Parallel()
	for want, url := range map[string]string{
		"has no agent card (404 Not Found)":     served(t, 404, "no"),
		"that is not A2A":                       served(t, 200, "<html>"),
		"names no address of version 1":         served(t, 200, `{"name":"old","protocolVersion":"0.3.0","url":"http://x","skills":[]}`),
		"in a way that is not known here":       served(t, 200, `{"supportedInterfaces":[{"url":"x","protocolBinding":"GRPC","protocolVersion":"1.0"}]}`),
		"answered with more than 1000000 bytes": served(t, 200, `{"name":"`+strings.Repeat("x", 2_000_000)+`"}`),
		"redirects (302)":                       served(t, 302, ""),
		"cannot reach 127.0.0.1:1:":             "http://127.0.0.1:1",
		"url must be an http or https URL":      "example.com",
		"url must not hold a name or password":  "http://me:hidden@example.com",
	} {
		_, err := agenttest.Open(t, a2a.Agent(), object{"url": url, "max_response": 1_000_000}, nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hidden")
	}
	_, err := agenttest.Open(t, a2a.Agent(), object{"url": "http://x", "max_response": -1}, nil)
	require.ErrorContains(t, err, "max_response must not be below zero")
}

// hostile is an agent whose card is right and whose answers are not.
func hostile(t *testing.T, streaming bool, answer http.HandlerFunc) *agenttest.Agent {
	t.Helper()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("/.well-known/agent-card.json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"name":"x","version":"1","capabilities":{"streaming":%t},"skills":[],
			"supportedInterfaces":[{"url":"%s/rpc","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}`, streaming, s.URL)
	})
	mux.HandleFunc("/rpc", answer)
	return opened(t, object{"url": s.URL, "max_response": 100_000})
}

func TestAnswersThatCannotBeUsedSayWhy(t *testing.T) {
	t.Parallel()
	say := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	stream := func(events ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, e := range events {
				if _, err := fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":%s}\n\n", e); err != nil {
					return
				}
			}
		}
	}
	chunk := `{"artifactUpdate":{"taskId":"t","contextId":"c","append":true,"artifact":{"artifactId":"a","parts":[{"text":"` + strings.Repeat("x", 1000) + `"}]}}}`
	for name, c := range map[string]struct {
		streaming  bool
		answer     http.HandlerFunc
		code, want string
	}{
		"malformed":       {false, say(`{"jsonrpc":`), "FailedPrecondition", "not A2A"},
		"of another kind": {false, say(`{"jsonrpc":"2.0","id":"1","result":{"shrug":1}}`), "FailedPrecondition", "not A2A"},
		"huge":            {false, say(`{"result":"` + strings.Repeat("x", 200_000) + `"}`), "FailedPrecondition", "more than 100000 bytes"},
		"its own error":   {false, say(`{"jsonrpc":"2.0","id":"1","error":{"code":-32603,"message":"out of memory"}}`), "Unavailable", "out of memory"},
		"bad input":       {false, say(`{"jsonrpc":"2.0","id":"1","error":{"code":-32602,"message":"no such city"}}`), "InvalidArgument", "no such city"},
		"busy":            {false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "ResourceExhausted", "limits requests"},
		"broken":          {false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "Unavailable", "has a problem (500)"},
		"cut off":         {false, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "Unavailable", "closed the connection"},
		"empty stream":    {true, stream(), "FailedPrecondition", "without a message or a task"},
		"endless":         {true, stream(strings.Split(strings.Repeat(chunk+"\n", 1000), "\n")...), "FailedPrecondition", "more than 100000 bytes"},
		"unknown end":     {true, stream(`{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_FAILED"}}}`), "FailedPrecondition", "does not say why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hostile(t, c.streaming, c.answer).Run(t.Context(), agenttest.Request{Task: "go"})
			require.Contains(t, fault(t, err).Message, c.want)
			require.Equal(t, c.code, fault(t, err).Code.String())
		})
	}
}

func TestACallThatHangsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	a := hostile(t, false, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := a.Run(ctx, agenttest.Request{Task: "go"})
	require.Equal(t, "DeadlineExceeded", fault(t, err).Code.String())
}
