package market

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/github"
)

// BenchmarkInstall installs an agent of 20 MB from a server on this machine, beside the download of its archive with a checksum alone.
func BenchmarkInstall(b *testing.B) {
	noise := make([]byte, 20<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32()) //nolint:gosec // that does not pack well
	}
	text := manifestFor("acme/critic", "agent", "1.0.0")
	hub, err := github.Start(b.TempDir())
	require.NoError(b, err)
	b.Cleanup(hub.Close)
	_, err = hub.Tag(b.Context(), "acme/critic", "v1.0.0", map[string]string{"parallax.toml": text})
	require.NoError(b, err)
	hub.Release("acme/critic", "v1.0.0", map[string][]byte{"critic_1.0.0_x1_linux_amd64.zip": github.Zip(map[string]string{"parallax.toml": text, "run*": string(noise)})})
	ref := Ref{"github.com/acme/critic", "v1.0.0"}
	client := &Client{HTTP: NewHTTP(), Bases: map[string]string{"github.com": hub.URL}}
	b.Cleanup(client.HTTP.CloseIdleConnections)

	b.Run("install", func(b *testing.B) {
		b.SetBytes(int64(len(noise)))
		for b.Loop() {
			dir := filepath.Join(b.TempDir(), "cache")
			m := &Market{Cache: &Cache{Dir: dir}, Client: client, Platform: "linux/amd64"}
			_, _, err := m.Add(b.Context(), ref)
			require.NoError(b, err)
			require.NoError(b, removeAll(dir))
		}
	})
	b.Run("download", func(b *testing.B) {
		b.SetBytes(int64(len(noise)))
		for b.Loop() {
			_, err := client.download(b.Context(), client.plain(ref, "critic_1.0.0_x1_linux_amd64.zip", maxAgent), filepath.Join(b.TempDir(), "a.zip"))
			require.NoError(b, err)
		}
	})
}
