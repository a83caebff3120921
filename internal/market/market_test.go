package market

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/testkit/github"
)

// TestMain makes this test binary be another process that installs, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		switch os.Args[1] {
		case "installs":
			os.Exit(installs(os.Args[2:]))
		case "small":
			os.Exit(small(os.Args[2:]))
		}
		os.Exit(2) // never the tests: they would start themselves again and again
	}
	goleak.VerifyTestMain(m)
}

// world is a host of packages, a machine and a project.
type world struct {
	*Market
	t    *testing.T
	hub  *github.Server
	dir  string // of the project
	mu   sync.Mutex
	said []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	hub, err := github.Start(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(hub.Close)
	w := &world{t: t, hub: hub, dir: t.TempDir()}
	w.Market = w.machine()
	return w
}

// machine is one that has nothing installed.
func (w *world) machine() *Market {
	cache := filepath.Join(w.t.TempDir(), "cache")
	w.t.Cleanup(func() { _ = removeAll(cache) })
	client := NewHTTP()
	w.t.Cleanup(client.CloseIdleConnections)
	return &Market{
		Cache:    &Cache{Dir: cache},
		Client:   &Client{HTTP: client, Bases: map[string]string{"github.com": w.hub.URL}, Wait: func(context.Context, time.Duration) error { return nil }},
		Platform: "linux/amd64",
		Say: func(line string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.said = append(w.said, line)
		},
	}
}

// manifestFor is that of a package.
func manifestFor(repo, kind, version string, dependencies ...string) string {
	text := fmt.Sprintf("[package]\nname = %q\nkind = %q\nversion = %q\n", repo, kind, version)
	if kind == "agent" {
		text += "[agent]\ncommand = [\"run\"]\n"
	}
	if len(dependencies) > 0 {
		text += "[dependencies]\n"
	}
	for _, d := range dependencies {
		alias, value, _ := strings.Cut(d, "=")
		text += fmt.Sprintf("%s = %q\n", alias, "github.com/"+value)
	}
	return text
}

// pattern publishes a pattern by its tag, without a release.
func (w *world) pattern(repo, version string, dependencies ...string) string {
	w.t.Helper()
	commit, err := w.hub.Tag(w.t.Context(), repo, "v"+version, map[string]string{
		"parallax.toml": manifestFor(repo, "pattern", version, dependencies...), "main.star": "v = \"" + repo + " " + version + "\"\n",
	})
	require.NoError(w.t, err)
	return commit
}

// agent publishes an agent for two platforms.
func (w *world) agent(repo, version, permissions string) map[string][]byte {
	w.t.Helper()
	text := manifestFor(repo, "agent", version) + permissions
	_, err := w.hub.Tag(w.t.Context(), repo, "v"+version, map[string]string{"parallax.toml": text})
	require.NoError(w.t, err)
	name := repo[strings.IndexByte(repo, '/')+1:] + "_" + version
	files := map[string][]byte{
		name + "_x1_linux_amd64.zip":  github.Zip(map[string]string{"parallax.toml": text, "run*": "linux " + version}),
		name + "_x1_darwin_arm64.zip": github.Zip(map[string]string{"parallax.toml": text, "run*": "darwin " + version}),
	}
	w.hub.Release(repo, "v"+version, files)
	return files
}

func (w *world) project(dependencies ...string) {
	w.t.Helper()
	text := "[dependencies]\n"
	for _, d := range dependencies {
		alias, value, _ := strings.Cut(d, "=")
		text += fmt.Sprintf("%s = %q\n", alias, "github.com/"+value)
	}
	require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, "parallax.toml"), []byte(text), 0o644))
}

func (w *world) sync(m *Market, edits ...Edit) (*Outcome, error) {
	return m.Sync(w.t.Context(), w.dir, edits, false)
}

func (w *world) lock() string {
	text, err := os.ReadFile(filepath.Join(w.dir, "parallax.lock"))
	if os.IsNotExist(err) {
		return ""
	}
	require.NoError(w.t, err)
	return string(text)
}

// leftovers are what an installation that failed must not leave.
func (w *world) leftovers() []string {
	left, err := filepath.Glob(filepath.Join(w.Cache.Dir, "trees", "*"))
	require.NoError(w.t, err)
	return left
}

func versionsOf(l *manifest.Lock) []string {
	var list []string
	for _, p := range l.Packages {
		list = append(list, strings.TrimPrefix(p.Source, "github.com/")+" "+p.Version)
	}
	return list
}

func TestAPatternIsInstalledAndFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	commit := w.pattern("acme/debate", "1.2.0", "votes=acme/votes@v0.3.0")
	w.pattern("acme/votes", "0.3.0")
	w.pattern("acme/votes", "0.4.0")
	w.project("debate=acme/debate@v1.2.0")
	out, err := w.sync(w.Market)
	require.NoError(t, err)
	require.Equal(t, []string{"acme/debate v1.2.0", "acme/votes v0.3.0"}, versionsOf(out.Lock))
	require.Equal(t, commit, out.Lock.Packages[0].Commit)
	require.Equal(t, []string{"fetching github.com/acme/debate@v1.2.0", "fetching github.com/acme/votes@v0.3.0"}, w.said)

	p := &Packages{Cache: w.Cache, Manifest: out.Manifest, Lock: out.Lock, Platform: w.Platform}
	name, err := p.Find("", "debate")
	require.NoError(t, err)
	require.Equal(t, "github.com/acme/debate@v1.2.0", name)
	inner, err := p.Find(name, "votes")
	require.NoError(t, err)
	dir, err := p.Dir(inner)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "main.star"))
	require.NoError(t, err)
	require.Equal(t, "v = \"acme/votes 0.3.0\"\n", string(text))
}

func TestWhatIsInstalledNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pattern("acme/debate", "1.2.0")
	w.project("debate=acme/debate@v1.2.0")
	_, err := w.sync(w.Market)
	require.NoError(t, err)
	lock := w.lock()
	w.hub.Asked()
	_, err = w.sync(w.Market)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(w.dir, "parallax.lock")))
	_, err = w.sync(w.Market)
	require.NoError(t, err)
	require.Empty(t, w.hub.Asked())
	require.Equal(t, lock, w.lock())

	w.hub.Fail(func(w http.ResponseWriter, _ *http.Request) bool { panic(http.ErrAbortHandler) })
	ref, err := w.Latest(t.Context(), Ref{Source: "github.com/acme/debate"})
	require.NoError(t, err)
	require.Equal(t, "v1.2.0", ref.Version)
	require.Contains(t, w.said[len(w.said)-1], "github.com cannot be reached")
}
