//go:build unix

package cli_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
)

// reference builds the example agent of the protocol's Go library, which is none of this project's.
func reference(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reference")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/coder/acp-go-sdk/example/agent")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// The reference agent reads a file, and asks before it edits another.
func TestTheReferenceAgentAnswers(t *testing.T) {
	t.Parallel()
	command := []string{reference(t)}
	for _, c := range []struct {
		name  string
		allow []string
		ask   []string
		who   []any // answers
		want  string
		tools int
		note  string
	}{
		{"refused", nil, nil, nil, `"I understand you prefer not to make that change. I'll skip the configuration update."`, 1, "refused (edit): Modifying critical configuration file"},
		{"allowed", []string{"edit"}, nil, nil, `"Perfect! I've successfully updated the configuration. The changes have been applied."`, 2, "allowed (edit): Modifying critical configuration file"},
		{"asked", nil, []string{"edit"}, []any{"what?", "allow this change"}, `"Perfect! I've successfully updated the configuration. The changes have been applied."`, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := object{"mode": "acp", "command": command, "ask": c.ask}
			if c.allow != nil {
				config["allow"] = c.allow
			}
			r, err := run(t, config, agenttest.Request{Task: "Hello, agent!", Answers: c.who})
			require.NoError(t, err)
			require.Equal(t, c.want, string(r.Output))
			require.Len(t, r.Tools, c.tools)
			require.Equal(t, "stop", r.Finish)
			require.Len(t, r.Asked, len(c.who))
			if c.note != "" {
				require.Contains(t, r.Notes, c.note)
			}
			if len(r.Asked) > 0 {
				require.Equal(t, []string{"Allow this change", "Skip this change"}, r.Asked[0].Options)
				require.Contains(t, string(r.Asked[0].Context), "/home/user/project/config.json")
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		a := open(t, object{"mode": "acp", "command": command, "ask": []string{"edit"}}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond) // in the middle of its turn
		defer cancel()
		_, err := a.Run(ctx, agenttest.Request{Task: "Hello"})
		require.ErrorContains(t, err, "DeadlineExceeded")
	})
}

func speak(t *testing.T, config object, lines ...string) (agenttest.Reply, error) {
	t.Helper()
	config["mode"] = "acp"
	if config["command"] == nil {
		config["command"] = self("acp")
	}
	return run(t, config, agenttest.Request{Task: strings.Join(lines, "\n")})
}

func TestUpdatesBecomeEvents(t *testing.T) {
	t.Parallel()
	r, err := speak(t, object{}, "say before", "tool", "usage", "odd")
	require.NoError(t, err)
	require.Equal(t, `"after"`, string(r.Output))
	require.Equal(t, "beforeafter", r.Text)
	require.Equal(t, "hm", r.Thinking)
	require.Equal(t, []string{"Search"}, r.Tools)
	require.Subset(t, r.Notes, []string{"session s1", "two", "Search"})
	require.Equal(t, agent.Usage{InputTokens: 15, OutputTokens: 3, CachedTokens: 5, CostMicroUSD: 250_000}, r.Usage)

	r, err = speak(t, object{"answer": "all"}, "flood", "tool")
	require.NoError(t, err)
	require.Equal(t, asJSON(t, strings.Repeat("x", 5000)+"\n\nafter"), string(r.Output), "a flood is held back, not lost")
}

func TestStopReasons(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{"end_turn": "stop", "max_tokens": "length", "max_turn_requests": "budget", "of_a_later_version": "of_a_later_version"} {
		r, err := speak(t, object{}, "say so far", "stop:"+reason)
		require.NoError(t, err)
		require.Equal(t, `"so far"`, string(r.Output))
		require.Equal(t, want, r.Finish)
	}
	_, err := speak(t, object{}, "say I will not", "stop:refusal")
	require.ErrorContains(t, err, "declined: I will not")
	require.Equal(t, "refusal", failure(t, err).AgentCode)
	_, err = speak(t, object{}, "stop:cancelled")
	require.Equal(t, "cancelled", failure(t, err).AgentCode)
}

func TestPermissionsFollowThePolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config object
		kind   string
		want   string
	}{
		{object{}, "read", "once"},
		{object{}, "edit", "never"},
		{object{}, "execute", "never"},
		{object{}, "of_a_later_version", "never"},
		{object{"allow": []string{}}, "read", "never"},
		{object{"allow": []string{"*"}}, "execute", "once"},
	} {
		r, err := speak(t, c.config, "permit "+c.kind)
		require.NoError(t, err)
		require.Equal(t, asJSON(t, c.want), string(r.Output), "%v %s", c.config, c.kind)
	}
}

func TestFilesAreServedBelowTheDirectoryOnly(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "secret.txt")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	a := open(t, object{"mode": "acp", "command": self("acp"), "allow": []string{"read", "edit"}, "answer": "all"}, nil)
	dir := a.Workdir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("one\ntwo\nthree\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bytes"), []byte("a\xff"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large"), make([]byte, 9<<20), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, "way")))
	for line, want := range map[string]string{
		"caps":                     "true true false",
		"dir":                      dir,
		"read a.txt":               `"one\ntwo\nthree\n"`,
		"part a.txt":               `"two\n"`,
		"read none":                "-32002",
		"read bytes":               "not text",
		"read large":               "larger than 8 MiB",
		"read .":                   "not a plain file",
		"read link":                "-32602",
		"read way/secret.txt":      "-32602",
		"read ../secret.txt":       "is not below",
		"read " + outside:          "is not below",
		"write " + outside + " x":  "is not below",
		"write link x":             "-32602",
		"write way/new.txt x":      "-32602",
		"write deep/er/new.txt hi": "written",
	} {
		r, err := a.Run(t.Context(), agenttest.Request{Task: line})
		require.NoError(t, err, line)
		require.Contains(t, string(r.Output), strings.Trim(asJSON(t, want), `"`), line)
	}
	b, err := os.ReadFile(filepath.Join(dir, "deep", "er", "new.txt"))
	require.NoError(t, err)
	require.Equal(t, "hi", string(b))
	b, err = os.ReadFile(outside)
	require.NoError(t, err)
	require.Equal(t, "secret", string(b))
}

func TestWhatIsNotAllowedIsNotOffered(t *testing.T) {
	t.Parallel()
	r, err := speak(t, object{"allow": []string{"think"}, "answer": "all"}, "caps", "read a.txt", "write a.txt x", "run true")
	require.NoError(t, err)
	require.Contains(t, string(r.Output), "false false false")
	require.Equal(t, 3, strings.Count(string(r.Output), "-32601"), string(r.Output))
}

func TestAPersonIsAskedOnceForAFile(t *testing.T) {
	t.Parallel()
	a := open(t, object{"mode": "acp", "command": self("acp"), "ask": []string{"edit"}, "answer": "all"}, nil)
	r, err := a.Run(t.Context(), agenttest.Request{Task: "permit edit\nwrite new.txt x\nwrite other.txt y", Answers: []any{"Yes", "no"}})
	require.NoError(t, err)
	require.Len(t, r.Asked, 2)
	require.Contains(t, r.Asked[1].Prompt, "other.txt")
	require.FileExists(t, filepath.Join(a.Workdir(), "new.txt"))
	require.NoFileExists(t, filepath.Join(a.Workdir(), "other.txt"))
}

func TestTerminalsRunInTheDirectoryAndEndWithTheCall(t *testing.T) {
	t.Parallel()
	r, err := speak(t, object{"allow": []string{"execute"}, "answer": "all"}, "run echo abcdef", "run false", "run no-such-program-anywhere", "run sleep 1000")
	require.NoError(t, err)
	require.Contains(t, string(r.Output), `0 \"def\\n\" true`)
	require.Contains(t, string(r.Output), `1 \"\" false`)
	r, err = run(t, object{"mode": "acp", "command": self("acp"), "ask": []string{"execute"}}, agenttest.Request{Task: "run touch x", Answers: []any{"no"}})
	require.NoError(t, err)
	require.Contains(t, string(r.Output), "-32600")
	require.Contains(t, r.Asked[0].Prompt, "run touch x")
	require.Contains(t, string(r.Asked[0].Context), `"name":"ASKED"`, "what would become another command is seen")
}

func TestACancelledConversationIsToldFirst(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"hang", "deaf"} {
		file := filepath.Join(t.TempDir(), "pid")
		a := open(t, object{"mode": "acp", "command": self("acp")}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := a.Run(ctx, agenttest.Request{Task: "say x\n" + word + " " + file})
			done <- err
		}()
		if word == "deaf" {
			pid := awaitPid(t, file)
			defer requireGone(t, pid)
		}
		cancel()
		require.ErrorContains(t, <-done, "Canceled")
	}
}

func TestConversationsThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command    []string
		config     object
		line       string
		want, code string
		hint       string
	}{
		{self("acp"), object{}, "die", "ended (exit status 9) before it answered: out of memory", "exit", "Agent Client Protocol"},
		{self("acp"), object{}, "fail", "the model is gone", "failed", "session is s1"},
		{self("acp", "future"), object{}, "say x", "speaks version 7", "protocol", "install"},
		{self("acp", "locked"), object{}, "say x", "has to be logged in", "auth_required", "oauth"},
		{self("acp", "locked"), object{"auth": "key"}, "say x", "no such method", "auth_required", "oauth"},
		{self("acp"), object{"session_mode": "dream"}, "say x", `session_mode "dream"`, "session_mode", "it has code, plan"},
		{self("moan"), object{}, "say x", "ended (exit status 3) before it answered: not logged in", "exit", "by hand"},
		{self("flood"), object{"max_output": 100_000}, "say x", "more than 100000 bytes", "too_much_output", "max_output"},
		{self("args", "hello"), object{}, "say x", `before it answered: ["hello"]`, "exit", "by hand"},
		{[]string{"no-such-tool-anywhere"}, object{}, "say x", "there is no program", "no_program", "install"},
	} {
		c.config["command"] = c.command
		_, err := speak(t, c.config, c.line)
		require.ErrorContains(t, err, c.want)
		require.Equal(t, c.code, failure(t, err).AgentCode, c.want)
		require.Contains(t, failure(t, err).Hint, c.hint)
	}
}

func TestLoggingInAndModes(t *testing.T) {
	t.Parallel()
	r, err := speak(t, object{"command": self("acp", "locked"), "auth": "oauth", "session_mode": "plan"}, "mode")
	require.NoError(t, err)
	require.Equal(t, `"plan"`, string(r.Output))
	r, err = speak(t, object{"command": self("acp", "noisy")}, "say hi")
	require.NoError(t, err)
	require.Equal(t, `"hi"`, string(r.Output), "what is no message is passed over")
}
