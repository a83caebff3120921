package report_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli/report"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/internal/testkit/browser"
)

// bad is a page in which there is something to find.
const bad = `<!DOCTYPE html><html><head><title></title></head><body><div style="width: 900px"><img src="gone.png"></div>
<section id="result">x</section><a href="#nowhere">y</a><a href="#hidden">z</a><p id="hidden" hidden>h</p>
<div class="tree"><details><summary>a</summary><pre>b</pre></details></div><button>Open all</button><button>Close all</button>
<script>console.error("no")</script></body></html>`

// sight is what testdata/look.mjs saw of a page in one view.
type sight struct {
	Page, View       string
	Console          []string
	Requests         []string
	Width, OpenWidth int
	Motion           string
	Keyboard         []string
	Links            struct {
		Followed int
		Broken   []string
	}
	Violations []string
	Printed    struct{ All, Shown int }
	Opened     bool
	Result     string
}

// The page is opened in Chromium as people would: on a desk and a phone, by day and night, with the keyboard, on paper, and without scripts.
// PARALLAX_SHOTS names a folder for pictures of it.
func TestThePageInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs Chromium and Node.js; make test runs it")
	}
	t.Parallel()
	seen := look(t, pages(t))
	require.Len(t, seen, 4*5+3*3+2)
	for _, s := range seen {
		t.Run(s.Page+" "+s.View, func(t *testing.T) {
			t.Parallel()
			if s.Page == "bad.html" {
				s.isBad(t)
				return
			}
			require.Empty(t, s.Console)
			require.Empty(t, s.Requests, "the page asks nobody for anything")
			require.Empty(t, s.Violations)
			switch s.View {
			case "no-script":
				require.True(t, s.Opened, "what is folded opens without a script")
				require.NotEmpty(t, s.Result)
				return
			case "phone", "phone-dark":
				require.Equal(t, 320, s.Width, "nothing scrolls sideways")
				require.Equal(t, 320, s.OpenWidth, "nothing scrolls sideways when all is open")
			case "glance":
				require.Zero(t, s.Width, "nothing scrolls sideways")
				require.Zero(t, s.OpenWidth, "nothing scrolls sideways when all is open")
			case "desk":
				require.Equal(t, wantedKeys[s.Page], s.Keyboard)
				require.Empty(t, s.Links.Broken)
				require.GreaterOrEqual(t, s.Links.Followed, 2)
				require.Equal(t, s.Printed.All, s.Printed.Shown, "what is folded is on paper")
			}
			require.Equal(t, "auto", s.Motion, "nothing moves for those who asked for that")
		})
	}
}

// isBad says that what is wrong with the bad page was seen.
func (s *sight) isBad(t *testing.T) {
	t.Helper()
	if s.View == "no-script" {
		return
	}
	require.Contains(t, s.Console, "error: no")
	require.NotEmpty(t, s.Requests)
	require.NotEmpty(t, s.Violations)
	require.Equal(t, "auto", s.Motion)
	switch s.View {
	case "phone", "phone-dark":
		require.Greater(t, s.Width, 900)
	case "desk":
		require.Equal(t, []string{"#nowhere", "#hidden"}, s.Links.Broken)
		require.Equal(t, 1, s.Printed.All)
		require.Zero(t, s.Printed.Shown)
	}
}

// wantedKeys is where each key leads, from before the tree with everything folded.
var wantedKeys = map[string][]string{
	"bad.html": nil,
	"deep.html": {
		"Tab: closed part-1", "Enter: open part-1", "Enter: closed part-1", "ArrowRight: open part-1", "ArrowDown: closed part-2", "ArrowRight: open part-2",
		"End: closed part-3", "Home: open part-1", "ArrowDown: open part-2", "ArrowUp: open part-1", "ArrowLeft: closed part-1", "Space: open part-1",
	},
	"failed.html": {
		"Tab: closed part-1", "Enter: open part-1", "Enter: closed part-1", "ArrowRight: open part-1", "ArrowDown: closed part-3", "ArrowRight: open part-3",
		"End: closed part-12", "Home: open part-1", "ArrowDown: open part-3", "ArrowUp: open part-1", "ArrowLeft: closed part-1", "Space: open part-1",
	},
	"panel.html": {
		"Tab: closed part-1", "Enter: open part-1", "Enter: closed part-1", "ArrowRight: open part-1", "ArrowDown: closed part-3", "ArrowRight: open part-3",
		"End: closed part-34", "Home: open part-1", "ArrowDown: open part-3", "ArrowUp: open part-1", "ArrowLeft: closed part-1", "Space: open part-1",
	},
	"small.html": {},
	"suspended.html": {
		"Tab: closed part-1", "Enter: open part-1", "Enter: closed part-1", "ArrowRight: open part-1", "ArrowDown: closed part-3", "ArrowRight: open part-3",
		"End: open part-3", "Home: open part-1", "ArrowDown: open part-3", "ArrowUp: open part-1", "ArrowLeft: closed part-1", "Space: open part-1",
	},
	"wide.html": {
		"Tab: closed part-1", "Enter: open part-1", "Enter: closed part-1", "ArrowRight: open part-1", "ArrowDown: closed part-2", "ArrowRight: open part-2",
		"End: closed part-59", "Home: open part-1", "ArrowDown: open part-2", "ArrowUp: open part-1", "ArrowLeft: closed part-1", "Space: open part-1",
	},
}

// look opens pages in a browser.
func look(t *testing.T, runs map[string]*story.Run) []sight {
	t.Helper()
	dir := t.TempDir()
	var files []string
	add := func(name, page string) {
		file := filepath.Join(dir, name+".html")
		require.NoError(t, os.WriteFile(file, []byte(page), 0o600))
		files = append(files, file)
	}
	for _, name := range slices.Sorted(maps.Keys(runs)) {
		if name != "wide" {
			add(name, html(t, runs[name], report.Limits{}))
		}
	}
	add("wide", html(t, runs["wide"], report.Limits{Nodes: 60, Lanes: 10})) // axe takes long for many elements
	add("large", html(t, runs["wide"], report.Limits{}))
	add("bad", bad)
	var seen []sight
	require.NoError(t, json.Unmarshal(browser.Look(t, filepath.Join("testdata", "look.mjs"), files...), &seen))
	return seen
}
