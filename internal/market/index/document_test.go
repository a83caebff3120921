package index_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/market/index"
)

// codeOf is the kind of an error of this package.
func codeOf(t *testing.T, err error) index.Code {
	t.Helper()
	e, ok := errors.AsType[*index.Error](err)
	require.True(t, ok, "%v", err)
	return e.Code
}

// published is a signed index.
func published(t *testing.T) (text []byte, public ed25519.PublicKey) {
	t.Helper()
	d, err := index.Build(tree(), nil, now(), false)
	require.NoError(t, err)
	text, err = d.Sign(key(t, 1))
	require.NoError(t, err)
	return text, key(t, 1).Public().(ed25519.PublicKey)
}

// sign signs what need not be an index.
func sign(private ed25519.PrivateKey, body string) []byte {
	public := private.Public().(ed25519.PublicKey)
	return fmt.Appendf(nil, "{\"parallax_index\":1,\"key\":%q,\"signature\":%q}\n%s\n", index.KeyID(public), base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(body))), body)
}

func TestAnIndexThatIsNotAsItWasSigned(t *testing.T) {
	t.Parallel()
	text, public := published(t)
	other := key(t, 2).Public().(ed25519.PublicKey)
	edit := func(old, changed string) []byte {
		require.Contains(t, string(text), old)
		return bytes.Replace(text, []byte(old), []byte(changed), 1)
	}
	for _, c := range []struct {
		name string
		text []byte
		key  ed25519.PublicKey
		code index.Code
	}{
		{"empty", nil, public, index.Malformed},
		{"a page", []byte("<!DOCTYPE html>"), public, index.Malformed},
		{"one line", text[:bytes.IndexByte(text, '\n')+1], public, index.Malformed},
		{"cut off", text[:len(text)-1], public, index.Malformed},
		{"more behind", append(bytes.Clone(text), "x\n"...), public, index.Malformed},
		{"too large", make([]byte, index.MaxBytes+1), public, index.Malformed},
		{"another key", text, other, index.Unsigned},
		{"no key", text, nil, index.Unsigned},
		{"changed", edit("It leaks.", "It works."), public, index.Unsigned},
		{"another signature", edit(`"signature":"`, `"signature":"AAAA`), public, index.Unsigned},
		{"no signature", edit(`"signature":"`, `"signature":"!`), public, index.Unsigned},
		{"newer format", edit(`"parallax_index":1`, `"parallax_index":2`), public, index.Newer},
		{"signed nonsense", sign(key(t, 1), "[]"), public, index.Malformed},
		{"signed without a time", sign(key(t, 1), "{}"), public, index.Malformed},
		{"signed disorder", sign(key(t, 1), `{"built":"2026-01-02T15:04:05Z","packages":[{"name":"b/b"},{"name":"a/a"}]}`), public, index.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := index.Parse(c.text, c.key)
			require.Equal(t, c.code, codeOf(t, err), "%v", err)
		})
	}
}

// What a later parallax adds does not disturb this one.
func TestKeysOfLaterVersionsArePassedOver(t *testing.T) {
	t.Parallel()
	d, err := index.Parse(sign(key(t, 1), `{"built":"2026-01-02T15:04:05Z","mirrors":["x"],"packages":[]}`), key(t, 1).Public().(ed25519.PublicKey))
	require.NoError(t, err)
	require.Empty(t, d.Packages)
}

// many is an index with packages p0, p1, ...
func many(t *testing.T, n int) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for i := range n {
		name := fmt.Sprintf("acme/p%d", i)
		text := strings.NewReplacer("acme/debate", name, "Acme/Debate", name).Replace(pattern)
		files[index.Path(name)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestAnIndexThatShrank(t *testing.T) {
	t.Parallel()
	d, err := index.Build(many(t, 40), nil, now(), false)
	require.NoError(t, err)
	later := now().Add(time.Hour)
	_, err = index.Build(many(t, 38), d, later, false)
	require.NoError(t, err, "95 % are enough")
	_, err = index.Build(many(t, 37), d, later, false)
	require.Equal(t, index.Shrank, codeOf(t, err))
	require.ErrorContains(t, err, "it has 37 packages and had 40")
	_, err = index.Build(many(t, 37), d, later, true)
	require.NoError(t, err)

	d, err = index.Build(tree(), nil, now(), false)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"removed.json": "it has 0 removals and had 1", "deprecated.json": "it has 0 deprecations and had 1", "stats.json": "it has 0 packages with stars or downloads and had 1",
	} {
		files := tree()
		delete(files, name)
		_, err = index.Build(files, d, later, false)
		require.ErrorContains(t, err, want)
	}
	_, err = index.Build(with(`"version": "1.4.0"`, `"version": "1.4.1"`), d, later, false)
	require.Error(t, err, "removed.json names what is gone")
	files := with(`"version": "1.4.0"`, `"version": "1.4.1"`)
	files["removed.json"] = &fstest.MapFile{Data: []byte(`[{"name": "acme/critic", "severity": "security", "reason": "It leaks."}]`)}
	_, err = index.Build(files, d, later, false)
	require.ErrorContains(t, err, "acme/critic lost its version 1.4.0")
	_, err = index.Build(tree(), d, now().Add(-time.Hour), false)
	require.Equal(t, index.Older, codeOf(t, err))
	require.NoError(t, index.ShrunkStats(map[string]index.Stats{"a/a": {}}, map[string]index.Stats{"a/a": {}}))
	require.Equal(t, index.Shrank, codeOf(t, index.ShrunkStats(map[string]index.Stats{"a/a": {}}, nil)))
}

func TestKeys(t *testing.T) {
	t.Parallel()
	private := key(t, 1)
	public := private.Public().(ed25519.PublicKey)
	got, err := index.ParseKey(index.KeyText(public) + "\n")
	require.NoError(t, err)
	require.Equal(t, public, got)
	for _, s := range []string{"", "ed25519:", "ed25519:AAAA", strings.TrimPrefix(index.KeyText(public), "ed25519:"), index.KeyText(public)[:20], "rsa:AAAA"} {
		_, err := index.ParseKey(s)
		require.Equal(t, index.BadKey, codeOf(t, err), s)
	}
	text, err := index.PrivateText(private)
	require.NoError(t, err)
	again, err := index.ParsePrivate(text)
	require.NoError(t, err)
	require.Equal(t, private, again)
	for _, s := range []string{"", "secret", strings.ReplaceAll(string(text), "M", "A"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		_, err := index.ParsePrivate([]byte(s))
		require.Equal(t, index.BadKey, codeOf(t, err))
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestWhatIsSaidOfAVersion(t *testing.T) {
	t.Parallel()
	d := &index.Document{
		Removed: []index.Removed{
			{Name: "a/a", Versions: []string{"1.0.0"}, Severity: index.Policy, Reason: "p"},
			{Name: "a/a", Versions: []string{"1.0.0", "1.1.0"}, Severity: index.Malware, Reason: "m"},
			{Name: "b/b", Severity: index.Security, Reason: "s"},
		},
		Deprecated: []index.Deprecated{{Name: "a/a", Versions: []string{"2.0.0"}, Reason: "d"}},
	}
	r, ok := d.Removal("a/a", "1.0.0")
	require.True(t, ok)
	require.Equal(t, index.Malware, r.Severity, "the gravest counts")
	_, ok = d.Removal("a/a", "2.0.0")
	require.False(t, ok)
	_, ok = d.Removal("a/a", "")
	require.False(t, ok, "not the package as a whole")
	_, ok = d.Removal("b/b", "7.0.0")
	require.True(t, ok)
	_, ok = d.Deprecation("a/a", "2.0.0")
	require.True(t, ok)
	_, ok = d.Deprecation("a/a", "")
	require.False(t, ok)
}

func TestTheNewestVersion(t *testing.T) {
	t.Parallel()
	e := &index.Entry{}
	_, ok := e.Latest()
	require.False(t, ok)
	for _, v := range []index.Version{{Version: "1.10.0"}, {Version: "1.9.0"}, {Version: "2.0.0-rc.1"}, {Version: "1.2.0"}, {Version: "1.11.0", Yanked: "x"}} {
		e.Put(v)
	}
	var order []string
	for _, v := range e.Versions {
		order = append(order, v.Version)
	}
	require.Equal(t, []string{"1.2.0", "1.9.0", "1.10.0", "1.11.0", "2.0.0-rc.1"}, order)
	v, ok := e.Latest()
	require.True(t, ok)
	require.Equal(t, "1.10.0", v.Version)
	e.Versions = e.Versions[4:]
	v, ok = e.Latest()
	require.True(t, ok)
	require.Equal(t, "2.0.0-rc.1", v.Version, "where there is nothing else")
}

func TestPermissionsOfAManifest(t *testing.T) {
	t.Parallel()
	p, err := index.PermissionsOf([]byte(`{"memory":1048576,"net":["a.b"]}`))
	require.NoError(t, err)
	require.Equal(t, &index.Permissions{Net: []string{"a.b"}, Memory: "1048576"}, p)
	require.True(t, p.Equal(&index.Permissions{Net: []string{"a.b"}, Memory: "1MiB"}))
	require.Equal(t, "net a.b; memory 1048576", p.String())
	p, err = index.PermissionsOf(nil)
	require.NoError(t, err)
	require.True(t, p.Equal(&index.Permissions{}), "nothing is nothing")
	_, err = index.PermissionsOf([]byte(`{"net":1}`))
	require.Error(t, err)
}

// An entry that can be read is written as it was read, and read again.
func FuzzEntry(f *testing.F) {
	f.Add(pattern)
	f.Add(agent)
	f.Add(`{"versions":[{"permissions":{"net":["*"]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := index.ParseEntry("x", []byte(text))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		out, err := e.Text()
		require.NoError(t, err)
		again, err := index.ParseEntry("x", out)
		require.NoError(t, err, "%s", out)
		text2, err := again.Text()
		require.NoError(t, err)
		require.Equal(t, string(out), string(text2))
	})
}

// A signed index that can be read is signed as it was read, and read again; whatever is signed, reading it is safe.
func FuzzParse(f *testing.F) {
	for _, body := range []string{`{"built":"2026-01-02T15:04:05Z","packages":[]}`, `{"built":"2026-01-02T15:04:05Z","packages":[` + strings.Join(strings.Fields(pattern), " ") + `]}`, "{}"} {
		f.Add(body)
	}
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	f.Fuzz(func(t *testing.T, body string) {
		_, err := index.Parse([]byte(body), public)
		require.Error(t, err, "nobody signed it")
		d, err := index.Parse(sign(private, body), public)
		if err != nil {
			codeOf(t, err)
			return
		}
		text, err := d.Sign(private)
		require.NoError(t, err)
		again, err := index.Parse(text, public)
		require.NoError(t, err)
		require.Len(t, again.Packages, len(d.Packages))
	})
}
