package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
)

func TestRunsAreRemovedWhenThePersonAtTheTerminalSaysSo(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"main.star": "def main():\n    return 1\n"})
	for _, id := range []string{"one", "two"} {
		require.Equal(t, cli.Done, parallaxIn(t, dir, "run", "-q", "--keep", "--id", id, "main.star").exit)
	}
	for _, answer := range []string{"n\n", "\n", "\x04", "\x03"} {
		s := terminal(t, dir, nil, "runs", "rm", "one", "two")
		s.Until(t, "one  main.star  done")
		s.Until(t, "remove for good? [y/N]")
		s.Type(t, answer)
		require.Equal(t, int(cli.Stopped), s.Wait(t).ExitCode(), "%q", answer)
		require.Contains(t, s.Screen.String(), "nothing was removed")
	}
	require.Len(t, listed(t, dir), 2)
	s := terminal(t, dir, nil, "runs", "rm", "one", "two")
	s.Until(t, "remove for good? [y/N]")
	s.Type(t, "y\n")
	require.Zero(t, s.Wait(t).ExitCode())
	require.Empty(t, listed(t, dir))
}

func TestARunIsWatchedOnATerminalAsATree(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"parallax.toml": team, "main.star": `
def work(name):
    return agent(name).ask("look at it").value

def main():
    return parallel(work, ["quick", "slow"], on_error = "collect", timeout = "3s").values
`})
	run := parallaxCmd(t, dir, "run", "-q", "--keep", "--id", "r", "main.star")
	require.NoError(t, run.Start())
	for len(listed(t, dir)) == 0 {
	}
	s := terminal(t, dir, nil, "runs", "watch", "r")
	s.Until(t, "slow  look at it")
	require.Zero(t, s.Wait(t).ExitCode())
	require.NoError(t, run.Wait())
	require.Contains(t, s.Screen.String(), "✓ done in")
	show := terminal(t, dir, nil, "runs", "show", "r")
	require.Zero(t, show.Wait(t).ExitCode())
	for line := range strings.Lines(show.Screen.String()) {
		require.LessOrEqual(t, len([]rune(line)), 101)
	}
}
