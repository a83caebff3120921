//go:build unix

package exec_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
	"github.com/parallax-run/parallax/plugins/exec"
)

// The test binary is also the command under test.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as" {
		os.Exit(be(os.Args[2], os.Args[3:]))
	}
	goleak.VerifyTestMain(m)
}

func be(what string, args []string) int {
	switch what {
	case "args":
		return show(args)
	case "cat":
		_, _ = os.Stdin.WriteTo(os.Stdout)
	case "dir":
		dir, _ := os.Getwd()
		fmt.Print(dir)
	case "env":
		fmt.Print(os.Getenv(args[0]))
	case "exit":
		fmt.Fprintln(os.Stderr, "it went wrong")
		code, _ := strconv.Atoi(args[0])
		return code
	case "flood":
		for {
			if _, err := fmt.Println(strings.Repeat("x", 1000)); err != nil {
				return 1
			}
		}
	case "signal":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "bytes":
		_, _ = os.Stdout.Write([]byte("a\xffb"))
	case "stubborn", "family":
		return stubborn(what, args[0])
	case "child":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		select {}
	}
	return 0
}

func show(args []string) int {
	b, _ := json.Marshal(args)
	fmt.Print(string(b))
	return 0
}

// stubborn ignores SIGTERM and starts a child that does so too; as "family" it then ends and leaves the child behind.
func stubborn(what, file string) int {
	signal.Ignore(syscall.SIGTERM)
	child := osexec.Command(os.Args[0], "as", "child")
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		return 1
	}
	pids := fmt.Sprintf("%d %d", os.Getpid(), child.Process.Pid)
	if err := os.WriteFile(file+".new", []byte(pids), 0o600); err != nil {
		return 1
	}
	if err := os.Rename(file+".new", file); err != nil {
		return 1
	}
	if what == "family" {
		return 0
	}
	select {}
}

type object = map[string]any

// session opens a session and closes it when the test ends.
func session(t *testing.T, config object, secrets map[string]string) *agenttest.Agent {
	t.Helper()
	a, err := agenttest.Open(t, exec.Agent(), config, secrets)
	require.NoError(t, err)
	return a
}

// failure is the agent's own error.
func failure(t *testing.T, err error) *agenttest.Error {
	t.Helper()
	e, ok := errors.AsType[*agenttest.Error](err)
	require.True(t, ok, "want an error of the agent, got %v", err)
	return e
}

func self(args ...string) []string { return append([]string{os.Args[0], "as"}, args...) }

func open(t *testing.T, config object) *agenttest.Agent {
	t.Helper()
	return session(t, config, nil)
}

func run(t *testing.T, config object, ask agenttest.Request) (agenttest.Reply, error) {
	t.Helper()
	return open(t, config).Run(t.Context(), ask)
}

func TestPlaceholdersBecomeArguments(t *testing.T) {
	t.Parallel()
	r, err := run(t, object{"command": self("args", "n={n}", "{{x}}", "{task}", "{files}", "--", "{opt}"), "output": "json"}, agenttest.Request{
		Task: "go; rm -rf $HOME", Input: object{"n": 12345678901234567, "files": []any{"a b", 2}, "opt": "-rf"},
	})
	require.NoError(t, err)
	require.JSONEq(t, `["n=12345678901234567","{x}","go; rm -rf $HOME","a b","2","--","-rf"]`, string(r.Output))
}

func TestInputThatWouldBeAnOptionIsRefused(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"-rf", []string{"ok", "--force"}} {
		_, err := run(t, object{"command": self("args", "{file}")}, agenttest.Request{Input: object{"file": value}})
		require.ErrorContains(t, err, "option")
	}
	_, err := run(t, object{"command": self("args", "{file}")}, agenttest.Request{Input: object{"file": "a\x00b"}})
	require.ErrorContains(t, err, "zero byte")
	_, err = run(t, object{"command": self("args", "{file}")}, agenttest.Request{})
	require.ErrorContains(t, err, `needs the input "file"`)
}

func TestInputsArriveOnStdin(t *testing.T) {
	t.Parallel()
	r, err := run(t, object{"command": self("cat"), "output": "json"}, agenttest.Request{Task: "sum", Input: object{"n": 1}})
	require.NoError(t, err)
	require.JSONEq(t, `{"n":1,"task":"sum"}`, string(r.Output))
	r, err = run(t, object{"command": self("cat"), "output": "json"}, agenttest.Request{Task: "sum", Input: object{"task": "mine"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"task":"mine"}`, string(r.Output))
	r, err = run(t, object{"command": self("cat", "{n}"), "output": "text"}, agenttest.Request{Input: object{"n": 1}})
	require.NoError(t, err)
	require.Equal(t, `""`, string(r.Output), "a command with placeholders reads nothing")
}

func TestLargeInputToACommandThatDoesNotRead(t *testing.T) {
	t.Parallel()
	r, err := run(t, object{"command": self("args", "x")}, agenttest.Request{Input: object{"big": strings.Repeat("x", 1<<20)}})
	require.NoError(t, err)
	require.InDelta(t, 1, *r.Confidence, 0)
}

func TestExitCodeIsTheVerdict(t *testing.T) {
	t.Parallel()
	r, err := run(t, object{"command": self("exit", "0")}, agenttest.Request{})
	require.NoError(t, err)
	require.JSONEq(t, `{"exit_code":0,"stdout":"","stderr":"it went wrong\n"}`, string(r.Output))
	require.InDelta(t, 1, *r.Confidence, 0)
	require.Equal(t, agent.Verifier, r.Basis)

	r, err = run(t, object{"command": self("exit", "3")}, agenttest.Request{})
	require.NoError(t, err)
	require.JSONEq(t, `{"exit_code":3,"stdout":"","stderr":"it went wrong\n"}`, string(r.Output))
	require.NotNil(t, r.Confidence)
	require.Zero(t, *r.Confidence)

	r, err = run(t, object{"command": self("exit", "3"), "ok_codes": []int{0, 3}}, agenttest.Request{})
	require.NoError(t, err)
	require.InDelta(t, 1, *r.Confidence, 0)

	_, err = run(t, object{"command": self("exit", "3"), "on_exit": "fail"}, agenttest.Request{})
	require.ErrorContains(t, err, "exit code 3: it went wrong")
}

func TestOutputForms(t *testing.T) {
	t.Parallel()
	r, err := run(t, object{"command": self("bytes"), "output": "text"}, agenttest.Request{})
	require.NoError(t, err)
	require.Equal(t, "\"a\uFFFDb\"", string(r.Output))
	_, err = run(t, object{"command": self("exit", "1"), "output": "json"}, agenttest.Request{})
	require.ErrorContains(t, err, "not JSON (exit code 1): it went wrong")
}

func TestRunsInTheAgentsDirectory(t *testing.T) {
	t.Parallel()
	a := session(t, object{"command": self("dir"), "output": "text"}, nil)
	dir, err := filepath.EvalSymlinks(a.Workdir())
	require.NoError(t, err)
	r, err := a.Run(t.Context(), agenttest.Request{})
	require.NoError(t, err)
	require.Equal(t, strconv.Quote(dir), string(r.Output))
}

func TestSecretsReachTheCommandAndNobodyElse(t *testing.T) {
	t.Parallel()
	a := session(t, object{"command": self("env", "MY_TOKEN"), "output": "text"}, map[string]string{"MY_TOKEN": "tok-12345"})
	r, err := a.Run(t.Context(), agenttest.Request{})
	require.NoError(t, err)
	require.Equal(t, `"***"`, string(r.Output), "it was there, and was taken out of what is shown")
	require.NotContains(t, a.Detail(), "tok-12345")
}

func TestTooMuchOutputEndsTheCommand(t *testing.T) {
	t.Parallel()
	_, err := run(t, object{"command": self("flood"), "max_output": 100_000}, agenttest.Request{})
	require.ErrorContains(t, err, "more than 100000 bytes")
}

func TestSignalIsAnError(t *testing.T) {
	t.Parallel()
	_, err := run(t, object{"command": self("signal")}, agenttest.Request{})
	require.ErrorContains(t, err, "signal")
	require.Equal(t, "signal", failure(t, err).AgentCode)
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"no-such-program-anywhere": "on PATH", "./no-such-program": "there is no program", "/": "may not be executed",
	} {
		_, err := run(t, object{"command": []string{command}}, agenttest.Request{})
		require.ErrorContains(t, err, want)
		require.NotEmpty(t, failure(t, err).Hint)
	}
	a := session(t, object{"command": self("dir")}, nil)
	require.NoError(t, os.Remove(a.Workdir()))
	_, err := a.Run(t.Context(), agenttest.Request{})
	require.ErrorContains(t, err, "no directory")
}

// A command that ignores SIGTERM, and its child that does so too, end with the call.
func TestCancelledCommandEndsWithItsChildren(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pids")
	a := open(t, object{"command": self("stubborn", file)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := a.Run(ctx, agenttest.Request{})
		done <- err
	}()
	pids := awaitPids(t, file)
	cancel()
	require.ErrorContains(t, <-done, "Canceled")
	requireGone(t, pids)
}

// A child that goes on after the command has ended, with the command's output open, neither holds up the answer nor lives on.
func TestLeftoverChildEndsWithTheCall(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pids")
	_, err := run(t, object{"command": self("family", file)}, agenttest.Request{})
	require.NoError(t, err)
	requireGone(t, awaitPids(t, file))
}

func awaitPids(t *testing.T, file string) []int {
	t.Helper()
	var pids []int
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		for word := range strings.FieldsSeq(string(b)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				return false
			}
			pids = append(pids, pid)
		}
		return len(pids) == 2
	}, 30*time.Second, 5*time.Millisecond)
	return pids
}

// requireGone waits for processes to end. A killed child of a dead parent may be a zombie until init reaps it.
func requireGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		require.Eventually(t, func() bool {
			if syscall.Kill(pid, 0) != nil {
				return true
			}
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err == nil && strings.Contains(string(stat), ") Z ")
		}, 10*time.Second, 5*time.Millisecond)
	}
}

func TestWrongConfigurationsAreNamed(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]object{
		"command is missing":  {},
		"cannot be an input":  {"command": []string{"{program}"}},
		"no placeholder":      {"command": []string{"awk", "{print $1}"}},
		`input is "yaml"`:     {"command": []string{"x"}, "input": "yaml"},
		`output is "xml"`:     {"command": []string{"x"}, "output": "xml"},
		`on_exit is "ignore"`: {"command": []string{"x"}, "on_exit": "ignore"},
		"max_output":          {"command": []string{"x"}, "max_output": -1},
		`must be a list`:      {"command": "go vet"},
	} {
		_, err := agenttest.Open(t, exec.Agent(), c, nil)
		require.ErrorContains(t, err, want)
	}
}
