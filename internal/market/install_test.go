package market

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/origin"
	"github.com/parallax-run/parallax/internal/testkit/github"
)

// failed says that an installation failed with that code and changed nothing.
func (w *world) failed(err error, code Code) {
	w.t.Helper()
	require.True(w.t, is(err, code), "%v", err)
	require.Empty(w.t, w.leftovers())
	require.Empty(w.t, w.lock())
}

func TestAnAgentIsAskedForThenTriedThenKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files := w.agent("acme/critic", "1.0.0", "[permissions]\nread = [\"$WORKSPACE\"]\n")
	w.project("critic=acme/critic@v1.0.0")
	var order []string
	w.Consent = func(_ context.Context, a Ask) error {
		require.Equal(t, Ask{Source: "github.com/acme/critic", Version: "v1.0.0", New: true, Wants: a.Wants, Origin: origin.Unknown}, a)
		require.Equal(t, []string{"$WORKSPACE"}, a.Wants.Read)
		order = append(order, "asked")
		return nil
	}
	w.Start = func(_ context.Context, dir string, m *manifest.Manifest) error {
		require.Equal(t, []string{filepath.Join(dir, "run")}, Command(dir, m))
		info, err := os.Stat(filepath.Join(dir, "run"))
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&0o100)
		order = append(order, "tried")
		return nil
	}
	out, err := w.sync(w.Market)
	require.NoError(t, err)
	require.Equal(t, []string{"asked", "tried"}, order)
	require.Len(t, out.Lock.Packages[0].Assets, 2)
	require.Len(t, files, 2)
	_, err = w.sync(w.Market)
	require.NoError(t, err)
	require.Len(t, order, 2, "neither is done twice")

	// The lock that linux wrote is good for another machine.
	mac := w.machine()
	mac.Platform = "darwin/arm64"
	_, err = mac.Sync(t.Context(), w.dir, nil, true)
	require.NoError(t, err)
	p := &Packages{Cache: mac.Cache, Manifest: out.Manifest, Lock: out.Lock, Platform: mac.Platform}
	agent, err := p.Agent("critic", "/work")
	require.NoError(t, err)
	require.Equal(t, []string{"/work"}, agent.Permissions.Read)
	text, err := os.ReadFile(agent.Command[0])
	require.NoError(t, err)
	require.Equal(t, "darwin 1.0.0", string(text))
	info, err := os.Stat(agent.Command[0])
	require.NoError(t, err)
	require.Zero(t, info.Mode()&0o222, "it is read-only")
}

func TestAnAgentThatDoesNotStartIsNotInstalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent("acme/critic", "1.0.0", "")
	w.project("critic=acme/critic@v1.0.0")
	w.Start = func(context.Context, string, *manifest.Manifest) error { return errors.New("exited with 1") }
	_, err := w.sync(w.Market)
	w.failed(err, NotStarting)
	require.EqualError(t, err, "github.com/acme/critic@v1.0.0 does not start, so it was not installed: exited with 1")
}

func TestAnAgentWhosePermissionsAreNotGrantedNeverRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent("acme/critic", "1.0.0", "[permissions]\nnet = [\"*\"]\n")
	w.project("critic=acme/critic@v1.0.0")
	w.Consent = func(context.Context, Ask) error { return &Error{Code: Refused, Message: "no"} }
	w.Start = func(context.Context, string, *manifest.Manifest) error { panic("it ran") }
	_, err := w.sync(w.Market)
	w.failed(err, Refused)
}

func TestOnlyMoreIsAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent("acme/critic", "1.0.0", "[permissions]\nnet = [\"a.example.com\", \"b.example.com\"]\n")
	w.agent("acme/critic", "1.1.0", "[permissions]\nnet = [\"b.example.com\"]\n")
	w.agent("acme/critic", "1.2.0", "[permissions]\nnet = [\"b.example.com\"]\nexec = [\"git\"]\n")
	w.project("critic=acme/critic@v1.0.0")
	var asked []string
	w.Consent = func(_ context.Context, a Ask) error {
		asked = append(asked, a.Version+" "+strings.Join(Widened(a.Had, a.Wants), ","))
		return nil
	}
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		_, err := w.sync(w.Market, Edit{"critic", "github.com/acme/critic@v" + v})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"v1.0.0 net a.example.com,net b.example.com", "v1.2.0 exec git"}, asked)
}

func TestFaultsOfWhatWasPublishedLeaveNothing(t *testing.T) {
	t.Parallel()
	link := func(w *world) {
		w.hub.Release("acme/debate", "v1.0.0", map[string][]byte{"debate_1.0.0.zip": github.Zip(map[string]string{"../parallax.toml": "x"})})
	}
	tests := map[string]struct {
		change func(w *world)
		code   Code
	}{
		"a wrong checksum": {func(w *world) {
			w.hub.Release("acme/debate", "v1.0.0", map[string][]byte{"debate_1.0.0.zip": []byte("x"), "SHA256SUMS": []byte(strings.Repeat("0", 64) + "  debate_1.0.0.zip\n")})
		}, BadSum},
		"no checksum that can be read": {func(w *world) {
			w.hub.Release("acme/debate", "v1.0.0", map[string][]byte{"SHA256SUMS": []byte("<html>")})
		}, BadSum},
		"a file that is missing": {func(w *world) {
			w.hub.Release("acme/debate", "v1.0.0", map[string][]byte{"SHA256SUMS": []byte(strings.Repeat("0", 64) + "  debate_1.0.0.zip\n")})
		}, NotFound},
		"an archive that leads out": {link, Unsafe},
		"no archive": {func(w *world) {
			w.hub.Release("acme/debate", "v1.0.0", map[string][]byte{"debate_1.0.0.zip": []byte("x")})
		}, Unsafe},
		"a truncated download": {func(w *world) {
			w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, ".zip") {
					return false
				}
				rw.Header().Set("Content-Length", "1000")
				_, _ = rw.Write([]byte("PK"))
				return true
			})
		}, Network},
		"a page instead of tags": {func(w *world) {
			w.hub.Fail(func(rw http.ResponseWriter, _ *http.Request) bool {
				_, _ = rw.Write([]byte("<html>log in"))
				return true
			})
		}, Network},
		"another version": {func(w *world) {
			_, err := w.hub.Tag(w.t.Context(), "acme/debate", "v1.0.0", map[string]string{"parallax.toml": manifestFor("acme/debate", "pattern", "1.0.1")})
			require.NoError(w.t, err)
		}, BadPackage},
		"an agent without builds": {func(w *world) {
			_, err := w.hub.Tag(w.t.Context(), "acme/debate", "v1.0.0", map[string]string{"parallax.toml": manifestFor("acme/debate", "agent", "1.0.0")})
			require.NoError(w.t, err)
		}, BadPackage},
		"a newer parallax": {func(w *world) {
			w.Version = "v0.9.0"
			text := strings.Replace(manifestFor("acme/debate", "pattern", "1.0.0"), "kind", "parallax = \"1.0.0\"\nkind", 1)
			_, err := w.hub.Tag(w.t.Context(), "acme/debate", "v1.0.0", map[string]string{"parallax.toml": text})
			require.NoError(w.t, err)
		}, BadPackage},
		"an agent that a package brings": {func(w *world) {
			w.agent("acme/critic", "1.0.0", "")
			w.pattern("acme/debate", "1.1.0", "critic=acme/critic@v1.0.0")
			w.project("debate=acme/debate@v1.1.0")
		}, BadPackage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pattern("acme/debate", "1.0.0")
			w.project("debate=acme/debate@v1.0.0")
			tt.change(w)
			_, err := w.sync(w.Market)
			require.True(t, is(err, tt.code), "%v", err)
			require.Empty(t, w.lock())
			for _, dir := range w.leftovers() {
				require.NotContains(t, dir, "tmp-")
			}
		})
	}
}

func TestATagThatMovedIsNotTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pattern("acme/debate", "1.0.0")
	w.project("debate=acme/debate@v1.0.0")
	_, err := w.sync(w.Market)
	require.NoError(t, err)
	_, err = w.hub.Tag(t.Context(), "acme/debate", "v1.0.0", map[string]string{"parallax.toml": manifestFor("acme/debate", "pattern", "1.0.0"), "main.star": "bad"})
	require.NoError(t, err)
	lock := w.lock()
	_, err = w.sync(w.machine())
	require.True(t, is(err, Moved), "%v", err)
	require.Equal(t, lock, w.lock())

	// The release of a tag that stayed may have been changed too.
	w.pattern("acme/other", "1.0.0")
	w.project("other=acme/other@v1.0.0")
	_, err = w.sync(w.Market)
	require.NoError(t, err)
	w.hub.Release("acme/other", "v1.0.0", map[string][]byte{"other_1.0.0.zip": github.Zip(map[string]string{"parallax.toml": manifestFor("acme/other", "pattern", "1.0.0"), "main.star": "bad"})})
	_, err = w.sync(w.machine())
	require.True(t, is(err, BadSum), "%v", err)
}

func TestAHostWithoutReleasesAndArchivesIsCloned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	commit := w.pattern("acme/debate", "1.0.0")
	w.project("debate=acme/debate@v1.0.0")
	first, err := w.sync(w.Market)
	require.NoError(t, err)
	var cloned bool
	w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
		cloned = cloned || strings.HasSuffix(r.URL.Path, "git-upload-pack")
		if strings.Contains(r.URL.Path, ".git/") {
			return false
		}
		http.NotFound(rw, r)
		return true
	})
	again, err := w.sync(w.machine())
	require.NoError(t, err)
	require.True(t, cloned)
	require.Equal(t, commit, again.Lock.Packages[0].Commit)
	require.Equal(t, first.Lock, again.Lock, "the content is the same, whichever way it came")
}

func TestAPrivateRepositoryIsReadWithAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent("acme/critic", "1.0.0", "")
	w.pattern("acme/debate", "1.0.0")
	w.hub.Private("acme/critic")
	w.hub.Private("acme/debate")
	w.project("critic=acme/critic@v1.0.0", "debate=acme/debate@v1.0.0")
	_, err := w.sync(w.Market)
	w.failed(err, NotFound)
	w.Client.Token = func(host string) string {
		require.Equal(t, "github.com", host)
		return w.hub.Token
	}
	_, err = w.sync(w.Market)
	require.NoError(t, err)
}

func TestAnEnterpriseHostIsAHostLikeAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pattern("team/tools", "1.0.0")
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "parallax.toml"), []byte("[dependencies]\ntools = \"ghe.corp.example/team/tools@v1.0.0\"\n"), 0o644))
	w.Client.Bases = map[string]string{"ghe.corp.example": w.hub.URL}
	out, err := w.sync(w.Market)
	require.NoError(t, err)
	require.Equal(t, "ghe.corp.example/team/tools", out.Lock.Packages[0].Source)
}

func TestWhatAnAgentAsksForBeyondWhatItHad(t *testing.T) {
	t.Parallel()
	had := &manifest.Permissions{Net: []string{"a"}, Exec: []string{"*"}, Memory: 1 << 30, Sandbox: "strict"}
	require.Empty(t, Widened(had, had))
	require.Empty(t, Widened(nil, nil))
	require.Empty(t, Widened(had, &manifest.Permissions{Exec: []string{"git"}, Sandbox: "strict", Memory: 1 << 20}))
	require.Equal(t, []string{"net b", "read /x", "memory 2048 MiB", "sandbox standard"},
		Widened(had, &manifest.Permissions{Net: []string{"a", "b"}, Read: []string{"/x"}, Memory: 2 << 30, Sandbox: "standard"}))
}
