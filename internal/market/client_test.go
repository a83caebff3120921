package market

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asking is a client and what it is told to wait for.
func asking(t *testing.T, h http.HandlerFunc) (*Client, string, *[]time.Duration) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	client := NewHTTP()
	t.Cleanup(client.CloseIdleConnections)
	var pauses []time.Duration
	return &Client{HTTP: client, Wait: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }}, s.URL, &pauses
}

func TestARequestThatFailsForAWhileIsRepeated(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	c, url, pauses := asking(t, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
		case 3:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			_, _ = w.Write([]byte("whole"))
		}
	})
	c.Now = func() time.Time { return time.Date(2026, 5, 1, 12, 30, 0, 0, time.UTC) }
	text, err := c.text(t.Context(), request{url: url, host: "example.com", max: 100})
	require.NoError(t, err)
	require.Equal(t, "whole", string(text))
	require.Len(t, *pauses, 3)
	require.GreaterOrEqual(t, (*pauses)[0], firstPause)
	require.GreaterOrEqual(t, (*pauses)[1], 2*firstPause)
	require.Equal(t, 7*time.Second, (*pauses)[2])
}

func TestWhatWillNotHelpIsNotRepeated(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	c, url, pauses := asking(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		case "/limit":
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Date(2026, 5, 1, 13, 5, 0, 0, time.UTC).Unix()))
			w.WriteHeader(http.StatusForbidden)
		case "/large":
			_, _ = w.Write(make([]byte, 2<<20))
		case "/plain":
			http.Redirect(w, r, "http://example.com/", http.StatusFound)
		}
	})
	c.Now = func() time.Time { return time.Date(2026, 5, 1, 12, 30, 0, 0, time.UTC) }
	_, err := c.text(t.Context(), request{url: url + "/gone", max: 100})
	require.True(t, absent(err), "%v", err)
	_, err = c.text(t.Context(), request{url: url + "/limit", host: "github.com", max: 100})
	require.True(t, is(err, RateLimited), "%v", err)
	require.ErrorContains(t, err, time.Date(2026, 5, 1, 13, 5, 0, 0, time.UTC).Local().Format("15:04:05"))
	_, err = c.text(t.Context(), request{url: url + "/large", max: 1 << 20})
	require.True(t, is(err, Unsafe), "%v", err)
	require.Empty(t, *pauses)
	require.EqualValues(t, 3, n.Load())

	_, err = c.text(t.Context(), request{url: "http://example.com/x", max: 1})
	require.ErrorContains(t, err, "is not an HTTPS address")
	_, err = c.text(t.Context(), request{url: url + "/plain", host: "github.com", max: 100})
	require.ErrorContains(t, err, "which is not HTTPS")
}

// A host that sends us on to another one does not get to hand our token on.
func TestATokenStaysWithItsHost(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.Header.Get("Authorization") }))
	t.Cleanup(other.Close)
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	c, url, _ := asking(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) })
	_, err := c.text(t.Context(), request{url: url, max: 100, auth: "Bearer secret"})
	require.NoError(t, err)
	require.Empty(t, <-heard)
}

// A mirror stands for a host and is not that host.
func TestATokenIsNotForAMirror(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"": "token", "https://github.com": "token", "http://127.0.0.1:80": "token", "https://mirror.example.org": "", "file:///srv/mirror": "",
	} {
		c := &Client{Bases: map[string]string{}, Token: func(string) string { return "token" }}
		if base != "" {
			c.Bases["github.com"] = base
		}
		require.Equal(t, want, c.token("github.com"), base)
	}
	c := &Client{Bases: map[string]string{"*": "https://mirror.example.org"}, Token: func(string) string { return "token" }}
	require.Empty(t, c.token("github.com"))
}

func TestNobodyElseRedirectsToThisMachine(t *testing.T) {
	t.Parallel()
	from := func(address string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		return r
	}
	check := NewHTTP().CheckRedirect
	require.ErrorContains(t, check(from("http://127.0.0.1:80/x"), []*http.Request{from("https://example.org")}), "is this machine")
	require.NoError(t, check(from("http://127.0.0.1:80/x"), []*http.Request{from("http://127.0.0.1:90")}))
	require.NoError(t, check(from("https://example.com/x"), []*http.Request{from("https://example.org")}))
}

func TestCancellingEndsADownload(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, url, _ := asking(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	err := c.download(ctx, request{url: url, max: 1000}, filepath.Join(t.TempDir(), "x"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestWhatAGitServerAdvertises(t *testing.T) {
	t.Parallel()
	id := func(c string) string { return strings.Repeat(c, 40) }
	line := func(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }
	head := line("# service=git-upload-pack\n") + "0000"
	tags, err := parseRefs(strings.NewReader(head + line(id("a")+" HEAD\x00caps\n") + line(id("a")+" refs/heads/v9.9.9\n") +
		line(id("b")+" refs/tags/v1.0.0\n") + line(id("c")+" refs/tags/v1.1.0\n") + line(id("d")+" refs/tags/v1.1.0^{}\n") + line(id("e")+" refs/tags/nightly\n") + "0000"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"v1.0.0": id("b"), "v1.1.0": id("d")}, tags)
	for _, bad := range []string{"", "<html>", head, head + "zzzz", head + "0003", head + line("nonsense\n") + "0000", head + line(id("g")+" refs/tags/v1.0.0\n") + "0000", head + "ffff"} {
		_, err := parseRefs(strings.NewReader(bad))
		require.Error(t, err, "%q", bad)
	}
	_, err = parseRefs(io.MultiReader(strings.NewReader(head), errReader{}))
	require.ErrorIs(t, err, errBroken)
}

var errBroken = errors.New("broken")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

func FuzzRefs(f *testing.F) {
	f.Add("001e# service=git-upload-pack\n0000" + "003d" + strings.Repeat("a", 40) + " refs/tags/v1.0.0\n0000")
	f.Fuzz(func(t *testing.T, text string) {
		tags, err := parseRefs(strings.NewReader(text))
		require.True(t, err == nil || tags == nil)
		for tag, commit := range tags {
			require.Regexp(t, hexID, commit)
			require.NotContains(t, tag, "/")
		}
	})
}

func TestListsOfChecksums(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 32)
	sums, err := parseSums(sum + "  a.zip\r\n" + strings.ToUpper(sum) + " *b.zip\n\n")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a.zip": "sha256:" + sum, "b.zip": "sha256:" + sum}, sums)
	for _, bad := range []string{"x", sum + " a b", sum + "  ../a", sum + "  a\n" + sum + "  a\n", sum[:62] + "  a"} {
		_, err := parseSums(bad)
		require.Error(t, err, bad)
	}
	rel := &release{sums: map[string]string{
		"critic_1.0.0_x1_linux_amd64.zip": "1", "critic_1.0.0_x2_linux_arm64.zip": "2", "critic_1.0.1_x1_linux_arm64.zip": "3", "other_1.0.0_x1_linux_arm64.zip": "4", "critic_1.0.0.zip": "5",
	}}
	builds, others := rel.builds(Ref{"github.com/acme/critic", "v1.0.0"})
	require.Equal(t, map[string]string{"linux/amd64": "critic_1.0.0_x1_linux_amd64.zip"}, builds)
	require.Equal(t, []string{"2"}, others)
}

func TestMirrors(t *testing.T) {
	t.Parallel()
	bases, err := ReadBases("github.com=https://mirror.example.org/gh/, ghe.example.org=http://127.0.0.1:80")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"github.com": "https://mirror.example.org/gh", "ghe.example.org": "http://127.0.0.1:80"}, bases)
	for _, bad := range []string{"github.com", "github.com=ftp://x", "github.com=http://10.0.0.1", "x=https://y?z"} {
		_, err := ReadBases(bad)
		require.Error(t, err, bad)
	}
	c := &Client{Bases: bases}
	require.Equal(t, "https://mirror.example.org/gh/api/v3", c.api("github.com"))
	require.Equal(t, "https://api.github.com", (&Client{}).api("github.com"))
	require.Equal(t, "https://ghe.corp.example/api/v3", c.api("ghe.corp.example"))
}
