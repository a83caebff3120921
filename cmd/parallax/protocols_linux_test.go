package main

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/interop"
)

// asker asks one agent, as the inputs say.
const asker = `
def main(who, task, input = {}):
    return agent(who).ask(task, **input).value
`

// asks runs that pattern in a project, and gives what came of it and what was said.
func asks(t *testing.T, dir, who, task, input string) (string, error) {
	t.Helper()
	cmd := parallaxCmd(t, dir, "run", "-q", "ask.star", "-i", "who="+who, "-i", "task="+task, "-i", "input="+input)
	cmd.Env = append(cmd.Env, "HIDDEN=hush", "TRAVEL_AUTH=Bearer open-sesame")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestAServerOfToolsIsHeldToItsAgentsPermissions(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	command := strings.Join(interop.Node(t, "mcp-prober.mjs"), `", "`)
	dir := project(t, map[string]string{
		"ask.star": asker, "secret.txt": "hidden words",
		"parallax.toml": fmt.Sprintf(`
[agents.free]
use = "mcp"
command = ["%s"]

[agents.held]
use = "mcp"
command = ["%s"]
[agents.held.permissions]
read = ["%s", "granted"]
`, command, command, interop.Dir(t)),
	})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "granted"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "granted", "words.txt"), []byte("some words"), 0o600))
	read := func(name string) string { return fmt.Sprintf(`{"path": %q}`, filepath.Join(dir, name)) }
	port := fmt.Sprintf(`{"port": %d}`, l.Addr().(*net.TCPAddr).Port)

	for _, may := range []struct{ task, input, want string }{
		{"read", read("granted/words.txt"), "some words"},
		{"read", read("secret.txt"), "hidden words"},
		{"connect", port, "connected"},
	} {
		got, err := asks(t, dir, "free", may.task, may.input)
		require.NoError(t, err, got)
		require.Equal(t, may.want, got)
	}
	got, err := asks(t, dir, "held", "read", read("granted/words.txt"))
	require.NoError(t, err, got)
	require.Equal(t, "some words", got)
	got, err = asks(t, dir, "held", "variable", `{"name": "HIDDEN"}`)
	require.NoError(t, err, got)
	require.Equal(t, "not there", got)
	for _, mayNot := range [][2]string{{"read", read("secret.txt")}, {"connect", port}} {
		got, err := asks(t, dir, "held", mayNot[0], mayNot[1])
		require.Error(t, err, got)
		require.Regexp(t, `agent "held".*(EACCES|EPERM|ENOENT|ECONNREFUSED|ENETUNREACH)`, got)
	}
}

func TestServersAreReachedFromASandbox(t *testing.T) {
	t.Parallel()
	argv := append(interop.Node(t, "a2a-server.mjs"), "--token", "Bearer open-sesame")
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	u, err := url.Parse(lines.Text())
	require.NoError(t, err)
	settings := fmt.Sprintf("use = \"a2a\"\nurl = \"%s\"\nheader_env = [\"Authorization: TRAVEL_AUTH\"]\n", u)
	dir := project(t, map[string]string{
		"ask.star": asker,
		"parallax.toml": "[agents.travel]\n" + settings + "[agents.travel.permissions]\nsecrets = [\"TRAVEL_AUTH\"]\n" +
			"[agents.keyless]\n" + settings + "[agents.keyless.permissions]\nnet = [\"" + u.Host + "\"]\n",
	})
	got, err := asks(t, dir, "travel", "echo Bearer open-sesame", "{}")
	require.NoError(t, err, got)
	require.Contains(t, got, "you said: echo Bearer open-sesame", "the agent does not know what it should hide: it does not have the key")
	got, err = asks(t, dir, "keyless", "echo", "{}")
	require.Error(t, err, got)
	require.Contains(t, got, "TRAVEL_AUTH is not set")
}
