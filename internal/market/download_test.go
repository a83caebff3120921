package market

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/github"
)

// noisy publishes an agent whose archive has about a megabyte.
func (w *world) noisy(rng *rand.Rand) (name string, archive []byte) {
	w.t.Helper()
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	text := manifestFor("acme/critic", "agent", "1.0.0")
	_, err := w.hub.Tag(w.t.Context(), "acme/critic", "v1.0.0", map[string]string{"parallax.toml": text})
	require.NoError(w.t, err)
	name = "critic_1.0.0_x1_linux_amd64.zip"
	archive = github.Zip(map[string]string{"parallax.toml": text, "run*": string(noise)})
	w.hub.Release("acme/critic", "v1.0.0", map[string][]byte{name: archive})
	w.project("critic=acme/critic@v1.0.0")
	return name, archive
}

// cut serves at most so many bytes of each answer that is a zip, and counts what it sent.
func cut(w http.ResponseWriter, r *http.Request, archive []byte, most int, sent *atomic.Int64) {
	rec := &cutter{ResponseWriter: w, left: most, sent: sent}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(archive)))
	http.ServeContent(rec, r, "", time.Time{}, strings.NewReader(string(archive)))
	if rec.left == 0 {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

type cutter struct {
	http.ResponseWriter
	left int
	sent *atomic.Int64
}

func (c *cutter) Write(p []byte) (int, error) {
	p = p[:min(len(p), c.left)]
	c.left -= len(p)
	c.sent.Add(int64(len(p)))
	n, err := c.ResponseWriter.Write(p)
	if err == nil && c.left == 0 {
		err = http.ErrAbortHandler
	}
	return n, err
}

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // for a test
}

func TestADownloadThatBreaksOffAnywhereIsContinued(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	for range 5 {
		w := newWorld(t)
		name, archive := w.noisy(rng)
		var sent atomic.Int64
		w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, name) {
				return false
			}
			cut(rw, r, archive, 64<<10+rng.IntN(300<<10), &sent)
			return true
		})
		out, err := w.sync(w.Market)
		require.NoError(t, err)
		require.NoError(t, w.Cache.Look(out.Lock.Packages[0], w.Platform, true))
		require.Less(t, sent.Load(), int64(len(archive))*3/2, "what came is not asked for again")
		require.Empty(t, w.parts())
	}
}

// parts are the downloads that are not whole.
func (w *world) parts() []string {
	w.t.Helper()
	parts, err := filepath.Glob(filepath.Join(w.Cache.Dir, "parts", "*"))
	require.NoError(w.t, err)
	return parts
}

func TestADownloadIsContinuedByTheNextProcess(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	for range 3 {
		w := newWorld(t)
		name, archive := w.noisy(rng)
		most := 100 + rng.IntN(len(archive)-100)
		var sent atomic.Int64
		there := make(chan struct{})
		w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, name) {
				return false
			}
			rw.Header().Set("ETag", `"1"`)
			rw.Header().Set("Content-Length", fmt.Sprint(len(archive)))
			_, _ = rw.Write(archive[:most])
			_ = http.NewResponseController(rw).Flush()
			w.has(most)
			close(there)
			<-r.Context().Done()
			return true
		})
		cmd := w.another()
		require.NoError(t, cmd.Start())
		killed(t, cmd, there)
		require.Len(t, w.parts(), 2)
		w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, name) {
				return false
			}
			require.Equal(t, `"1"`, r.Header.Get("If-Range"))
			rw.Header().Set("ETag", `"1"`)
			http.ServeContent(&cutter{ResponseWriter: rw, left: len(archive) + 1, sent: &sent}, r, "", time.Time{}, strings.NewReader(string(archive)))
			return true
		})
		w.whole("acme/critic v1.0.0")
		require.LessOrEqual(t, sent.Load(), int64(len(archive)-most), "killed after %d of %d bytes", most, len(archive))
		require.Empty(t, w.parts())
	}
}

// has waits until so much of a download has come.
func (w *world) has(most int) {
	for range 10_000 {
		for _, name := range w.parts() {
			if info, err := os.Stat(name); err == nil && info.Size() == int64(most) && !strings.HasSuffix(name, ".of") {
				return
			}
		}
		pause := time.NewTimer(time.Millisecond)
		<-pause.C
	}
	w.t.Errorf("%d bytes did not come", most)
}

func TestWhatDoesNotContinueIsBegunAnew(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("0123456789", 1000)
	sum := func(s string) string { h := sha256.Sum256([]byte(s)); return "sha256:" + hex.EncodeToString(h[:]) }
	for name, answer := range map[string]http.HandlerFunc{
		"it knows no ranges": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(whole)) },
		"it is another by now": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"2"`)
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(whole))
		},
		"it begins elsewhere": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				_, _ = w.Write([]byte(whole))
				return
			}
			w.Header().Set("Content-Range", "bytes 10-9999/10000")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte(whole[10:]))
		},
		"it is shorter by now": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				_, _ = w.Write([]byte(whole))
				return
			}
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, url, _ := asking(t, answer)
			file := filepath.Join(t.TempDir(), "part")
			require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("x", 5000)), 0o644))
			require.NoError(t, os.WriteFile(file+".of", []byte(`"1"`), 0o644))
			p, err := openPart(file, file+".of")
			require.NoError(t, err)
			require.True(t, p.resumable())
			require.NoError(t, c.fill(t.Context(), request{url: url, max: 1 << 20}, p))
			require.Equal(t, sum(whole), p.digest())
			require.NoError(t, p.close())
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, whole, string(text))
		})
	}
}

// A part that is not a part of it, whatever made it one, costs a second download and nothing else.
func TestAPartThatIsNoneIsFoundOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, archive := w.noisy(seeded(t))
	sum := sha256.Sum256(archive)
	file, err := w.Cache.partFile("sha256:" + hex.EncodeToString(sum[:]))
	require.NoError(t, err)
	for _, size := range []int{1, len(archive) / 2, len(archive) - 1, len(archive), len(archive) + 1, 2 * len(archive)} {
		require.NoError(t, os.WriteFile(file, make([]byte, size), 0o644))
		require.NoError(t, os.WriteFile(file+".of", fmt.Appendf(nil, `"%x"`, sum), 0o644))
		out, err := w.sync(w.Market)
		require.NoError(t, err, "%d bytes", size)
		require.NoError(t, w.Cache.Look(out.Lock.Packages[0], w.Platform, true))
		require.Empty(t, w.parts())
		require.NoError(t, removeAll(w.Cache.trees()))
	}
	// One without a note of what it is part of is not used, and one that is all of it needs no download.
	require.NoError(t, os.WriteFile(file, archive[:1000], 0o644))
	_, err = w.sync(w.Market)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(w.said[len(w.said)-1:]), "continuing")
	require.NoError(t, removeAll(w.Cache.trees()))
	require.NoError(t, os.WriteFile(file, archive, 0o644))
	require.NoError(t, os.WriteFile(file+".of", fmt.Appendf(nil, `"%x"`, sum), 0o644))
	w.hub.Asked()
	_, err = w.sync(w.Market)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(w.hub.Asked()), "linux_amd64.zip")
}

func TestADownloadThatNobodyCameBackForIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name, archive := w.noisy(seeded(t))
	ctx, cancel := context.WithCancel(t.Context())
	w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, name) {
			return false
		}
		rw.Header().Set("ETag", `"1"`)
		rw.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		_, _ = rw.Write(archive[:len(archive)/2])
		_ = http.NewResponseController(rw).Flush()
		w.has(len(archive) / 2)
		cancel()
		<-r.Context().Done()
		return true
	})
	_, err := w.Sync(ctx, w.dir, nil, false)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, w.parts(), 2)
	w.Cache.forget(time.Now().Add(keepPart / 2))
	require.Len(t, w.parts(), 2)
	w.Cache.forget(time.Now().Add(keepPart + time.Hour))
	require.Empty(t, w.parts())
}
