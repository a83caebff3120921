package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/testkit/pty"
)

// project writes a directory with these files.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// terminal starts parallax in dir on a terminal.
func terminal(t *testing.T, dir string, env []string, args ...string) *pty.Session {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{"parallax"}, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=xterm-256color", "USER=ada"}, env...)
	return pty.Start(t, cmd, 100, 30)
}

const team = `
[agents.quick]
use = "mock"
answer = "quick answer"
confidence = 0.9
usage = {input_tokens = 1000, output_tokens = 10, cost_microusd = 1500}

[agents.slow]
use = "mock"
delay = "1h"

[agents.broken]
use = "mock"
fail = {code = "refused", message = "I will not"}
`

func TestALiveTreeAndASummary(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"parallax.toml": team, "main.star": `
def work(name):
    return agent(name).ask("look at it").value

def main():
    phase("Look")
    parallel(work, ["quick", "broken", "quick"], on_error = "collect")
    sleep("400ms")
    return "the result"
`})
	s := terminal(t, dir, nil, "run", "main.star")
	s.Until(t, "parallel 3")
	s.Until(t, "the result")
	require.Zero(t, s.Wait(t).ExitCode())
	seen := s.Screen.String()
	require.Contains(t, seen, "phase Look")
	require.Contains(t, seen, "✓ done in")
	require.Contains(t, seen, "2 agents, 3 calls, 3 branches, 1 failed, 2,020 tokens, $0.0030")
	require.Contains(t, seen, "broken refused: I will not")
	require.NotContains(t, seen, "parallel 3", "the tree is gone at the end")
	require.Empty(t, s.Screen.Unknown())
	require.False(t, s.Screen.Hidden())
}

func TestCtrlCCancels(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"parallax.toml": team, "main.star": `
def main():
    return agent("slow").ask("take your time").value
`})
	s := terminal(t, dir, []string{"NO_COLOR=1"}, "run", "main.star")
	s.Until(t, "slow  take your time")
	s.Type(t, "\x03")
	require.Equal(t, int(cli.Stopped), s.Wait(t).ExitCode())
	require.Contains(t, s.Screen.String(), "✗ cancelled in")
	require.False(t, s.Screen.Hidden())
}

func TestASecondCtrlCKills(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := project(t, map[string]string{
		"parallax.toml": fmt.Sprintf("[agents.deaf]\nuse = \"plugin\"\ncommand = [%q, \"hangs\"]\n", self),
		"main.star":     "def main():\n    return agent(\"deaf\").ask(\"listen\").value\n",
	})
	s := terminal(t, dir, nil, "run", "main.star")
	s.Until(t, "deaf  listen")
	s.Type(t, "\x03")
	s.Until(t, "cancelled in") // now the agent has two seconds to end
	s.Type(t, "\x03")
	state := s.Wait(t)
	status, ok := state.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.True(t, status.Signaled(), state)
	require.Equal(t, syscall.SIGINT, status.Signal())
	require.False(t, s.Screen.Hidden())
}

func TestAnApprovalIsAskedOnTheTerminal(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"parallax.toml": team, "main.star": `
def main():
    d = approve("Deploy?", options = ["yes", "no"], context = {"version": "1.2"})
    return "%s by %s: %s" % (d.choice, d.by, d.comment)
`})
	s := terminal(t, dir, nil, "run", "main.star")
	s.Until(t, "2) no")
	require.Contains(t, s.Screen.String(), `"version": "1.2"`)
	s.Type(t, "maybe\n")
	s.Until(t, "please answer with one of yes, no")
	s.Type(t, "1 looks fine\n")
	require.Zero(t, s.Wait(t).ExitCode())
	require.Contains(t, s.Screen.String(), "yes by ada: looks fine")
}

func TestAHumanAgentAsksOnTheTerminal(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"parallax.toml": "[agents.boss]\nuse = \"human\"\noptions = [\"fine\", \"never\"]\n",
		"main.star":     "def main():\n    return \"boss says \" + agent(\"boss\").ask(\"May we?\").value\n",
	})
	s := terminal(t, dir, nil, "run", "main.star")
	s.Until(t, "2) never")
	require.Contains(t, s.Screen.String(), "? boss: May we?")
	s.Type(t, "2\n")
	require.Zero(t, s.Wait(t).ExitCode())
	require.Contains(t, s.Screen.String(), "boss says never")
}

func TestCtrlCEndsAnApproval(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"parallax.toml": team, "main.star": "def main():\n    return approve(\"Deploy?\").choice\n"})
	s := terminal(t, dir, nil, "run", "main.star")
	s.Until(t, "2) reject")
	s.Type(t, "\x03")
	require.Equal(t, int(cli.Stopped), s.Wait(t).ExitCode())
	require.Contains(t, s.Screen.String(), "✗ cancelled in")
}

func TestTheEndOfInputIsNoAnswer(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"parallax.toml": team, "main.star": "def main():\n    return approve(\"Deploy?\").choice\n"})
	s := terminal(t, dir, nil, "run", "main.star")
	s.Until(t, "2) reject")
	s.Type(t, "\x04")
	require.Equal(t, int(cli.NeedsPerson), s.Wait(t).ExitCode())
	require.Contains(t, s.Screen.String(), "left without an answer")
}

func TestADumbTerminalGetsLines(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"parallax.toml": team, "main.star": "def main():\n    return agent(\"quick\").ask(\"look\").value\n"})
	s := terminal(t, dir, []string{"TERM=dumb"}, "run", "main.star")
	require.Zero(t, s.Wait(t).ExitCode())
	seen := s.Screen.String()
	require.Contains(t, seen, `ask quick "look" (1)`)
	require.Contains(t, seen, "ok  quick")
	require.True(t, strings.HasSuffix(seen, "quick answer\n"), seen)
}
