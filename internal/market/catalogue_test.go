package market

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market/index"
)

// pack is a package of an index with one version.
func pack(source, description string, keywords ...string) index.Package {
	return index.Package{Entry: index.Entry{
		Name: index.NameOf(source), Kind: manifest.KindPattern, Source: source, Description: description, Keywords: keywords,
		Versions: []index.Version{{Version: "1.0.0"}},
	}}
}

func catalogueOf(packages ...index.Package) *Catalogue {
	return &Catalogue{docs: []listed{{IndexAt{URL: "https://one.example/index.ndjson"}, &index.Document{Built: time.Unix(1, 0), Packages: packages}}}}
}

func names(found []Found) []string {
	list := []string{}
	for _, p := range found {
		list = append(list, p.Name)
	}
	return list
}

func TestWordsCountMostInNames(t *testing.T) {
	t.Parallel()
	c := catalogueOf(
		pack("github.com/a/described", "Holds a debate."), pack("github.com/b/debate", "Several agents argue."), pack("github.com/c/keyed", "Argues.", "debate"),
		pack("github.com/d/long-debate", "Argues."), pack("github.com/debate/owned", "Argues."), pack("github.com/e/other", "Counts debates."), pack("github.com/f/none", "Counts."),
	)
	found := c.Search(Query{Words: []string{"Debate"}, Sort: ByMatch})
	require.Equal(t, []string{"b/debate", "d/long-debate", "c/keyed", "debate/owned", "a/described", "e/other"}, names(found))
	require.Equal(t, []string{"a/described"}, names(c.Search(Query{Words: []string{"debate", "holds"}, Sort: ByMatch})), "every word has to be found")
	require.Empty(t, c.Search(Query{Words: []string{"bat"}, Kind: manifest.KindAgent, Sort: ByMatch}))
}

func TestMuchUsedComesFirstAmongEquals(t *testing.T) {
	t.Parallel()
	liked, deprecated, gone, yanked := pack("github.com/z/vote", "Votes."), pack("github.com/a/vote", "Votes."), pack("github.com/b/vote", "Votes."), pack("github.com/c/vote", "Votes.")
	liked.Stats.Stars, deprecated.Stats.Stars = 100, 1_000_000
	yanked.Versions[0].Yanked = "wrong"
	c := catalogueOf(deprecated, gone, yanked, pack("github.com/d/vote", "Votes."), liked)
	c.docs[0].doc.Deprecated = []index.Deprecated{{Name: "a/vote", Reason: "old"}}
	c.docs[0].doc.Removed = []index.Removed{{Name: "b/vote", Severity: index.Policy, Reason: "asked"}}
	require.Equal(t, []string{"z/vote", "d/vote", "a/vote"}, names(c.Search(Query{Words: []string{"vote"}, Sort: ByMatch})))
	require.Equal(t, []string{"a/vote", "z/vote", "d/vote"}, names(c.Search(Query{Sort: ByStars})))
}

func TestANameOfTwoPackagesIsNotChosen(t *testing.T) {
	t.Parallel()
	c := catalogueOf(pack("github.com/acme/debate", "Argues."))
	c.docs = append(c.docs, listed{IndexAt{URL: "https://two.example/index.ndjson"}, &index.Document{Packages: []index.Package{pack("ghe.example.org/acme/debate", "Argues.")}}})
	_, err := c.source("acme/debate")
	require.EqualError(t, err, "acme/debate is github.com/acme/debate in https://one.example/index.ndjson, and ghe.example.org/acme/debate in https://two.example/index.ndjson")
	c.docs[1].doc.Packages[0].Source = "GitHub.com/acme/debate"
	source, err := c.source("acme/debate")
	require.NoError(t, err)
	require.Equal(t, "github.com/acme/debate", source, "the first index has it")
	require.Len(t, c.Packages(), 1)
}

func TestARemovalIsAboutItsSource(t *testing.T) {
	t.Parallel()
	d := catalogueOf(pack("ghe.example.org/Acme/Debate", "Argues.")).docs[0].doc
	d.Removed = []index.Removed{{Name: "acme/debate", Versions: []string{"1.0.0"}, Severity: index.Malware, Reason: "it steals"}}
	notes := notesOf(d)
	require.Equal(t, []Note{{"ghe.example.org/acme/debate", []string{"v1.0.0"}, NoteMalware, "it steals", ""}}, notes)
	require.True(t, notes[0].about(Ref{"ghe.example.org/acme/Debate", "v1.0.0"}))
	require.False(t, notes[0].about(Ref{"github.com/acme/debate", "v1.0.0"}))
	require.False(t, notes[0].about(Ref{"ghe.example.org/acme/debate", "v1.0.1"}))
}

func TestAFolderAnswersAsAServerOfFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a b"), []byte("text"), 0o644))
	ask := func(method, name, etag string) (int, string) {
		u, err := url.Parse(fileURL(filepath.Join(dir, name)))
		require.NoError(t, err)
		res, err := folders{}.RoundTrip(&http.Request{Method: method, URL: u, Header: http.Header{"If-None-Match": {etag}}})
		require.NoError(t, err)
		defer res.Body.Close()
		return res.StatusCode, res.Header.Get("ETag")
	}
	status, etag := ask(http.MethodGet, "a b", "")
	require.Equal(t, http.StatusOK, status)
	status, _ = ask(http.MethodGet, "a b", etag)
	require.Equal(t, http.StatusNotModified, status)
	for _, name := range []string{"none", ""} {
		status, _ = ask(http.MethodGet, name, "")
		require.Equal(t, http.StatusNotFound, status, name)
	}
	status, _ = ask(http.MethodPut, "a b", "")
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestNothingRedirectsToAFile(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]bool{
		"https://example.org/x": {true, true}, "http://127.0.0.1/x": {true, true}, "file:///srv/x": {true, false},
		"http://example.org/x": {false, false}, "file://example.org/x": {false, false}, "ftp://example.org/x": {false, false},
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, want, [2]bool{askable(u), allowed(u)}, address)
	}
}

func TestAMirrorStandsForAllHosts(t *testing.T) {
	t.Parallel()
	bases, err := ReadBases("*=/srv/mirror,ghe.example.org=https://other.example/ghe")
	require.NoError(t, err)
	c := &Client{Bases: bases}
	require.Equal(t, "file:///srv/mirror/github.com", c.base("github.com"))
	require.Equal(t, "https://other.example/ghe", c.base("ghe.example.org"))
	require.Equal(t, "file:///srv/mirror/github.com/api/v3", c.api("github.com"))
	require.Equal(t, "file:///srv/mirror/127.0.0.1_80/index.ndjson", c.rebased("http://127.0.0.1:80/index.ndjson"))
	require.Equal(t, "https://api.github.com", (&Client{}).api("github.com"))
}
