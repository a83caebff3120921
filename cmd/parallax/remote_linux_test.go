package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
)

// servedAgent serves a bundled agent on the loopback address, and gives where.
func servedAgent(t *testing.T, dir, name string) string {
	t.Helper()
	cmd := parallaxCmd(t, dir, "__agent", name)
	cmd.Env = append(cmd.Env, "PARALLAX_LISTEN=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _, _ = io.Copy(io.Discard, stderr); _ = cmd.Wait() })
	line, err := bufio.NewReader(stderr).ReadBytes('\n')
	require.NoError(t, err)
	var said struct {
		Address string `json:"address"`
	}
	require.NoError(t, json.Unmarshal(line, &said), "%s", line)
	return said.Address
}

// TestAnAgentOfAnotherMachine is about all that one does with a remote agent.
func TestAnAgentOfAnotherMachine(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"main.star": "def main(who = \"there\"):\n    return agent(who).ask(\"x\").value[\"stdout\"]\n"})
	address := servedAgent(t, dir, "exec")
	toml := strings.ReplaceAll(`
[agents.there]
use = "grpc"
url = "grpc://ADDRESS"
command = ["echo", "done elsewhere"]

[agents.nobody]
use = "grpc"
url = "grpc://127.0.0.1:1"

[agents.boxed]
use = "grpc"
url = "grpc://ADDRESS"
command = ["true"]

[agents.boxed.permissions]
`, "ADDRESS", address)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parallax.toml"), []byte(toml), 0o600))

	r := parallaxIn(t, dir, "run", "-q", "main.star")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	require.Contains(t, r.stdout, "done elsewhere")
	r = parallaxIn(t, dir, "agents", "list")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	require.Contains(t, r.stdout, "there   grpc")
	r = parallaxIn(t, dir, "agents", "ping", "there")
	require.Contains(t, r.stdout, "there is alive")
	r = parallaxIn(t, dir, "agents", "describe", "there")
	require.Contains(t, r.stdout, "there: exec 1.0.0")
	require.Contains(t, r.stdout, "echo done elsewhere")
	r = parallaxIn(t, dir, "doctor")
	require.Contains(t, r.stdout, "agent there: use grpc")

	r = parallaxIn(t, dir, "run", "-q", "main.star", "--input", "who=nobody")
	require.NotEqual(t, cli.Done, r.exit)
	require.Contains(t, r.stderr, "cannot be reached at grpc://127.0.0.1:1: nobody listens there")
	require.Contains(t, r.stderr, "hint: start the agent there, with PARALLAX_LISTEN")
	r = parallaxIn(t, dir, "agents", "ping", "boxed")
	require.Contains(t, r.stderr, "has permissions, which hold programs of this machine alone")

	r = parallaxIn(t, dir, "plugin", "test", "--config", `{"command":["true"]}`, "grpc://"+address)
	require.Equal(t, cli.Done, r.exit, r.stdout+r.stderr)
	require.Contains(t, r.stdout, "ok    connect")
	require.Contains(t, r.stdout, "skip  orphan\n      it is served elsewhere")
	r = parallaxIn(t, dir, "plugin", "test", "grpc://127.0.0.1:1")
	require.Equal(t, cli.PatternFailed, r.exit)
	require.Contains(t, r.stdout, "nobody listens there")
	for _, args := range [][]string{{"--ca", "x.pem", "./bin"}, {"grpc://127.0.0.1:1", "more"}} {
		r = parallaxIn(t, dir, append([]string{"plugin", "test"}, args...)...)
		require.Equal(t, cli.Usage, r.exit, r.stderr)
	}
}
