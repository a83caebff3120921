package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/testkit/github"
	"github.com/parallax-run/parallax/internal/testkit/guide"
)

// author is alice with a checkout of acme/debate, which she publishes and proposes to an index of others.
type author struct {
	hub *github.Server
	dir string
	env []string
}

func newAuthor(t *testing.T, files map[string]string) *author {
	t.Helper()
	hub, err := github.Start(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(hub.Close)
	hub.User("alice", "alices-token", []string{"repo"}, "acme")
	require.NoError(t, hub.Create(t.Context(), "acme/debate"))
	_, err = hub.Commit(t.Context(), "index/index", "begin", map[string]string{"featured.json": "[]\n"})
	require.NoError(t, err)
	home := t.TempDir()
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:alices-token"))
	config := fmt.Sprintf("[user]\n\tname = alice\n\temail = alice@example.com\n[http]\n\textraHeader = Authorization: Basic %s\n[url %q]\n\tinsteadOf = https://github.com/\n", basic, hub.URL+"/")
	require.NoError(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600))
	a := &author{hub: hub, dir: project(t, files)}
	a.env = []string{"HOME=" + home, "TMPDIR=" + t.TempDir(), "PARALLAX_HOSTS=" + hub.Hosts("github.com"), "PARALLAX_INDEX=off", "GITHUB_TOKEN=alices-token", "PARALLAX_ATTEMPTS=1"}
	a.git(t, "init", "--quiet", "--initial-branch=main")
	a.git(t, "remote", "add", "origin", "https://github.com/acme/debate")
	a.push(t)
	return a
}

func (a *author) git(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = a.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, a.env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// push commits what is there.
func (a *author) push(t *testing.T) {
	t.Helper()
	a.git(t, "add", "--all")
	a.git(t, "commit", "--quiet", "--message", "change")
	a.git(t, "push", "--quiet", "origin", "main")
}

func (a *author) publish(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := parallaxCmd(t, a.dir, "publish", "--index", "index/index")
	cmd.Env = append(cmd.Env, a.env...)
	return cmd
}

const pattern = `[package]
name = "acme/debate"
kind = "pattern"
version = "1.0.0"
description = "Several agents argue, one decides."
license = "Apache-2.0"
`

// TestPublishingGoesOnAfterItWasKilled kills parallax at each request by which it changes something, which the host carries out all the same. Whatever
// was done by then, publishing again does the rest, and nothing twice.
func TestPublishingGoesOnAfterItWasKilled(t *testing.T) {
	t.Parallel()
	const changes = 11 // release, two files, tag, release, fork, its sync, branch, entry, pull request: 10; at the last of these nobody is killed
	for n := 1; n <= changes; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			a := newAuthor(t, map[string]string{"parallax.toml": pattern, "debate.star": "def main(q):\n    return q\n"})
			var seen atomic.Int64
			started, killed := make(chan struct{}), make(chan string, 1)
			cmd := a.publish(t)
			a.hub.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
				change := r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/git-upload-pack")
				if change && seen.Add(1) == int64(n) {
					<-started
					_ = cmd.Process.Kill()
					killed <- r.Method + " " + r.URL.Path
				}
				return false
			})
			require.NoError(t, cmd.Start())
			close(started)
			err := cmd.Wait()
			a.hub.Fail(nil)
			if n == changes {
				require.NoError(t, err)
				require.Empty(t, killed)
			} else {
				require.Error(t, err)
				t.Log("killed at", <-killed)
			}
			again := a.publish(t)
			out, err := again.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, []string{"v1.0.0 public debate_1.0.0.zip SHA256SUMS"}, a.hub.Releases("acme/debate"))
			require.Equal(t, []string{"1 open alice acme/debate 1.0.0"}, a.hub.Pulls("index/index"))
			entry, err := a.hub.Show(t.Context(), "alice/index", "publish/acme/debate", "packages/acme/debate.json")
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(entry, `"version"`))
			require.Empty(t, a.hub.Problems())
		})
	}
}

// What an agent asks for beyond the version before is accepted by a person, or not.
func TestAPersonAcceptsThatAnAgentAsksForMore(t *testing.T) {
	t.Parallel()
	manifest := func(version, net string) string {
		return strings.NewReplacer("pattern", "agent", "1.0.0", version).Replace(pattern) + "[agent]\ncommand = [\"none\"]\n[permissions]\nnet = [" + net + "]\n"
	}
	a := newAuthor(t, map[string]string{"parallax.toml": manifest("1.0.0", ""), ".gitignore": "dist\n"})
	a.git(t, "tag", "v1.0.0")
	a.git(t, "push", "--quiet", "origin", "v1.0.0")
	text := manifest("1.1.0", `"api.example.com"`)
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "parallax.toml"), []byte(text), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(a.dir, "dist"), 0o700))
	build := github.Zip(map[string]string{"parallax.toml": text, "none*": "#!/bin/sh\n"})
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "dist", "debate_1.1.0_x1_plan9_mips.zip"), build, 0o600))
	a.push(t)
	for _, answer := range []string{"n\r", "\x03"} {
		s := terminal(t, a.dir, a.env, "publish", "--no-index")
		s.Until(t, "it asks for more than v1.0.0 did")
		s.Until(t, "publish it? [y/N]")
		s.Type(t, answer)
		require.Equal(t, int(cli.Stopped), s.Wait(t).ExitCode(), s.Screen.String())
		require.Empty(t, a.hub.Releases("acme/debate"))
	}
	s := terminal(t, a.dir, a.env, "publish", "--no-index")
	s.Until(t, "+ net api.example.com")
	s.Until(t, "publish it? [y/N]")
	s.Type(t, "yes\r")
	require.Zero(t, s.Wait(t).ExitCode(), s.Screen.String())
	require.Equal(t, []string{"v1.1.0 public debate_1.1.0_x1_plan9_mips.zip SHA256SUMS"}, a.hub.Releases("acme/debate"))
}

// TestTheGuideOfPublishingSaysWhatHappens follows it as somebody would who has never published anything.
func TestTheGuideOfPublishingSaysWhatHappens(t *testing.T) {
	t.Parallel()
	a := newAuthor(t, map[string]string{"readme": ""})
	require.NoError(t, a.hub.Create(t.Context(), "alice/tally"))
	_, err := a.hub.Commit(t.Context(), market.DefaultIndexRepository, "begin", map[string]string{"featured.json": "[]\n"})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", "publishing.md"))
	require.NoError(t, err)
	guide.Follow(t, string(text), append(a.env, "PATH="+os.Getenv("PATH")))
	require.Equal(t, []string{"1 open alice alice/tally 1.0.0"}, a.hub.Pulls(market.DefaultIndexRepository))
	require.Empty(t, a.hub.Problems())
}
