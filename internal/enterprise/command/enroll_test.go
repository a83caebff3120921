package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/manifest"
)

func rosterAt(t *testing.T, dir, text string) roster {
	t.Helper()
	m, err := manifest.Parse(filepath.Join(dir, manifest.FileName), []byte(text))
	require.NoError(t, err)
	r, err := rosterOf(m)
	require.NoError(t, err)
	return r
}

const agents = `
[agents.own]
use = "plugin"
command = ["./bin/own", "-v"]
dir = "src"

[agents.model]
use = "openai"
model = "m"
`

func TestTheSameAgentsAreTheSameWhereverTheProjectLies(t *testing.T) {
	t.Parallel()
	here := rosterAt(t, "/home/ada/review", agents)
	require.Len(t, here, 2)
	require.Empty(t, here.differs(rosterAt(t, "/srv/review", agents)))
	require.Empty(t, here.differs(rosterAt(t, "/srv/review", agents+"description = \"for people\"\n")))
}

func TestOtherAgentsAreNamed(t *testing.T) {
	t.Parallel()
	here := rosterAt(t, "/p", agents)
	for _, c := range []struct{ there, want string }{
		{agents + "temperature = 0.5\n", `"model" is another`},
		{agents + "queue = \"gpu\"\n", `"model" is another`},
		{agents + "capabilities = [\"idempotent\"]\n", `"model" is another`},
		{agents + "[agents.more]\nuse = \"mock\"\n", `"more" is missing here`},
	} {
		require.Equal(t, []string{c.want}, here.differs(rosterAt(t, "/p", c.there)))
	}
	require.Equal(t, []string{`"model" is only here`, `"own" is only here`}, here.differs(roster{}))
}

func TestTheFirstWorkerWritesAndTheOthersRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queues", "q.json")
	for _, c := range []struct {
		text, want string
		replace    bool
	}{{"one", "one", false}, {"two", "one", false}, {"two", "two", true}, {"one", "two", false}} {
		got, err := record(path, []byte(c.text), c.replace)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got))
	}
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
}
