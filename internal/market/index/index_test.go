package index_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/market/index"
)

const pattern = `{
  "name": "acme/debate",
  "kind": "pattern",
  "source": "github.com/Acme/Debate",
  "description": "Several agents argue, one decides.",
  "license": "Apache-2.0",
  "keywords": ["debate"],
  "maintainers": ["alice"],
  "versions": [
    {
      "version": "1.2.0",
      "commit": "0123456789012345678901234567890123456789",
      "released": "2026-01-02T15:04:05Z",
      "h1": "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    },
    {
      "version": "1.10.0-rc.1",
      "commit": "0123456789012345678901234567890123456789",
      "released": "2026-01-03T15:04:05Z",
      "h1": "h1:BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    }
  ]
}
`

const agent = `{
  "name": "acme/critic",
  "kind": "agent",
  "source": "github.com/acme/critic",
  "description": "Finds faults.",
  "license": "MIT OR Apache-2.0",
  "capabilities": ["review"],
  "maintainers": ["alice", "bob"],
  "verified": "github.com/acme",
  "versions": [
    {
      "version": "1.4.0",
      "commit": "0123456789012345678901234567890123456789",
      "released": "2026-01-02T15:04:05Z",
      "parallax": "1.0.0",
      "hashes": {
        "linux/amd64": "sha256:0000000000000000000000000000000000000000000000000000000000000000"
      },
      "permissions": {
        "net": ["api.example.com:443"],
        "read": ["$WORKSPACE"],
        "memory": "512MiB"
      },
      "identity": "https://github.com/acme/critic/.github/workflows/release.yml@refs/tags/v1.4.0"
    }
  ]
}
`

func tree() fstest.MapFS {
	return fstest.MapFS{
		"packages/acme/debate.json": {Data: []byte(pattern)},
		"packages/acme/critic.json": {Data: []byte(agent)},
		"removed.json":              {Data: []byte(`[{"name": "acme/critic", "versions": ["1.4.0"], "severity": "security", "reason": "It leaks."}]`)},
		"deprecated.json":           {Data: []byte(`[{"name": "acme/debate", "reason": "Old.", "instead": "acme/critic"}]`)},
		"featured.json":             {Data: []byte(`["acme/debate"]`)},
		"stats.json":                {Data: []byte(`{"acme/debate": {"stars": 3, "downloads": 40}}`)},
	}
}

func key(t *testing.T, seed byte) ed25519.PrivateKey {
	t.Helper()
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func now() time.Time { return time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC) }

// What is built and signed is read again as it was.
func TestAnIndexIsBuiltSignedAndRead(t *testing.T) {
	t.Parallel()
	d, err := index.Build(tree(), nil, now(), false)
	require.NoError(t, err)
	text, err := d.Sign(key(t, 1))
	require.NoError(t, err)
	public := key(t, 1).Public().(ed25519.PublicKey)
	got, err := index.Parse(text, public)
	require.NoError(t, err)
	require.Equal(t, d, got)

	p, ok := got.Source("github.com/acme/debate")
	require.True(t, ok)
	require.Equal(t, index.Stats{Stars: 3, Downloads: 40}, p.Stats)
	require.True(t, p.Featured)
	v, ok := p.Latest()
	require.True(t, ok)
	require.Equal(t, "1.2.0", v.Version)
	r, ok := got.Removal("acme/critic", "1.4.0")
	require.True(t, ok)
	require.Equal(t, index.Security, r.Severity)
	c, ok := got.Find("acme/critic")
	require.True(t, ok)
	require.True(t, c.Vouched(c.Versions[0]))
	wants, err := c.Versions[0].Permissions.Manifest()
	require.NoError(t, err)
	require.Equal(t, []string{"$WORKSPACE"}, wants.Read)
	require.Equal(t, int64(512<<20), wants.Memory)
}

func BenchmarkParse(b *testing.B) {
	fsys := fstest.MapFS{}
	for i := range 5000 {
		name := fmt.Sprintf("acme/p%d", i)
		e, err := index.ParseEntry("x", []byte(agent))
		require.NoError(b, err)
		e.Name, e.Source = name, "github.com/"+name
		v := e.Versions[0]
		for j := range 9 {
			v.Version = fmt.Sprintf("2.%d.0", j)
			e.Put(v)
		}
		text, err := e.Text()
		require.NoError(b, err)
		fsys[index.Path(name)] = &fstest.MapFile{Data: text}
	}
	d, err := index.Build(fsys, nil, now(), false)
	require.NoError(b, err)
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	text, err := d.Sign(private)
	require.NoError(b, err)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_, err := index.Parse(text, private.Public().(ed25519.PublicKey))
		require.NoError(b, err)
	}
}
