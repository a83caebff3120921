//go:build linux

package host_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// as is the command of one of the agents of TestMain.
func as(t *testing.T, what string) []string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return []string{self, "as", what}
}

// open makes a host that is closed at the end of the test.
func open(t *testing.T, o host.Options) *host.Host {
	t.Helper()
	h := host.New(o)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

// probeHost has one agent called "a" which does what its task says.
func probeHost(t *testing.T, change ...func(*host.Options)) *host.Host {
	t.Helper()
	o := host.Options{Agents: []host.AgentConfig{{Name: "a", Command: as(t, "agent")}}}
	for _, f := range change {
		f(&o)
	}
	return open(t, o)
}

func ask(task string) runtime.Call {
	return runtime.Call{
		AgentCall: runtime.AgentCall{Agent: "a", Task: task, Input: runtime.Payload("{}"), Timeout: 30 * time.Second},
		Run:       "r1", ID: "r1/1", Attempt: 1,
	}
}

func call(t *testing.T, h *host.Host, c runtime.Call) (runtime.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return h.Call(ctx, c)
}

// The host closes stdin right after it has said that it is going; the sessions are closed nevertheless.
func TestSessionsAreClosedWhenTheHostGoes(t *testing.T) {
	t.Parallel()
	for range 10 {
		grave := filepath.Join(t.TempDir(), "grave")
		config, err := json.Marshal(map[string]string{"grave": grave})
		require.NoError(t, err)
		h := host.New(host.Options{Agents: []host.AgentConfig{{Name: "a", Command: as(t, "agent"), Config: config}}})
		_, err = call(t, h, ask("say x"))
		require.NoError(t, err)
		require.NoError(t, h.Close())
		require.FileExists(t, grave)
	}
}

func TestAgentAnswers(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	c := ask("echo")
	c.Input = runtime.Payload(`{"b":1,"a":[1.5,"é"]}`)
	a, err := call(t, h, c)
	require.NoError(t, err)
	require.Equal(t, `{"a":[1.5,"é"],"b":1}`, a.Value.String())
	require.Equal(t, "a", a.Agent)
	require.Equal(t, "1.2.3", a.Version)
	require.Equal(t, 1, a.Attempts)
}
