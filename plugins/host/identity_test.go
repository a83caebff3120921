//go:build linux

package host_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// TestTheIdentityOfAnAgentIsWhatItsAnswersDependOn: its configuration and version, but neither the values of secrets nor how it is called.
func TestTheIdentityOfAnAgentIsWhatItsAnswersDependOn(t *testing.T) {
	t.Parallel()
	type mock struct{ host.InProcessAgent }
	identity := func(change func(*host.AgentConfig), values map[string]string, more ...func(*host.Options)) string {
		cfg := host.AgentConfig{Name: "a", Command: as(t, "agent"), Secrets: []string{"KEY"}, Env: []string{"PLACE"}, Config: json.RawMessage(`{"grave":""}`)}
		change(&cfg)
		o := host.Options{Agents: []host.AgentConfig{cfg}, Version: "1", LookupEnv: func(name string) (string, bool) { v, ok := values[name]; return v, ok }}
		for _, f := range more {
			f(&o)
		}
		id, err := open(t, o).Identity(t.Context(), cfg.Name)
		require.NoError(t, err)
		return id
	}
	same := func(*host.AgentConfig) {}
	values := map[string]string{"KEY": "secret", "PLACE": "here"}
	id := identity(same, values)
	for name, change := range map[string]func(*host.AgentConfig){
		"timeout": func(c *host.AgentConfig) { c.Timeout = time.Second }, "concurrency": func(c *host.AgentConfig) { c.MaxConcurrency = 2 },
		"capabilities": func(c *host.AgentConfig) { c.Capabilities = []string{"x", runtime.Idempotent} },
	} {
		require.Equal(t, id, identity(change, values), name)
	}
	require.Equal(t, id, identity(same, map[string]string{"KEY": "another", "PLACE": "here"}), "the value of a secret")
	require.Equal(t, id, identity(same, values, func(o *host.Options) { o.Version = "2" }), "the version of this program, of which the agent is no part")

	others := map[string]string{id: "itself"}
	differs := func(what, id string) {
		require.Empty(t, others[id], what)
		others[id] = what
	}
	differs("config", identity(func(c *host.AgentConfig) { c.Config = json.RawMessage(`{"grave":"/nowhere/x"}`) }, values))
	differs("name", identity(func(c *host.AgentConfig) { c.Name = "b" }, values))
	differs("folder", identity(func(c *host.AgentConfig) { c.Dir = t.TempDir() }, values))
	differs("variable", identity(same, map[string]string{"KEY": "secret", "PLACE": "there"}))
	differs("names of secrets", identity(func(c *host.AgentConfig) { c.Secrets = nil }, values))
	inside := func(version string) func(*host.Options) {
		return func(o *host.Options) {
			o.Version = version
			o.InProcess = map[string]func(host.AgentConfig) (host.InProcessAgent, error){
				"mock": func(host.AgentConfig) (host.InProcessAgent, error) { return mock{}, nil },
			}
		}
	}
	use := func(c *host.AgentConfig) { c.Use, c.Command = "mock", nil }
	differs("in process", identity(use, values, inside("1")))
	differs("in a newer program", identity(use, values, inside("2")))

	h := open(t, host.Options{Agents: []host.AgentConfig{{Name: "a", Command: []string{"/nowhere/at/all"}}}})
	_, err := h.Identity(t.Context(), "a")
	require.Error(t, err)
	_, err = h.Identity(t.Context(), "stranger")
	require.Error(t, err)
}
