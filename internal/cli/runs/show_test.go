package runs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

func TestARunIsShown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.NoError(t, keeps(t.Context(), t, d.store(), "20260504-talk", talk, office{}))
	out := d.ok("runs", "show", "2026")
	for _, want := range []string{
		"run 20260504-talk: done\n  pattern   talks/20260504-talk.star\n",
		"\n  calls     6, 60 tokens, $0.0075\n", "\n  program   parallax 1.2.3\n",
		"\ninput\n  {\"topic\":\"tea\"}\n",
		"├─ 1 phase Think\n", `├─ 2 log begun  → {"topic":"tea"}`, "├─ 3 parallel  3 branches, 1 failed",
		"refused: not this one", "run :child.star  done",
		"\nagent calls\n", "3.0/1 ada “say one”: done", "said   \"one\"\n", "3.1/1 ada “fail”: failed", "12 tokens, $0.0015, confidence 0.75\n",
		"\nresult\n  [[\"one\",\"three\"],\"quick\",\"child 3\"]\n",
	} {
		require.Contains(t, out, want)
	}

	var r struct {
		Run, Status, Version string
		Calls                int
		Seed                 uint64
		Inputs, Result       json.RawMessage
		Tree                 struct {
			Kind     string
			Children []struct {
				Kind, Address, Name string
				Children            []struct {
					Kind, Branch string
					Children     []map[string]any
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(d.ok("runs", "show", "20260504-talk", "--json")), &r))
	require.Equal(t, "20260504-talk", r.Run)
	require.Equal(t, "done", r.Status)
	require.Equal(t, "1.2.3", r.Version)
	require.Equal(t, 6, r.Calls)
	require.Len(t, r.Tree.Children, 5)
	require.EqualValues(t, 7, r.Seed)
	require.JSONEq(t, `{"topic":"tea"}`, string(r.Inputs))
	require.JSONEq(t, `[["one","three"],"quick","child 3"]`, string(r.Result))
	fork := r.Tree.Children[2]
	require.Equal(t, "fork", fork.Kind)
	require.Equal(t, "3", fork.Address)
	require.Equal(t, "3.0", fork.Children[0].Branch)
	call := fork.Children[0].Children[0]
	require.Equal(t, "agent", call["kind"])
	require.Equal(t, "3.0/1", call["address"])
	require.Equal(t, "ada", call["name"])
	require.Equal(t, "one", call["value"])
	require.InDelta(t, 0.75, call["confidence"], 1e-9)
	require.Equal(t, "not this one", fork.Children[1].Children[0]["error"].(map[string]any)["message"])
}

func TestLongValuesAndListsAreCut(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	many := `
def ask(i):
    return agent("ada").ask("say " + str(i), text = "` + strings.Repeat("lorem ", 200) + `").value

def main():
    return parallel(ask, range(60))
`
	require.NoError(t, keeps(t.Context(), t, d.store(), "many", many, office{}))
	out := d.ok("runs", "show", "many")
	require.Contains(t, out, "… (")
	require.Contains(t, out, "  10 more: --full shows all\n")
	require.Contains(t, out, "40 more\n", "branches in the tree")
	full := d.ok("runs", "show", "many", "--full")
	require.NotContains(t, full, "more")
	require.Equal(t, 60, strings.Count(full, strings.Repeat("lorem ", 200)))
}

func TestAFailedRunIsShownWithItsError(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.Error(t, keeps(t.Context(), t, d.store(), "bad", "def main():\n    agent(\"ada\").ask(\"fail\")\n", office{}))
	out := d.ok("runs", "show", "bad")
	require.Contains(t, out, "run bad: failed\n")
	require.Contains(t, out, "\nerror\n  refused: ")
	require.Contains(t, out, "not this one")
	require.Contains(t, out, "\n    p.star:2:21: in main\n")
}

func TestARunIsReported(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.NoError(t, keeps(t.Context(), t, d.store(), "talk", talk, office{}))
	page := filepath.Join(d.dir, "run.html")
	require.NoError(t, os.WriteFile(page, []byte("old"), 0o600))
	d.ok("runs", "report", "talk", "--html", "run.html")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "<!DOCTYPE html>"))
	require.Contains(t, string(text), "not this one")
	require.Equal(t, string(text), d.ok("runs", "report", "talk", "--html", "-"))
	o := d.run("runs", "report", "talk", "--html", "no/such/dir.html")
	require.Equal(t, cli.Usage, o.exit)
	require.Contains(t, o.stderr, "--html: ")
	o = d.run("runs", "report", "talk")
	require.Equal(t, cli.Usage, o.exit)
	require.Contains(t, o.stderr, "hint: parallax runs report talk --html run.html")
	names, err := os.ReadDir(d.dir)
	require.NoError(t, err)
	require.Len(t, names, 1, "nothing half-written is left")
}

func TestWhatComesFromOutsideDoesNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.store()
	require.NoError(t, s.Create(badger.Record{
		ID: "evil", Pattern: "\x1b]0;owned\a.star", Status: badger.Failed, Inputs: runtime.Payload("\"a\u202eb\""),
		Error: &runtime.Error{Code: runtime.Failed, Message: "\x1b[2J", Hint: "\x1b[1A"},
	}))
	require.NotRegexp(t, "[\x1b\a\u202e]", d.ok("runs", "show", "evil"))
}
