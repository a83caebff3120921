package pattern

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// checked checks main.star of a tree.
func checked(t *testing.T, tree map[string]string, agents ...string) *Report {
	t.Helper()
	opts := CheckOptions{Agents: agents, Effects: []string{"sleep", "ask", "parallel", "run"}}
	r, err := Check(filepath.Join(files(t, tree), "main.star"), environment(), opts)
	require.NoError(t, err)
	return r
}

func TestAGoodPatternHasNoFindings(t *testing.T) {
	t.Parallel()
	r := checked(t, map[string]string{
		"main.star": "load(\":lib.star\", \"one\")\ndef main():\n    agent(\"a\")\n    return run(\":child.star\") or one\n",
		"lib.star":  "one = 1\n", "child.star": simple,
	}, "a")
	require.Empty(t, r.Findings)
	require.True(t, r.OK())
	require.Equal(t, "main.star", r.Program.Name)
	require.Equal(t, []string{"lib.star", "main.star", "child.star"}, r.Files)
}

func TestEverythingWrongIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	r := checked(t, map[string]string{
		"main.star": `load(":lib.star", "half")
load(":nowhere.star", "x")
sleep(1)
writer = agent("writr")
def helper(xs):
    agnt("a")
    return undefned + parallel([lambda: half(y) for y in xs])
`,
		"lib.star": "def half(n):\n    return n / tow\n\ndef other():\n    return run(\":child.star\")\n",
		"child.star": `def main():
    return agent("critic")
    y = = 1
`,
	}, "writer", "critic")
	require.Equal(t, []string{
		"main.star:1:1 no-main",
		"main.star:2:6 missing",
		"main.star:3:1 top-level-effect",
		"main.star:4:16 unknown-agent",
		"main.star:6:5 undefined",
		"main.star:7:12 undefined",
		"main.star:7:33 late-binding",
		"lib.star:2:16 undefined",
		"child.star:3:9 syntax",
	}, codes(r.Findings))
	require.False(t, r.OK())
	require.Nil(t, r.Program)
	require.Equal(t, `did you mean "writer"? or add [agents.writr] to parallax.toml`, r.Findings[3].Hint)
	for _, f := range r.Findings {
		require.Contains(t, r.Sources, f.File)
		require.Equal(t, IsError, f.Severity)
	}
	require.Contains(t, r.Excerpts(), "main.star:4:16: there is no agent \"writr\"\n    writer = agent(\"writr\")\n                   ^\n")
}

func TestAgentsAreOnlyCheckedWhereTheyAreKnown(t *testing.T) {
	t.Parallel()
	tree := map[string]string{"main.star": "def main():\n    agent(\"nobody\")\n"}
	require.Empty(t, checked(t, tree).Findings)
	r, err := Check(filepath.Join(files(t, tree), "main.star"), environment(), CheckOptions{Agents: []string{}})
	require.NoError(t, err)
	require.Equal(t, []string{"main.star:2:11 unknown-agent"}, codes(r.Findings))
	require.Equal(t, "add [agents.nobody] to parallax.toml", r.Findings[0].Hint)
}

func TestEffectsWhileAModuleIsLoadedAreFound(t *testing.T) {
	t.Parallel()
	r := checked(t, map[string]string{"main.star": `
a = sleep(1)
b = [agent("x").ask("q") for _ in range(2)]
def f(n = sleep(2)):
    sleep(3)
g = lambda m = sleep(4): sleep(5)
def parallel(x):
    return x
c = parallel(1)
` + simple})
	require.Equal(t, []string{
		"main.star:2:5 top-level-effect", "main.star:3:17 top-level-effect", "main.star:4:11 top-level-effect", "main.star:6:16 top-level-effect",
	}, codes(r.Findings))
}

// What only shows when top-level code runs is found by running it.
func TestTopLevelCodeThatFailsIsAFinding(t *testing.T) {
	t.Parallel()
	r := checked(t, map[string]string{
		"main.star":  "def f():\n    sleep(1)\nx = f()\ndef main():\n    return run(\":child.star\")\n",
		"child.star": "x = 1 // 0\n" + simple,
	})
	require.Equal(t, []string{"main.star:2:10 top-level", "child.star:1:7 top-level"}, codes(r.Findings))
	require.Nil(t, r.Program)
}

func TestChildPatternsAreCheckedToo(t *testing.T) {
	t.Parallel()
	r := checked(t, map[string]string{
		"main.star": "def main():\n    run(\":a.star\")\n    run(\":gone.star\")\n    run(\"../x.star\")\n    run(\":main.star\")\n",
		"a.star":    "def main():\n    run(\":b.star\")\n",
		"b.star":    "def mian():\n    pass\n",
	})
	require.Equal(t, []string{"main.star:3:9 missing", "main.star:4:9 label", "b.star:1:1 no-main"}, codes(r.Findings))
}

func TestWarningsDoNotStopAPattern(t *testing.T) {
	t.Parallel()
	r := checked(t, map[string]string{"main.star": "def main(xs = []):\n    return len([lambda: x for x in xs])\n"})
	require.Equal(t, []string{"main.star:2:17 late-binding"}, codes(r.Findings))
	require.True(t, r.OK())
	require.NotNil(t, r.Program)
}

func TestAReportIsJSON(t *testing.T) {
	t.Parallel()
	r := checked(t, map[string]string{"main.star": "x = 1\n"})
	r.Root = "/p"
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.JSONEq(t, `{"pattern": "main.star", "root": "/p", "files": ["main.star"], "findings": [{"file": "main.star", "line": 1, "col": 1,
		"code": "no-main", "message": "main.star has no main function", "hint": "add one: def main(question): ...", "severity": "error"}]}`, string(text))

	text, err = json.Marshal(checked(t, map[string]string{"main.star": simple}).Findings)
	require.NoError(t, err)
	require.Equal(t, "[]", string(text))
}

func TestCheckingWhatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := Check(filepath.Join(t.TempDir(), "x.star"), environment(), CheckOptions{})
	require.ErrorAs(t, err, new(*PathError))
}
