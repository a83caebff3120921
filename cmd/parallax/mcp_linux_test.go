package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/interop"
)

// patterns are those that a client of others sees as tools.
func patterns(t *testing.T) string {
	t.Helper()
	return project(t, map[string]string{
		"parallax.toml": "[agents.helper]\nuse = \"mock\"\necho = true\ndelay = \"100ms\"\n\n[agents.slow]\nuse = \"mock\"\necho = true\ndelay = \"1h\"\n\n[agents.editor]\nuse = \"human\"\n",
		"greet.star": `def main(name, times = 1, loud = False):
    """Greets somebody.

    Args:
        name: whom to greet
        times: how often
    """
    phase("greeting")
    agent("helper").ask("greet", name = name)
    log("nearly there")
    if name == "nobody":
        fail("there is nobody to greet")
    return {"text": ("hello " + name + " ") * times}
`,
		"plain.star":      "def main():\n    return \"just words\"\n",
		"slow.star":       "def main():\n    phase(\"waiting\")\n    return agent(\"slow\").ask(\"wait\").value\n",
		"decide.star":     "def main():\n    d = approve(\"Ship it?\", options = [\"yes\", \"no\"])\n    return [d.choice, agent(\"editor\").ask(\"Which title?\").value]\n",
		"wrong.star":      "def main(n = 1):\n    return [][n]\n",
		"lib.star":        "def helper():\n    return 1\n",
		"greet_test.star": "def test_nothing():\n    pass\n",
	})
}

// client runs the client of others against a server, and gives the lines that it prints.
func client(t *testing.T, where map[string]any, steps ...map[string]any) []map[string]any {
	t.Helper()
	server, err := json.Marshal(where)
	require.NoError(t, err)
	todo, err := json.Marshal(steps)
	require.NoError(t, err)
	argv := append(interop.Node(t, "mcp-client.mjs"), string(server), string(todo))
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	var said strings.Builder
	cmd.Stderr = &said
	out, _ := cmd.Output() // what went wrong is in the lines
	var lines []map[string]any
	for line := range strings.Lines(string(out)) {
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &v), "%s\n%s", line, said.String())
		lines = append(lines, v)
	}
	return lines
}

// stdio is parallax mcp for that client to start.
func stdio(t *testing.T, dir string, args ...string) map[string]any {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "parallax") // the name makes the test binary be it
	require.NoError(t, os.Symlink(self, link))
	return map[string]any{
		"command": link, "args": append([]string{"mcp"}, args...), "cwd": dir,
		"env": map[string]string{"PATH": os.Getenv("PATH"), "HOME": dir, "TMPDIR": dir},
	}
}

func words(t *testing.T, line map[string]any) string {
	t.Helper()
	result, ok := line["result"].(map[string]any)
	require.True(t, ok, "%v", line)
	return result["content"].([]any)[0].(map[string]any)["text"].(string)
}

func TestPatternsAreToolsToAClientOfOthers(t *testing.T) {
	t.Parallel()
	dir := patterns(t)
	got := client(t, stdio(t, dir),
		map[string]any{"list": true},
		map[string]any{"call": "greet", "arguments": map[string]any{"name": "Ada", "times": 2}},
		map[string]any{"call": "greet", "arguments": map[string]any{"name": "nobody"}},
		map[string]any{"call": "greet", "arguments": map[string]any{"nam": "Ada"}},
		map[string]any{"call": "plain"},
		map[string]any{"call": "wrong"},
		map[string]any{"call": "decide"},
		map[string]any{"call": "nothing"},
		map[string]any{"call": "slow", "cancel": "waiting"},
		map[string]any{"call": "plain"},
	)
	require.Len(t, got, 10, "%v", got)
	text, err := json.Marshal(got[0])
	require.NoError(t, err)
	require.JSONEq(t, `["decide","greet","plain","slow","wrong"]`, namesIn(t, got[0]))
	require.Contains(t, string(text), `"properties":{"loud":{"default":false,"type":"boolean"},"name":{"description":"whom to greet"},`+
		`"times":{"default":1,"description":"how often","type":"integer"}},"required":["name"]`)
	require.Contains(t, string(text), `"description":"Greets somebody."`)

	require.Equal(t, map[string]any{"text": "hello Ada hello Ada "}, got[1]["result"].(map[string]any)["structuredContent"])
	progress := got[1]["progress"].([]any) // of what comes with the answer that client tells nothing
	require.Equal(t, []any{"greeting", "helper: greet"}, progress[:2])
	require.Equal(t, "there is nobody to greet", words(t, got[2]))
	require.Equal(t, true, got[2]["result"].(map[string]any)["isError"])
	require.Equal(t, "there is no input \"nam\"\nhint: did you mean \"name\"?", words(t, got[3]))
	require.Equal(t, map[string]any{"result": "just words"}, got[4]["result"].(map[string]any)["structuredContent"])
	require.Contains(t, words(t, got[5]), "wrong.star:2:14")
	require.NotContains(t, words(t, got[5]), dir)
	require.Contains(t, words(t, got[6]), `"Ship it?"`)
	require.Contains(t, got[7]["error"], "nothing")
	require.Contains(t, got[8]["error"], "abort")
	require.Equal(t, "just words", words(t, got[9]), "the server goes on")
}

func namesIn(t *testing.T, list map[string]any) string {
	t.Helper()
	var names []string
	for _, tool := range list["tools"].([]any) {
		names = append(names, tool.(map[string]any)["name"].(string))
	}
	text, err := json.Marshal(names)
	require.NoError(t, err)
	return string(text)
}

func TestWhatAPatternAsksPeopleIsPutToTheClientsUser(t *testing.T) {
	t.Parallel()
	got := client(t, stdio(t, patterns(t), "decide.star"),
		map[string]any{"questions": []any{map[string]any{"choice": "yes"}, map[string]any{"answer": "Of Mice"}}},
		map[string]any{"call": "decide"},
	)
	require.Len(t, got, 1)
	require.Equal(t, map[string]any{"result": []any{"yes", "Of Mice"}}, got[0]["result"].(map[string]any)["structuredContent"], "%v", got)
	require.Len(t, got[0]["asked"], 2)
}

// A run that is recorded is over when its client cancels it, and can go on when the client went away.
func TestRunsOfClientsAreRecordedWithKeep(t *testing.T) {
	t.Parallel()
	dir := patterns(t)
	client(t, stdio(t, dir, "--keep"),
		map[string]any{"call": "plain"},
		map[string]any{"call": "slow", "cancel": "waiting"},
		map[string]any{"call": "slow", "forget": "waiting"},
	)
	require.Eventually(t, func() bool {
		status := map[string]int{}
		for _, r := range listed(t, dir) {
			status[r.Status]++
		}
		return status["done"] == 1 && status["cancelled"] == 1 && status["suspended"] == 1
	}, 20*time.Second, 50*time.Millisecond)
}

func TestBudgetsHoldForRunsOfClients(t *testing.T) {
	t.Parallel()
	dir := patterns(t)
	got := client(t, stdio(t, dir, "--limit", "calls=1", "--timeout", "300ms"),
		map[string]any{"call": "greet", "arguments": map[string]any{"name": "Ada"}},
		map[string]any{"call": "slow"},
	)
	require.Len(t, got, 2)
	require.Contains(t, words(t, got[0]), "hello Ada")
	require.Contains(t, words(t, got[1]), "the run took longer than 300ms")
}

func TestPatternsAreServedByHTTPToWhoHasTheToken(t *testing.T) {
	t.Parallel()
	cmd := parallaxCmd(t, patterns(t), "mcp", "--http", "127.0.0.1:0")
	out, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	url, token := "", ""
	for token == "" && lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), " at http://"); ok {
			url = "http://" + at
		}
		_, token, _ = strings.Cut(lines.Text(), "Bearer ")
	}
	steps := []map[string]any{
		{"call": "greet", "arguments": map[string]any{"name": "Ada"}},
		{"call": "slow", "cancel": "waiting"},
		{"call": "plain"},
	}
	got := client(t, map[string]any{"url": url, "token": token}, steps...)
	require.Len(t, got, 3, "%v", got)
	require.Contains(t, words(t, got[0]), "hello Ada")
	require.Contains(t, got[0]["progress"], "greeting")
	require.Contains(t, got[1]["error"], "abort")
	require.Equal(t, "just words", words(t, got[2]))

	for _, wrong := range []string{"", "no such token"} {
		got := client(t, map[string]any{"url": url, "token": wrong}, steps...)
		require.Len(t, got, 1)
		require.Contains(t, got[0]["error"], "send the token")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Origin", "http://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusForbidden, res.StatusCode, "pages of other sites")

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	for lines.Scan() { // to its end, before Wait closes it
	}
	_ = cmd.Wait()
	require.Zero(t, cmd.ProcessState.ExitCode())
}
