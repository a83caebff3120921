package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/testkit/github"
)

// TestAPersonGrantsWhatAnAgentAsksFor is about the question at the terminal. The agent is none, which shows when it is started: after yes, and never after no.
func TestAPersonGrantsWhatAnAgentAsksFor(t *testing.T) {
	t.Parallel()
	hub, err := github.Start(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(hub.Close)
	files := map[string]string{
		"parallax.toml": "[package]\nname = \"acme/none\"\nkind = \"agent\"\nversion = \"1.0.0\"\n[agent]\ncommand = [\"none\"]\n[permissions]\nnet = [\"api.example.com\"]\n",
		"none*":         "#!/bin/sh\necho this is no agent\n",
	}
	_, err = hub.Tag(t.Context(), "acme/none", "v1.0.0", map[string]string{"parallax.toml": files["parallax.toml"]})
	require.NoError(t, err)
	hub.Release("acme/none", "v1.0.0", map[string][]byte{"none_1.0.0_x1_linux_" + runtime.GOARCH + ".zip": github.Zip(files)})
	for answer, want := range map[string]struct {
		exit cli.Exit
		text string
	}{
		"n\r":   {cli.Stopped, "not granted, so github.com/acme/none was not installed"},
		"\r":    {cli.Stopped, "not granted, so github.com/acme/none was not installed"},
		"yes\r": {cli.AgentStart, "does not start, so it was not installed"},
	} {
		dir := project(t, map[string]string{"parallax.toml": ""})
		s := terminal(t, dir, []string{"PARALLAX_HOSTS=" + hub.Hosts("github.com")}, "add", "github.com/acme/none")
		s.Until(t, "api.example.com")
		s.Until(t, "grant it? [y/N]")
		s.Type(t, answer)
		require.Equal(t, int(want.exit), s.Wait(t).ExitCode())
		require.Contains(t, s.Screen.String(), want.text)
		require.NoFileExists(t, filepath.Join(dir, "parallax.lock"))
		left, err := os.ReadDir(filepath.Join(dir, ".cache", "parallax", "trees"))
		require.NoError(t, err)
		require.Empty(t, left)
	}
}
