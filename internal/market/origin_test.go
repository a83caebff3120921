package market

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/origin"
)

// vouches is a verifier of a test: what it answers, by the question. One that is nil is not there.
type vouches func(origin.Question) origin.Answer

func (v vouches) Ready() error {
	if v == nil {
		return errors.New("there is no parallax-verify")
	}
	return nil
}

func (v vouches) Ask(_ context.Context, q origin.Question) (origin.Answer, error) { return v(q), nil }

// by vouches for everything that comes with an attestation, as a workflow of its repository called name.
func by(name string) vouches {
	return func(q origin.Question) origin.Answer {
		return origin.Answer{Verdict: origin.Verified, Identity: "https://github.com/" + q.Repo + "/.github/workflows/" + name + "@refs/tags/" + q.Tag}
	}
}

// attested publishes an agent with an attestation beside each file.
func (w *world) attested(repo, version string) {
	w.t.Helper()
	files := w.agent(repo, version, "")
	bundles := make(map[string][]byte)
	for name := range files {
		bundles[name+bundleSuffix] = []byte("{}")
	}
	maps.Copy(files, bundles)
	w.hub.Release(repo, "v"+version, files)
}

func (w *world) critic(version string, v Verifier) error {
	w.t.Helper()
	m := w.machine()
	m.Verifier = v
	w.project("critic=acme/critic@v" + version)
	_, err := w.sync(m)
	return err
}

func TestWhoBuiltAPackageIsPinned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attested("acme/critic", "1.0.0")
	w.attested("acme/critic", "1.1.0")
	w.agent("acme/critic", "1.2.0", "")
	require.NoError(t, w.critic("1.0.0", by("release.yml")))
	first := `identity = "https://github.com/acme/critic/.github/workflows/release.yml@refs/tags/v1.0.0"`
	require.Contains(t, w.lock(), first)
	require.NoError(t, w.critic("1.0.0", vouches(nil)))
	require.Contains(t, w.lock(), first, "who cannot check does not forget")

	require.True(t, is(w.critic("1.0.0", by("evil.yml")), Moved), "another builder of the same version")
	for name, c := range map[string]struct {
		version string
		v       Verifier
		why     string
	}{
		"another builder": {"1.1.0", by("evil.yml"), "was built by https://github.com/acme/critic/.github/workflows/evil.yml, and parallax.lock says https://github.com/acme/critic/.github/workflows/release.yml"},
		"no attestation":  {"1.2.0", by("release.yml"), "its release has no attestation"},
		"nobody to ask":   {"1.1.0", vouches(nil), "there is no parallax-verify"},
		"one that refuses": {"1.1.0", vouches(func(origin.Question) origin.Answer {
			return origin.Answer{Verdict: origin.Refused, Why: "it is forged"}
		}), "it is forged"},
	} {
		err := w.critic(c.version, c.v)
		require.ErrorContains(t, err, c.why, name)
		require.Contains(t, w.lock(), first, name)
	}
	require.NoError(t, w.critic("1.1.0", by("release.yml")))
	require.Contains(t, w.lock(), "release.yml@refs/tags/v1.1.0")
}

func TestWhereAttestationsComeFrom(t *testing.T) {
	t.Parallel()
	const asset = "critic_1.0.0_x1_linux_amd64.zip"
	packed := []byte("\x02\x04{}")
	for name, c := range map[string]struct {
		files map[string]string // of the release
		api   string            // what GitHub has; "" nothing
		want  []string
		asked int // requests about attestations
	}{
		"nowhere":              {nil, "", nil, 3},
		"beside the file":      {map[string]string{asset + ".sigstore.json": `{"a":1}`}, "x", []string{`{"a":1}`}, 1},
		"for the release":      {map[string]string{"critic_1.0.0.sigstore.jsonl": "{\"a\":1}\n\n{\"b\":2}"}, "x", []string{`{"a":1}`, `{"b":2}`}, 2},
		"named by SHA256SUMS":  {map[string]string{"all.sigstore.jsonl": `{"c":3}`}, "x", []string{`{"c":3}`}, 3},
		"kept by GitHub":       {nil, `{"attestations":[{"bundle":{"d":4}},{"bundle":null,"bundle_url":"URL/blob"}]}`, []string{`{"d":4}`, string(packed)}, 4},
		"GitHub has no answer": {nil, `<html>`, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			files := w.agent("acme/critic", "1.0.0", "")
			for name, text := range c.files {
				files[name] = []byte(text)
			}
			w.hub.Release("acme/critic", "v1.0.0", files)
			asked := 0
			w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "sigstore") {
					asked++
				}
				switch {
				case strings.Contains(r.URL.Path, "/attestations/sha256:") && c.api != "":
					asked++
					require.Equal(t, "provenance", r.URL.Query().Get("predicate_type"))
					_, _ = rw.Write([]byte(strings.ReplaceAll(c.api, "URL", w.hub.URL)))
					return true
				case strings.Contains(r.URL.Path, "/attestations/"):
					asked++
				case r.URL.Path == "/blob":
					asked++
					_, _ = rw.Write(packed)
					return true
				}
				return false
			})
			var got []string
			w.Verifier = vouches(func(q origin.Question) origin.Answer {
				require.Equal(t, "acme/critic", q.Repo)
				require.Equal(t, "v1.0.0", q.Tag)
				require.Regexp(t, "^sha256:[0-9a-f]{64}$", q.Digest)
				for _, b := range q.Bundles {
					got = append(got, string(b))
				}
				return origin.Answer{Verdict: origin.None}
			})
			w.project("critic=acme/critic@v1.0.0")
			_, err := w.sync(w.Market)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.asked, asked)
		})
	}
}

func TestWhereThereAreNoAttestationsNobodyAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pattern("acme/debate", "1.0.0")
	w.agent("acme/secret", "1.0.0", "")
	w.hub.Private("acme/secret")
	w.Client.Token = func(string) string { return w.hub.Token }
	w.Client.Bases["ghe.corp.example"] = w.hub.URL
	w.agent("team/tool", "1.0.0", "")
	w.Verifier = vouches(func(q origin.Question) origin.Answer { panic(q.Repo) })
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "parallax.toml"), []byte("[dependencies]\na = \"github.com/acme/debate@v1.0.0\"\nb = \"github.com/acme/secret@v1.0.0\"\nc = \"ghe.corp.example/team/tool@v1.0.0\"\n"), 0o644))
	out, err := w.sync(w.Market)
	require.NoError(t, err)
	require.Len(t, out.Lock.Packages, 3)
	for _, p := range out.Lock.Packages {
		require.Equal(t, origin.None, w.Cache.Origin(p, w.Platform), p.Source)
	}
	require.NotContains(t, strings.Join(w.hub.Asked(), " "), "sigstore")
	for source, why := range map[string]string{
		"github.com/acme/debate": "has no release", "github.com/acme/secret": "private repositories", "ghe.corp.example/team/tool": "are those of github.com",
	} {
		other := w.machine()
		other.Client, other.Verifier, other.RequireVerified = w.Client, w.Verifier, true
		_, _, err := other.Add(t.Context(), Ref{source, "v1.0.0"})
		require.True(t, is(err, Unverified), "%v", err)
		require.ErrorContains(t, err, why)
	}
}

func TestWhatIsNotVerifiedCanBeRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attested("acme/critic", "1.0.0")
	ref := Ref{"github.com/acme/critic", "v1.0.0"}
	w.Verifier, w.RequireVerified = vouches(nil), true
	_, _, err := w.Add(t.Context(), ref)
	require.True(t, is(err, Unverified), "%v", err)
	require.ErrorContains(t, err, "it is not verified who built github.com/acme/critic@v1.0.0: there is no parallax-verify")
	require.Empty(t, w.leftovers())

	// What is there already is looked into again when somebody wants to know.
	w.RequireVerified = false
	tree, _, err := w.Add(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, origin.Unknown, tree.Origin)
	require.Contains(t, w.said, "it is not checked who built github.com/acme/critic@v1.0.0: there is no parallax-verify")
	w.RequireVerified = true
	_, _, err = w.Add(t.Context(), ref)
	require.True(t, is(err, Unverified), "%v", err)
	w.Verifier = by("release.yml")
	tree, lock, err := w.Add(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, origin.Verified, tree.Origin)
	require.NotEmpty(t, lock.Packages[0].Identity)
	w.hub.Asked()
	_, _, err = w.Add(t.Context(), ref)
	require.NoError(t, err)
	require.Empty(t, w.hub.Asked(), "and it is known then")
}

func TestAHostThatGivesNoAttestationsForNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent("acme/critic", "1.0.0", "")
	w.Verifier = by("release.yml")
	w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/attestations/") {
			return false
		}
		rw.Header().Set("Retry-After", "3600")
		rw.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	tree, _, err := w.Add(t.Context(), Ref{"github.com/acme/critic", "v1.0.0"})
	require.NoError(t, err)
	require.Equal(t, origin.Unknown, tree.Origin)
	require.Contains(t, fmt.Sprint(w.said), "it is not checked who built github.com/acme/critic@v1.0.0: github.com wants no more requests until")
}

// A lock that somebody else wrote, who could not check, fits a machine that can.
func TestALockWithoutBuildersIsNotInTheWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attested("acme/critic", "1.0.0")
	require.NoError(t, w.critic("1.0.0", vouches(nil)))
	require.NotContains(t, w.lock(), "identity")
	m := w.machine()
	m.Verifier = by("release.yml")
	_, err := m.Sync(t.Context(), w.dir, nil, true)
	require.NoError(t, err)
	require.NotContains(t, w.lock(), "identity")
	_, err = w.sync(m)
	require.NoError(t, err)
	require.Contains(t, w.lock(), "identity")
	lock, err := manifest.LoadLock(w.dir)
	require.NoError(t, err)
	require.Equal(t, origin.Verified, m.Cache.Origin(lock.Packages[0], m.Platform))
	lock.Packages[0].Identity = "somebody"
	require.Equal(t, origin.Unknown, m.Cache.Origin(lock.Packages[0], m.Platform), "what the lock says is not what was found out")
}
