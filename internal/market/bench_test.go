package market

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/github"
)

// BenchmarkInstall installs an agent of 20 MB from a server on this machine. In the same run, turn by turn, its archive is downloaded with its checksum alone,
// and downloaded and made safe on the disk, so that the ratios hold whatever else the machine does.
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
	const asset = "critic_1.0.0_x1_linux_amd64.zip"
	hub.Release("acme/critic", "v1.0.0", map[string][]byte{asset: github.Zip(map[string]string{"parallax.toml": text, "run*": string(noise)})})
	ref := Ref{"github.com/acme/critic", "v1.0.0"}
	client := &Client{HTTP: NewHTTP(), Bases: map[string]string{"github.com": hub.URL}}
	b.Cleanup(client.HTTP.CloseIdleConnections)

	took := make(map[string][]time.Duration)
	measure := func(what string, do func(dir string) error) {
		dir := b.TempDir()
		start := time.Now()
		require.NoError(b, do(dir))
		took[what] = append(took[what], time.Since(start))
		require.NoError(b, removeAll(dir))
	}
	b.SetBytes(int64(len(noise)))
	for b.Loop() {
		measure("download", func(dir string) error {
			return client.download(b.Context(), client.plain(ref, asset, maxAgent), filepath.Join(dir, "a.zip"))
		})
		measure("kept", func(dir string) error {
			err := client.download(b.Context(), client.plain(ref, asset, maxAgent), filepath.Join(dir, "a.zip"))
			return errors.Join(err, syncDir(filepath.Join(dir, "a.zip")), syncDir(dir)) // a sync is the same for a file
		})
		measure("install", func(dir string) error {
			m := &Market{Cache: &Cache{Dir: filepath.Join(dir, "cache")}, Client: client, Platform: "linux/amd64"}
			_, _, err := m.Add(b.Context(), ref)
			return err
		})
	}
	median := func(what string) float64 {
		all := slices.Sorted(slices.Values(took[what]))
		return float64(all[len(all)/2])
	}
	for _, what := range []string{"download", "kept", "install"} {
		b.ReportMetric(median(what)/1e6, what+"-ms")
	}
	b.ReportMetric(median("install")/median("download"), "install/download")
	b.ReportMetric(median("install")/median("kept"), "install/kept")
}
