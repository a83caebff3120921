package site_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli/index/site"
	"github.com/parallax-run/parallax/internal/testkit/browser"
)

// sight is what testdata/look.mjs saw of a page in one view.
type sight struct {
	Page, View             string
	Console, Requests      []string
	Sideways, OpenSideways int
	Motion                 string
	Planted                int
	Links                  []string
	Violations             []string
	Text                   string
}

// step is what was on the front page after somebody did something.
type step struct {
	What, Status, At, Hash string
	Names                  []string
}

// The site is opened in Chromium as people would: on a desk by day, on a phone by night, without scripts, and searched with the keyboard.
func TestTheSiteInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs Chromium and Node.js; make test runs it")
	}
	t.Parallel()
	looked := []string{"index.html", "packages/acme/critic.html", "packages/evil/stealer.html", "packages/odd/text.html", "packages/2.html", "people/index.html", "people/github.com/alice.html"}
	dir := write(t, pages(t, document(t), site.Options{PerPage: 3}))
	var saw struct {
		Seen  []sight
		Asked struct {
			sight
			Steps []step
		}
	}
	require.NoError(t, json.Unmarshal(browser.Look(t, filepath.Join("testdata", "look.mjs"), append([]string{dir}, looked...)...), &saw))
	require.Len(t, saw.Seen, 3*len(looked))
	for _, s := range saw.Seen {
		t.Run(s.Page+" "+s.View, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, s.Console)
			require.Empty(t, s.Requests, "the page asks nobody for anything")
			if s.View == "no-script" {
				require.NotEmpty(t, s.Text)
				return
			}
			require.Empty(t, s.Violations)
			require.Zero(t, s.Sideways, "nothing scrolls sideways")
			require.Zero(t, s.OpenSideways, "nothing scrolls sideways when all is open")
			require.Equal(t, "auto", s.Motion, "nothing moves for those who asked for that")
			require.Zero(t, s.Planted, "what strangers wrote is text")
			require.NotEmpty(t, s.Links)
		})
	}
	require.Empty(t, saw.Asked.Console)
	require.Empty(t, saw.Asked.Requests)
	require.Empty(t, saw.Asked.Violations)
	all := []string{"acme/debate", "acme/critic", "odd/text", "very-long-name-of-somebody-or-other/" + long(), "old/judge"}
	require.Equal(t, []step{
		{"opened", "", "body " + saw.Asked.Steps[0].At[len("body "):], "", all},
		{"argue", "1 package fits.", "input q", "#q=argue", []string{"acme/debate"}},
		{"enter", "1 package fits.", "a acme/debate", "#q=argue", []string{"acme/debate"}},
		{"review", "2 packages fit.", "input q", "#q=review", []string{"acme/critic", "old/judge"}},
		{"verified", "1 package fits.", "input verified", "#q=review&verified=1", []string{"acme/critic"}},
		{"nothing", "Nothing fits.", "input q", "#q=nothing+at+all", []string{}},
		{"planted", "1 package fits.", "input q", "#q=%3Cb+class%3Dplanted%3E", []string{"odd/text"}},
		{"agents", "2 packages fit.", saw.Asked.Steps[7].At, "#kind=agent", []string{"acme/critic", "old/judge"}},
		{"again", "2 packages fit.", saw.Asked.Steps[8].At, "#kind=agent", []string{"acme/critic", "old/judge"}},
		{"by keyword", "2 packages fit.", saw.Asked.Steps[9].At, "#q=review", []string{"acme/critic", "old/judge"}},
	}, saw.Asked.Steps)
}
