//go:build linux

package host_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

func TestAnswerCarriesWhatTheAgentSays(t *testing.T) {
	t.Parallel()
	var seen []runtime.Progress
	c := ask("talk")
	c.Watch = func(p runtime.Progress) { seen = append(seen, p) }
	c.Feedback, c.Attempt = "too short", 2
	c.Returns = runtime.Payload(`{"type":"object"}`)
	c.Messages = runtime.Payload(`[{"content":"hi","role":"user"}]`)
	a, err := call(t, probeHost(t), c)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"r1/1","attempt":2,"feedback":"too short","schema":{"type":"object"},
		"messages":[{"role":"user","content":"hi"}]}`, a.Value.String())
	require.InDelta(t, 0.75, *a.Confidence, 0)
	require.Equal(t, "logprob", a.Basis)
	require.Equal(t, "because", a.Reasoning)
	require.Equal(t, "stop", a.Finish)
	require.Equal(t, runtime.Usage{InputTokens: 10, OutputTokens: 20, CostMicroUSD: 30, Model: "m"}, a.Usage)

	var text, thought, note, tool string
	for _, p := range seen {
		switch {
		case p.Channel == "thinking":
			thought += p.Text
		case p.Text != "":
			text += p.Text
		}
		note += p.Note
		tool += p.Tool
	}
	require.True(t, strings.HasPrefix(text, "0 1 2 3 ") && strings.HasSuffix(text, "98 99 "), text)
	require.Equal(t, "hm", thought)
	require.Equal(t, "half way", note)
	require.Equal(t, "grep", tool)
	require.Less(t, len(seen), 20, "100 small pieces were not gathered")
}

func TestLargeValuesTravelAsBlobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := probeHost(t, func(o *host.Options) { o.TempDir = dir })
	c := ask("echo")
	c.Input = runtime.Payload(`{"text":"` + strings.Repeat("é", 1<<20) + `"}`)
	a, err := call(t, h, c)
	require.NoError(t, err)
	require.Equal(t, c.Input, a.Value)
	require.Len(t, blobDirs(t, dir), 1)
	require.Empty(t, leftBlobs(t, dir))
}

// leftBlobs lists the files in all blob directories.
func leftBlobs(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "px*", "b*", "*"))
	require.NoError(t, err)
	return left
}

func blobDirs(t *testing.T, dir string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(dir, "px*", "b*"))
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	return dirs
}

func TestArtifactsAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := probeHost(t, func(o *host.Options) { o.ArtifactDir = dir })
	a, err := call(t, h, ask("artifact hello"))
	require.NoError(t, err)
	require.Len(t, a.Artifacts, 1)
	f := a.Artifacts[0]
	require.Equal(t, "report.txt", f.Name)
	require.Equal(t, "text/plain", f.MediaType)
	require.EqualValues(t, 5, f.Size)
	require.Equal(t, runtime.Payload("hello").Digest(), f.SHA256)
	content, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	require.Equal(t, "hello", string(content))
}

func TestErrorsOfAgents(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	for task, want := range map[string]runtime.Error{
		"refuse lie": {
			Code: runtime.Refused, Message: `agent "a" refused: I will not lie`, Hint: "ask nicely",
			Details: runtime.Payload(`{"code":"rude"}`),
		},
		"unavailable": {
			Code: runtime.Unavailable, Message: `agent "a" is unavailable: the model is asleep`, Retryable: true,
			Details: runtime.Payload(`{"retry_after_ms":1500}`),
		},
		"overloaded": {
			Code: runtime.Unavailable, Message: `agent "a" is overloaded: too many requests`, Retryable: true,
			Details: runtime.Payload(`{"retry_after_ms":2000}`),
		},
		"nonsense": {Code: runtime.Refused, Message: `agent "a" refused the input: no verb "nonsense"`},
		"panic": {
			Code: runtime.Refused, Message: `agent "a" failed: panic: the agent has a bug`,
			Hint: "this is a bug in the agent; its stack is in the agent's log",
		},
		"raw {]": {
			Code: runtime.Refused, Hint: "this is a bug in the agent",
			Message: `agent "a" gave an answer that is not JSON: invalid JSON at byte 1: `,
		},
		"raw \"\xff\"": {Code: runtime.Refused, Message: `agent "a"`},
	} {
		_, err := call(t, h, ask(task))
		var e *runtime.Error
		require.ErrorAs(t, err, &e, task)
		require.Equal(t, want.Code, e.Code, task)
		require.True(t, strings.HasPrefix(e.Message, want.Message), e.Message)
		require.Equal(t, "a", e.Agent)
		require.Equal(t, want.Retryable, e.Retryable, task)
		require.Equal(t, string(want.Details), string(e.Details), task)
		if want.Hint != "" {
			require.Equal(t, want.Hint, e.Hint)
		}
	}
}

func TestUnknownAgent(t *testing.T) {
	t.Parallel()
	c := ask("say hi")
	c.Agent = "nobody"
	_, err := call(t, probeHost(t), c)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.NotFound, e.Code)
}

func TestSecretsAreGivenByNameAndNeverShown(t *testing.T) {
	t.Parallel()
	const value = "sk-very-secret-value"
	env := map[string]string{"KEY": value, "OTHER": "other-value", "SHOWN": "shown", "PATH": os.Getenv("PATH"), "LEAKED": value}
	h := probeHost(t, func(o *host.Options) {
		o.Agents[0].Secrets = []string{"KEY"}
		o.Agents[0].Env = []string{"SHOWN"}
		o.LookupEnv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	})
	a, err := call(t, h, ask("secret KEY"))
	require.NoError(t, err)
	require.Equal(t, `"`+value+`"`, a.Value.String())
	a, err = call(t, h, ask("secret OTHER"))
	require.NoError(t, err)
	require.Equal(t, `""`, a.Value.String())

	a, err = call(t, h, ask("env"))
	require.NoError(t, err)
	require.NotContains(t, a.Value.String(), value)
	require.NotContains(t, a.Value.String(), "other-value")
	require.Contains(t, a.Value.String(), "SHOWN=shown")

	_, err = call(t, h, ask("refuse to say "+value))
	require.ErrorContains(t, err, "I will not to say [secret]")
	_, err = call(t, h, ask("exit"))
	require.ErrorContains(t, err, "my secret is [secret]")
	require.NotContains(t, err.Error(), value)
}

func TestQuestionsReachAPerson(t *testing.T) {
	t.Parallel()
	var asked host.Question
	h := probeHost(t, func(o *host.Options) {
		o.Ask = func(_ context.Context, q host.Question) (runtime.Payload, error) {
			asked = q
			return runtime.Payload(`"yes"`), nil
		}
	})
	a, err := call(t, h, ask("ask Shall I?"))
	require.NoError(t, err)
	require.Equal(t, `"yes"`, a.Value.String())
	require.Equal(t, host.Question{Agent: "a", Call: "r1/1", Run: "r1", Prompt: "Shall I?", Options: []string{"yes", "no"}}, asked)
}

func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	_, err := call(t, probeHost(t), ask("ask Shall I?"))
	var person *host.NeedsPersonError
	require.ErrorAs(t, err, &person)
	require.Equal(t, "Shall I?", person.Prompt)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
}

func TestManySessionsShareOneProcess(t *testing.T) {
	t.Parallel()
	const n = 1000
	h := probeHost(t, func(o *host.Options) {
		command := o.Agents[0].Command
		o.Agents = nil
		for i := range n {
			o.Agents = append(o.Agents, host.AgentConfig{
				Name: "a" + strconv.Itoa(i), Command: command, Config: []byte(`{"prefix":"` + strconv.Itoa(i) + `"}`),
			})
		}
	})
	pids := make([]string, n)
	said := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c := ask("pid")
			c.Agent = "a" + strconv.Itoa(i)
			a, err := call(t, h, c)
			if err != nil {
				said[i] = err.Error()
				return
			}
			pids[i] = a.Value.String()
			c.Task = "say !"
			a, err = call(t, h, c)
			if err == nil {
				said[i] = a.Value.String()
			}
		})
	}
	wg.Wait()
	for i := range n {
		require.Equal(t, `"`+strconv.Itoa(i)+`!"`, said[i])
		require.Equal(t, pids[0], pids[i])
	}
}

func TestDifferentGrantsAreDifferentProcesses(t *testing.T) {
	t.Parallel()
	h := probeHost(t, func(o *host.Options) {
		b := o.Agents[0]
		b.Name, b.Secrets = "b", []string{"KEY"}
		o.Agents = append(o.Agents, b)
		o.LookupEnv = func(string) (string, bool) { return "x", true }
	})
	one, err := call(t, h, ask("pid"))
	require.NoError(t, err)
	c := ask("pid")
	c.Agent = "b"
	two, err := call(t, h, c)
	require.NoError(t, err)
	require.NotEqual(t, one.Value, two.Value)
}

func TestInProcessAgentsNeedNoProcess(t *testing.T) {
	t.Parallel()
	h := open(t, host.Options{
		Agents: []host.AgentConfig{{Name: "a", Use: "mock", Capabilities: []string{"x"}}, {Name: "b", Use: "mock"}},
		InProcess: map[string]func(host.AgentConfig) (host.InProcessAgent, error){
			"mock": func(c host.AgentConfig) (host.InProcessAgent, error) { return mock(c.Name), nil },
		},
	})
	require.NoError(t, h.Start(t.Context(), "a", "b"))
	a, err := call(t, h, ask("q"))
	require.NoError(t, err)
	require.Equal(t, `"a:q"`, a.Value.String())
	require.Equal(t, []runtime.AgentInfo{{Name: "a", Capabilities: []string{"x"}}}, h.Lookup("x"))
	require.Len(t, h.Agents(), 2)
}

func TestTheProjectCanVouchThatAnAgentIsIdempotent(t *testing.T) {
	t.Parallel()
	h := open(t, host.Options{Agents: []host.AgentConfig{
		{Name: "a", Capabilities: []string{"idempotent", "x"}}, {Name: "b", Idempotent: true}, {Name: "c"},
	}})
	for name, want := range map[string]bool{"a": true, "b": true, "c": false} {
		info, ok := h.Info(name)
		require.True(t, ok)
		require.Equal(t, want, info.Idempotent, name)
	}
}

type mock string

func (m mock) Call(_ context.Context, c runtime.Call) (runtime.Answer, error) {
	return runtime.Answer{Value: runtime.Payload(`"` + string(m) + ":" + c.Task + `"`)}, nil
}

func TestDescribeAndPing(t *testing.T) {
	t.Parallel()
	h := probeHost(t, func(o *host.Options) { o.Agents[0].Config = []byte(`{"prefix":"p"}`) })
	d, err := h.Describe(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "probe", d.Name)
	require.Equal(t, "1.2.3", d.Version)
	require.Equal(t, "prefix p", d.Detail)
	require.JSONEq(t, `{"type":"object","additionalProperties":false,"properties":{
		"grave":{"type":"string"},"prefix":{"type":"string"},"strict":{"type":"boolean"}}}`, string(d.Config))
	require.Len(t, d.Skills, 1)
	took, err := h.Ping(t.Context(), "a")
	require.NoError(t, err)
	require.Positive(t, took)
}
