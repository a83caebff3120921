package manifest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProvidersAndRates(t *testing.T) {
	t.Parallel()
	m, err := Parse("/p/parallax.toml", []byte(`
[providers.main]
max_concurrency = 20
rate = "500/m"
burst = 10

[providers.bare]

[agents.a]
use = "openai"
provider = "main"
max_concurrency = 4
rate = " 10 / s"

[agents.b]
use = "exec"
command = ["x"]
count = 2
provider = "bare"
rate = "1/h"
`))
	require.NoError(t, err)
	require.Equal(t, []Provider{
		{Name: "bare"}, {Name: "main", MaxConcurrency: 20, Rate: Rate{Calls: 500, Per: time.Minute, Burst: 10}},
	}, m.Providers)
	a, _ := m.Agent("a")
	require.Equal(t, "main", a.Provider)
	require.Equal(t, 4, a.MaxConcurrency)
	require.Equal(t, Rate{Calls: 10, Per: time.Second}, a.Rate)
	require.Equal(t, "{}", string(a.Config), "limits are none of the agent's business")
	b, _ := m.Agent("b-2")
	require.Equal(t, "bare", b.Provider)
	require.Equal(t, Rate{Calls: 1, Per: time.Hour}, b.Rate)
	_, ok := m.Provider("b")
	require.False(t, ok)
}

func TestProblemsWithProvidersAndRates(t *testing.T) {
	t.Parallel()
	const a = "[agents.a]\nuse = \"x\"\n"
	for name, c := range map[string]struct {
		text string
		pos  Pos
		hint string
	}{
		"no such provider":          {a + "provider = \"mian\"\n[providers.main]\n", Pos{3, 1}, "did you mean main?"},
		"no provider at all":        {a + "provider = \"x\"\n", Pos{3, 1}, "add [providers.x]"},
		"no such provider, counted": {a + "count = 3\nprovider = \"x\"\n", Pos{4, 1}, "add [providers.x]"},
		"provider as a number":      {a + "provider = 3\n", Pos{3, 1}, `provider = "..."`},
		"rate as a number":          {a + "rate = 60\n", Pos{3, 1}, `rate = "10/s"`},
		"rate without a unit":       {a + "rate = \"60\"\n", Pos{3, 1}, `rate = "10/s"`},
		"rate of another unit":      {a + "rate = \"60/d\"\n", Pos{3, 1}, `rate = "10/s"`},
		"rate of nothing":           {a + "rate = \"0/m\"\n", Pos{3, 1}, `rate = "10/s"`},
		"rate below zero":           {a + "rate = \"-1/m\"\n", Pos{3, 1}, `rate = "10/s"`},
		"rate beyond numbers":       {a + "rate = \"99999999999999999999/m\"\n", Pos{3, 1}, `rate = "10/s"`},
		"burst without a rate":      {a + "burst = 3\n", Pos{3, 1}, `add rate = "60/m"`},
		"burst of nothing":          {a + "rate = \"1/s\"\nburst = 0\n", Pos{4, 1}, ""},
		"key of a provider":         {"[providers.x]\nmax_concurency = 3\n", Pos{2, 1}, "did you mean max_concurrency?"},
		"name of a provider":        {"[providers.\"X Y\"]\n", Pos{1, 12}, ""},
		"provider as a value":       {"[providers]\nx = 3\n", Pos{2, 1}, "write a table"},
		"providers as a list":       {"providers = []\n", Pos{1, 1}, "write a table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := problems(t, c.text)
			require.Len(t, found, 1, "%v", found)
			require.Equal(t, c.pos, found[0].Pos, found[0].Message)
			require.Contains(t, found[0].Hint, c.hint)
		})
	}
}
