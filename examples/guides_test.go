package examples_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/github"
	"github.com/parallax-run/parallax/internal/testkit/guide"
)

func TestGuidesSayWhatHappens(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	programs := t.TempDir()
	require.NoError(t, os.Symlink(pythonWithGRPC(t), filepath.Join(programs, "python3")))
	env := append(environment(), "PATH="+programs+":"+filepath.Dir(binary)+":"+os.Getenv("PATH"), "PARALLAX="+filepath.Dir(here))
	for _, name := range []string{"first-pattern.md", "first-agent.md", "testing.md", "keeping-runs.md", "limits.md", "index.md", "somebody-elses.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "docs", "guides", name))
			require.NoError(t, err)
			guide.Follow(t, string(text), slices.Concat(env, homes(t), hub(t)))
		})
	}
}

// hub stands for github.com, with the packages of testdata.
func hub(t *testing.T) []string {
	t.Helper()
	s, err := github.Start(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(s.Close)
	for name, tag := range map[string]string{"debate": "v1.2.0", "greedy": "v1.0.0"} {
		files := make(map[string]string)
		dir := os.DirFS(filepath.Join("testdata", "packages", name))
		names, err := fs.Glob(dir, "*")
		require.NoError(t, err)
		for _, file := range names {
			text, err := fs.ReadFile(dir, file)
			require.NoError(t, err)
			files[file] = string(text)
		}
		_, err = s.Tag(t.Context(), "acme/"+name, tag, files)
		require.NoError(t, err)
	}
	return []string{"PARALLAX_HOSTS=" + s.Hosts("github.com")}
}

// homes gives a reader an empty home. What Go and npm have fetched already they find all the same.
func homes(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	env := []string{"HOME=" + home, "XDG_CACHE_HOME=", "XDG_STATE_HOME="}
	for name, words := range map[string][]string{
		"GOCACHE": {"go", "env", "GOCACHE"}, "GOMODCACHE": {"go", "env", "GOMODCACHE"}, "npm_config_cache": {"npm", "config", "get", "cache"},
	} {
		out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).Output()
		require.NoError(t, err)
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	return env
}
