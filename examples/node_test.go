package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnAgentInNodeWorksLikeAnyOther(t *testing.T) {
	t.Parallel()
	dir := copyOf(t, "node-agent")
	npmInstall(t, dir)

	t.Run("it is asked", func(t *testing.T) {
		t.Parallel()
		golden(t, "node-agent.json", parallax(t, dir, "run").done(t))
	})
	t.Run("it conforms", func(t *testing.T) {
		t.Parallel()
		e := parallax(t, dir, "plugin", "test", "node", "agent.js")
		require.Zero(t, e.code, "%s\n%s", e.out, e.stderr)
	})
	t.Run("a wrong configuration names the field", func(t *testing.T) {
		t.Parallel()
		agents := write(t, t.TempDir(), "agents.toml", "[agents.thai]\nuse = \"plugin\"\ndir = '"+dir+"'\ncommand = [\"node\", \"agent.js\"]\nlocale = \"!\"\n")
		e := parallax(t, dir, "run", "--agents", agents)
		require.Equal(t, 4, e.code, e.stderr)
		require.Contains(t, e.stderr, `"!" is no language tag`)
	})
	t.Run("started by hand it says what to do", func(t *testing.T) {
		t.Parallel()
		out, err := command(t, dir, "node", "agent.js")
		require.Error(t, err)
		require.Contains(t, out, "[agents.words]\nuse = \"plugin\"")
	})
	t.Run("a large text travels as a blob", func(t *testing.T) {
		t.Parallel()
		text := write(t, t.TempDir(), "text", strings.Repeat("one two three. ", 30_000))
		out := parallax(t, dir, "run", "--input", "english=@"+text).done(t)
		require.Contains(t, out, `"words": 90000`)
	})
}

// The example brings the protocol along, so that it can be copied anywhere.
func TestTheNodeAgentSpeaksTheProtocolOfThisTree(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.Join("..", "plugins", "agent", "agentpb", "agent.proto"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join("node-agent", "agent.proto"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "copy plugins/agent/agentpb/agent.proto to examples/node-agent")
}

// npmInstall installs what the lock file says. Without Node the test fails: an example that nobody has tried is none.
func npmInstall(t *testing.T, dir string) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "the Node example needs %s: install Node.js 20 or later with npm", program)
	}
	out, err := command(t, dir, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-update-notifier")
	require.NoError(t, err, out)
}

// command runs a program in dir and gives what it printed.
func command(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxRun)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
