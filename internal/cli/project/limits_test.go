package project_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/limiter"
	"github.com/parallax-run/parallax/internal/manifest"
)

func limitsOf(t *testing.T, path, text string, env map[string]string) map[string][]limiter.Limit {
	t.Helper()
	m, err := manifest.Parse(path, []byte(text))
	require.NoError(t, err)
	key := func(json.RawMessage) []string { return []string{"KEY"} }
	app := &cli.App{
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Bundled:   map[string]cli.Bundled{"openai": {Secrets: key}, "anthropic": {Secrets: key}, "http": {}, "exec": {}},
	}
	return project.LimitsOf(app, m)
}

func TestLimitsOfAgentsAndTheirProviders(t *testing.T) {
	t.Parallel()
	of := limitsOf(t, "/p/parallax.toml", `
[providers.main]
max_concurrency = 20

[agents.own]
use = "plugin"
command = ["./x"]
max_concurrency = 2
rate = "10/s"
provider = "main"

[agents.asking]
use = "openai"
provider = "main"

[agents.free]
use = "exec"
command = ["x"]

[agents.web]
use = "http"
url = "https://Example.com:8443/a/b"
`, nil)
	require.Len(t, of, 3)
	require.Len(t, of["own"], 2)
	require.Equal(t, limiter.Agent, of["own"][0].Kind)
	require.Equal(t, 2, of["own"][0].Concurrency)
	require.Equal(t, limiter.Rate{Calls: 10, Per: time.Second}, of["own"][0].Rate)
	require.Equal(t, of["asking"], of["own"][1:], "the agents of a provider share it, whatever they ask")
	require.Equal(t, limiter.Limit{Kind: limiter.Provider, Name: "main", Identity: "api.openai.com", Concurrency: 20}, of["asking"][0])
	require.Len(t, of["web"], 1)
	require.Equal(t, "example.com:8443", of["web"][0].Name)
}

func TestWhoIsOneProviderAndOneAgent(t *testing.T) {
	t.Parallel()
	const model = "[agents.a]\nuse = \"openai\"\n"
	here := limitsOf(t, "/here/parallax.toml", model, map[string]string{"KEY": "k1"})["a"]
	require.Equal(t, here, limitsOf(t, "/there/parallax.toml", model+"model = \"other\"\n", map[string]string{"KEY": "k1"})["a"])
	require.NotEqual(t, here, limitsOf(t, "/here/parallax.toml", model, map[string]string{"KEY": "k2"})["a"], "another key")
	require.NotEqual(t, here, limitsOf(t, "/here/parallax.toml", model+"base_url = \"http://localhost:1/v1\"\n", map[string]string{"KEY": "k1"})["a"])
	require.NotContains(t, here[0].Identity, "k1")

	const named = "[providers.p]\n" + model + "provider = \"p\"\n"
	require.Equal(t, limitsOf(t, "/here/parallax.toml", named, nil)["a"], limitsOf(t, "/there/parallax.toml", named, nil)["a"])
	const local = "[providers.p]\n[agents.a]\nuse = \"exec\"\ncommand = [\"x\"]\nprovider = \"p\"\n"
	require.NotEqual(t, limitsOf(t, "/here/parallax.toml", local, nil)["a"], limitsOf(t, "/there/parallax.toml", local, nil)["a"])

	const limited = "[agents.a]\nuse = \"exec\"\ncommand = [\"x\"]\nmax_concurrency = 1\n"
	mine := limitsOf(t, "/here/parallax.toml", limited, nil)["a"]
	require.Equal(t, mine, limitsOf(t, "/here/parallax.toml", limited+"timeout = \"5s\"\n", nil)["a"])
	require.NotEqual(t, mine, limitsOf(t, "/there/parallax.toml", limited, nil)["a"])
	require.NotEqual(t, mine, limitsOf(t, "/here/parallax.toml", limited+"output = \"text\"\n", nil)["a"])
}

func TestWhereProcessesMeet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"XDG":          {map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/parallax-limits"},
		"home":         {map[string]string{"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/parallax-limits"},
		"nowhere":      {nil, ""},
		"a home apart": {map[string]string{"HOME": "h"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := &cli.App{LookupEnv: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
			require.Equal(t, c.want, project.LimitsDir(app))
		})
	}
}
