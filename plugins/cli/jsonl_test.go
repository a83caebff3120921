//go:build unix

package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
	"github.com/parallax-run/parallax/plugins/cli"
)

// The files have the shape that the tools' documentation gives; presets.json says where it stands.
func TestClaudePrintsItsAnswer(t *testing.T) {
	t.Parallel()
	r, err := run(t, printed("claude", "claude.jsonl", 0), agenttest.Request{Task: "Run the tests"})
	require.NoError(t, err)
	require.Equal(t, `"All tests pass."`, string(r.Output))
	require.Equal(t, "I look at the test.", r.Text)
	require.Equal(t, "The test first.", r.Thinking)
	require.Equal(t, []string{"Bash"}, r.Tools)
	require.Contains(t, r.Notes, "session 0f5c1a2e-6c1b-4a6e-9b1e-2f7a1f0f5a11")
	require.Equal(t, agent.Usage{
		InputTokens: 3007, CachedTokens: 2000, OutputTokens: 55, CostMicroUSD: 12346, Model: "claude-sonnet-4-5", Steps: 2,
	}, r.Usage)
}

func TestCodexPrintsItsAnswer(t *testing.T) {
	t.Parallel()
	r, err := run(t, printed("codex", "codex.jsonl", 0), agenttest.Request{Task: "Look around"})
	require.NoError(t, err)
	require.Equal(t, `"Done. I updated README.md."`, string(r.Output))
	require.Equal(t, "**Searching for the files**", r.Thinking)
	require.Equal(t, []string{"command", "edit", "search"}, r.Tools)
	require.Equal(t, agent.Usage{InputTokens: 24763, CachedTokens: 24448, OutputTokens: 122}, r.Usage)
	require.Contains(t, r.Notes, "Reconnecting... 1/5")
}

func TestGeminiPrintsItsAnswer(t *testing.T) {
	t.Parallel()
	config := printed("gemini", "gemini.jsonl", 0)
	r, err := run(t, config, agenttest.Request{Task: "List files"})
	require.NoError(t, err)
	require.Equal(t, `"There are two files."`, string(r.Output), "what it wrote after its last tool")
	require.Equal(t, []string{"run_shell_command"}, r.Tools)
	require.Equal(t, agent.Usage{InputTokens: 50, CachedTokens: 10, OutputTokens: 200, Model: "gemini-2.5-pro"}, r.Usage)

	config["answer"] = "all"
	r, err = run(t, config, agenttest.Request{Task: "List files"})
	require.NoError(t, err)
	require.Equal(t, `"I list them.\n\nThere are two files."`, string(r.Output))
}

func TestWhatAToolSaysOfItsFailureIsTheError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		preset, file, want, code string
		exit                     int
	}{
		{"claude", "claude-turns.jsonl", "failed: error_max_turns", "failed", 0},
		{"codex", "codex-failed.jsonl", "exit code 1: You've hit your usage limit.", "exit", 1},
		{"gemini", "gemini-failed.jsonl", "exit code 53: Reached max session turns", "exit", 53},
		{"gemini", "gemini-failed.jsonl", "failed: Reached max session turns", "failed", 0},
		{"codex", "claude.jsonl", "printed no line of JSON that its settings know", "not_json", 0},
	} {
		_, err := run(t, printed(c.preset, c.file, c.exit), agenttest.Request{Task: "x"})
		require.ErrorContains(t, err, c.want)
		require.Equal(t, c.code, failure(t, err).AgentCode)
	}
}

func TestLinesOfOnesOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(file, []byte("starting...\n{\"kind\":\"say\",\"n\":1,\"words\":[\"a\",\"b\"]}\n{\"kind\":\"end\",\"ok\":true,\"out\":{\"x\":12345678901234567},\"cost\":0.5}"), 0o600))
	config := object{
		"command": self("print", file, "0"),
		"lines": []object{
			{"when": object{"kind": []string{"say", "shout"}, "n": 1}, "text": "words.1"},
			{"when": object{"kind": "end", "ok": true}, "answer": "none | out", "finish": "=length", "usage": object{"cost_usd": "cost"}},
		},
	}
	r, err := run(t, config, agenttest.Request{Task: "x", OutputSchema: json.RawMessage(`{"type":"object"}`)})
	require.NoError(t, err)
	require.Equal(t, `{"x":12345678901234567}`, string(r.Output))
	require.Equal(t, "b", r.Text)
	require.Equal(t, "length", r.Finish)
	require.Equal(t, int64(500_000), r.Usage.CostMicroUSD)

	require.NoError(t, os.WriteFile(file, []byte("{\"kind\":\"say\",\"n\":2}\n{\"kind\":\"say\",\"n\":1}\n"), 0o600))
	_, err = run(t, config, agenttest.Request{Task: "x"})
	require.ErrorContains(t, err, "ended without an answer")
	require.NoError(t, os.WriteFile(file, []byte("Please log in first"), 0o600))
	_, err = run(t, config, agenttest.Request{Task: "x"})
	require.ErrorContains(t, err, "its settings know: Please log in first")
}

func TestThePromptComesWhereTheCommandWantsIt(t *testing.T) {
	t.Parallel()
	const want = "Be brief.\n\n<user>\nhi\n</user>\n\n- do it\n\n<n>\n1\n</n>"
	ask := agenttest.Request{Task: "- do it", Input: object{"n": 1}, Messages: []agent.Message{{Role: "user", Content: []byte(`"hi"`)}}}
	config := object{"command": self("cat"), "instructions": "Be brief."}
	r, err := run(t, config, ask)
	require.NoError(t, err)
	require.Equal(t, asJSON(t, want), string(r.Output))

	r, err = run(t, object{"command": self("args", "--prompt={prompt}", `{"a":1}`, "{prompt}")}, agenttest.Request{Task: "-rf"})
	require.NoError(t, err)
	require.Equal(t, asJSON(t, `["--prompt=-rf","{\"a\":1}"," -rf"]`), string(r.Output), "it is read as no option")

	r, err = run(t, object{"command": self("file", "{prompt_file}")}, agenttest.Request{Task: "long"})
	require.NoError(t, err)
	path, text, _ := strings.Cut(strings.Trim(string(r.Output), `"`), ": ")
	require.Equal(t, "long", text)
	require.NoFileExists(t, path)

	_, err = run(t, object{"command": self("args", "{prompt}")}, agenttest.Request{Task: "a\x00b"})
	require.ErrorContains(t, err, "zero byte")
	_, err = run(t, object{"command": self("args", "{prompt}")}, agenttest.Request{Task: strings.Repeat("x", 3<<20)})
	require.Equal(t, "too_long_arguments", failure(t, err).AgentCode)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestFailuresOfACommandAreTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config     object
		want, code string
	}{
		{object{"command": self("moan")}, "exit code 3: not logged in", "exit"},
		{object{"command": self("flood"), "max_output": 100_000}, "more than 100000 bytes", "too_much_output"},
		{object{"command": []string{"no-such-tool-anywhere"}}, "there is no program", "no_program"},
	} {
		_, err := run(t, c.config, agenttest.Request{Task: "x"})
		require.ErrorContains(t, err, c.want)
		require.Equal(t, c.code, failure(t, err).AgentCode)
		require.NotEmpty(t, failure(t, err).Hint)
	}
	r, err := run(t, object{"command": self("moan"), "ok_codes": []int{3}}, agenttest.Request{Task: "x"})
	require.NoError(t, err)
	require.Equal(t, `""`, string(r.Output))
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	a := open(t, object{"command": self("env", "KEY"), "args": []string{"tok-1"}}, map[string]string{"KEY": "tok-1"})
	require.NotContains(t, a.Detail(), "tok-1")
	r, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	require.NoError(t, err)
	require.Equal(t, `"***"`, string(r.Output))
	require.Equal(t, "***", r.Text)
}

// A tool that ignores SIGTERM ends with its call all the same.
func TestACancelledToolEnds(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	a := open(t, object{"command": self("stubborn", file)}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := a.Run(ctx, agenttest.Request{Task: "x"})
		done <- err
	}()
	pid := awaitPid(t, file)
	cancel()
	require.ErrorContains(t, <-done, "Canceled")
	requireGone(t, pid)
}

func TestWrongSettingsAreNamed(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]object{
		"command is missing":              {},
		`there is no preset "cloude"`:     {"preset": "cloude"},
		`has no mode "jsonl"`:             {"preset": "goose", "mode": "jsonl"},
		`mode is "rpc"`:                   {"command": []string{"x"}, "mode": "rpc"},
		`answer is "first"`:               {"command": []string{"x"}, "answer": "first"},
		`output is "xml"`:                 {"command": []string{"x"}, "output": "xml"},
		"needs lines":                     {"command": []string{"x"}, "output": "jsonl"},
		"max_output":                      {"command": []string{"x"}, "max_output": -1},
		`usage "tokens"`:                  {"command": []string{"x"}, "lines": []object{{"usage": object{"tokens": "n"}}}},
		"tool without id":                 {"command": []string{"x"}, "lines": []object{{"tool": object{"name": "n"}}}},
		`lines.ask" must be`:              {"command": []string{"x"}, "lines": []object{{"answer": 1}}},
		`allow is for mode = "acp"`:       {"command": []string{"x"}, "allow": []string{"read"}},
		`lines is for mode = "jsonl"`:     {"command": []string{"x"}, "mode": "acp", "lines": []object{{"text": "a"}}},
		`no kind of tools "write"`:        {"preset": "gemini", "mode": "acp", "allow": []string{"write"}},
		`configuration has no field "to"`: {"command": []string{"x"}, "to": 1},
	} {
		if strings.HasPrefix(want, "lines.") {
			want = "must be a string"
		}
		_, err := agenttest.Open(t, cli.Agent(), c, nil)
		require.ErrorContains(t, err, want)
	}
}

func TestEveryPresetIsDocumentedAndWorks(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("presets.json")
	require.NoError(t, err)
	var all map[string]map[string]struct {
		Documented string   `json:"documented"`
		Command    []string `json:"command"`
	}
	require.NoError(t, json.Unmarshal(b, &all))
	for name, modes := range all {
		for mode, p := range modes {
			require.Regexp(t, `^https://`, p.Documented, name)
			_, err := agenttest.Open(t, cli.Agent(), object{"preset": name, "mode": mode}, nil)
			require.NoError(t, err, name)
			require.Equal(t, p.Command, cli.Command(json.RawMessage(asJSON(t, object{"preset": name, "mode": mode}))))
		}
	}
	require.Nil(t, cli.Command(json.RawMessage(`{"preset":"none"}`)))
}
