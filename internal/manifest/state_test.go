package manifest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAManifestSaysHowLongRunsStay(t *testing.T) {
	t.Parallel()
	m := parsed(t, "[state]\ndir = \"kept\"\nkeep_for = \"30d\"\nkeep_bytes = \"1GiB\"\n")
	require.Equal(t, State{Dir: "/p/kept", KeepFor: 30 * 24 * time.Hour, KeepBytes: 1 << 30}, m.State)
	require.Equal(t, State{CacheFor: 12 * time.Hour, CacheBytes: 64 << 20}, parsed(t, "[state]\ncache_for = \"12h\"\ncache_bytes = \"64MiB\"\n").State)
	require.Equal(t, State{KeepBytes: 5000}, parsed(t, "[state]\nkeep_bytes = 5_000\n").State)
	for text, want := range map[string]string{
		"keep_for = 30":           `keep_for is 30, want a time span above zero`,
		"keep_for = \"30\"":       `keep_for is "30", want a time span above zero`,
		"keep_for = \"-1d\"":      `keep_for is "-1d", want a time span above zero`,
		"keep_bytes = 0":          "keep_bytes is 0, want a number of bytes above zero",
		"keep_bytes = \"1 qb\"":   `keep_bytes is "1 qb", want a number of bytes above zero`,
		"keep_bytes = [1]":        "keep_bytes is a list, want a number of bytes above zero",
		"keep_fr = \"30d\"":       `[state] has no key "keep_fr"`,
		"keep_for = \"9999999w\"": "want a time span above zero",
	} {
		_, err := Parse("/p/parallax.toml", []byte("[state]\n"+text+"\n"))
		require.ErrorContains(t, err, want)
	}
}

func TestSpansAndSizes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{"24h": 24 * time.Hour, "1.5d": 36 * time.Hour, "2w": 14 * 24 * time.Hour, "90s": 90 * time.Second} {
		d, ok := Span(s)
		require.True(t, ok, s)
		require.Equal(t, want, d, s)
	}
	for _, s := range []string{"", "d", "0d", "-2w", "0s", "-1h", "NaNd", "1e300d", "x", "7"} {
		_, ok := Span(s)
		require.False(t, ok, s)
	}
	for s, want := range map[string]int64{"1": 1, "10 kB": 10_000, "1GiB": 1 << 30, "2TiB": 2 << 40} {
		n, ok := Size(s)
		require.True(t, ok, s)
		require.Equal(t, want, n, s)
	}
	for _, s := range []string{"", "0", "-1", "GiB", "99999999TiB", "1 day"} {
		_, ok := Size(s)
		require.False(t, ok, s)
	}
}
