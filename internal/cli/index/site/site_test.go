package site_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli/index/site"
	"github.com/parallax-run/parallax/internal/market/index"
)

const commit = "0123456789012345678901234567890123456789"

// planted is what somebody would write who wants more than text.
const planted = `</script><b class=planted>x</b><img src=x onerror=planted=1> "'&amp; {{.}} \u003c`

// entry is the text of an entry with one version for each number.
func entry(name, kind, description, more string, versions ...string) *fstest.MapFile {
	var list []string
	for _, v := range versions {
		content := `"h1": "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="`
		if kind == "agent" {
			content = `"hashes": {"linux/amd64": "sha256:` + strings.Repeat("0", 64) + `", "darwin/arm64": "sha256:` + strings.Repeat("1", 64) + `"},
			"permissions": {"net": ["api.example.com:443", "*.wikipedia.org"], "read": ["$WORKSPACE/a-long-name-of-a-folder/` + strings.Repeat("deep", 30) + `"], "memory": "512MiB"}`
		}
		list = append(list, fmt.Sprintf(`{"version": %q, "commit": %q, "released": "2026-01-02T15:04:05Z", "parallax": "1.0.0",
			"identity": "https://github.com/acme/x/.github/workflows/release.yml@refs/tags/v%s", %s}`, v, commit, v, content))
	}
	return &fstest.MapFile{Data: []byte(fmt.Sprintf(`{"name": %q, "kind": %q, "source": "github.com/%s", "description": %q, %s "versions": [%s]}`,
		name, kind, name, description, more, strings.Join(list, ", ")))}
}

// document is an index with some of everything.
func document(t *testing.T) *index.Document {
	t.Helper()
	files := fstest.MapFS{
		"packages/acme/debate.json":  entry("acme/debate", "pattern", "Several agents argue, one decides.", `"license": "Apache-2.0", "keywords": ["debate", "vote"], "maintainers": ["Alice", "bob"],`, "1.2.0", "1.3.0", "2.0.0-rc.1"),
		"packages/acme/critic.json":  entry("acme/critic", "agent", "Finds faults in code.", `"license": "MIT", "capabilities": ["review"], "maintainers": ["alice"], "verified": "github.com/acme",`, "1.4.0", "1.5.0"),
		"packages/old/judge.json":    entry("old/judge", "agent", "Judges, as it did in the old days.", `"keywords": ["review"], "maintainers": ["bob"],`, "0.9.0"),
		"packages/evil/stealer.json": entry("evil/stealer", "agent", "Takes what it finds.", `"maintainers": ["mallory"],`, "0.1.0"),
		"packages/odd/text.json":     entry("odd/text", "pattern", planted, `"maintainers": ["odd"],`, "1.0.0"),
		"packages/very-long-name-of-somebody-or-other/" + long() + ".json": entry("very-long-name-of-somebody-or-other/"+long(), "pattern",
			strings.Repeat("x", 200), `"maintainers": ["a-very-long-name-of-somebody-or-other"],`, "100.200.300-a-very-long-name-of-a-preview.1.2.3"),
		"removed.json":    {Data: []byte(`[{"name": "evil/stealer", "severity": "malware", "reason": "It sends keys away."}, {"name": "acme/critic", "versions": ["1.5.0"], "severity": "security", "reason": "<b class=planted>Leaks.</b>"}]`)},
		"deprecated.json": {Data: []byte(`[{"name": "old/judge", "reason": "Nobody maintains it.", "instead": "acme/critic"}]`)},
		"featured.json":   {Data: []byte(`["acme/debate"]`)},
		"stats.json":      {Data: []byte(`{"acme/debate": {"stars": 1234, "downloads": 56789}, "acme/critic": {"stars": 7, "downloads": 0}}`)},
	}
	d, err := index.Build(files, nil, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), false)
	require.NoError(t, err)
	return d
}

func pages(t *testing.T, d *index.Document, o site.Options) map[string]string {
	t.Helper()
	all := make(map[string]string)
	require.NoError(t, site.Pages(d, o, func(p site.Page) error {
		require.NotContains(t, all, p.Path)
		all[p.Path] = string(p.HTML)
		return nil
	}))
	return all
}

var href = regexp.MustCompile(`(?:href|src)="([^"]*)"`)

// Every link within the site leads to a page of it, and nothing is loaded from anywhere.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]site.Options{"small": {}, "in parts": {PerPage: 2, Front: 2, Title: "Ours & others"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := pages(t, document(t), o)
			for from, html := range all {
				for _, m := range href.FindAllStringSubmatch(html, -1) {
					to, _, _ := strings.Cut(m[1], "#")
					if strings.HasPrefix(to, "https://github.com/") || to == "" {
						continue
					}
					require.Contains(t, all, path.Join(path.Dir(from), to), "%s links to %s", from, m[1])
				}
				require.NotContains(t, html, "<b class=planted>", from)
				require.NotContains(t, html, "<img", from)
				require.Contains(t, html, `default-src &#39;none&#39;`, from)
			}
		})
	}
}

// An index without packages has a site too.
func TestAnEmptyIndexHasASite(t *testing.T) {
	t.Parallel()
	all := pages(t, &index.Document{Built: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}, site.Options{})
	require.Contains(t, all["index.html"], "0 packages")
	require.Contains(t, all["index.html"], `id="data">[]</script>`)
	require.Contains(t, all["packages/index.html"], "There are no packages yet.")
	require.Contains(t, all["people/index.html"], "Nobody yet.")
}

// What is removed is told of where it is asked for, and offered nowhere.
func TestWhatIsRemovedIsNotOffered(t *testing.T) {
	t.Parallel()
	all := pages(t, document(t), site.Options{})
	require.NotContains(t, all["index.html"], "evil/stealer")
	require.NotContains(t, all["people/index.html"], "mallory")
	require.Contains(t, all["packages/evil/stealer.html"], "Removed: malware.")
	require.Contains(t, all["packages/evil/stealer.html"], "It sends keys away.")
	require.NotContains(t, all["packages/evil/stealer.html"], "parallax add")
	require.Contains(t, all["packages/acme/critic.html"], "<dd>1.4.0, <time", "the newest version that was not removed")
	require.Contains(t, all["packages/acme/critic.html"], "<pre>parallax add github.com/acme/critic@v1.4.0</pre>")
	require.Contains(t, all["packages/acme/debate.html"], "<pre>parallax add github.com/acme/debate</pre>")
	require.Contains(t, all["packages/acme/debate.html"], "parallax run github.com/acme/debate@v1.3.0", "a preview is not the newest")
	require.Contains(t, all["packages/old/judge.html"], `<a href="../../packages/acme/critic.html">acme/critic</a> instead`)
}

// What somebody publishes is on one page, however their name is written.
func TestContributors(t *testing.T) {
	t.Parallel()
	all := pages(t, document(t), site.Options{})
	alice := all["people/github.com/alice.html"]
	require.Contains(t, alice, "acme/debate")
	require.Contains(t, alice, "acme/critic")
	require.Contains(t, alice, "2 packages")
	require.Contains(t, alice, "1,241 ")
	list := all["people/index.html"]
	require.Less(t, strings.Index(list, "alice.html"), strings.Index(list, "odd.html"), "who publishes most comes first")
}

// write puts a site into a folder.
func write(t *testing.T, all map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, html := range all {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(html), 0o600))
	}
	return dir
}

func long() string { return strings.Repeat("very-long-name-", 6) + "x" }
