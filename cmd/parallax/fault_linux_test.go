package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// faultDeadline is when a run counts as hanging; each takes a second or two.
const faultDeadline = 40 * time.Second * slower

// faultAgents are a good agent and bad ones, all of them processes.
const faultAgents = `
[agents.good]
use = "plugin"
command = [%[1]q, "faulty"]
timeout = "30s"
dir = "good"

[agents.faulty]
use = "plugin"
command = [%[1]q, "faulty", "itself"]

[agents.absent]
use = "plugin"
command = ["no-such-program"]

[agents.rubbish]
use = "plugin"
command = ["sh", "-c", "echo last words before rubbish >&2; echo hello, I am not an agent; exec sleep 1000"]

[agents.ends]
use = "plugin"
command = ["sh", "-c", "echo last words before the end >&2; sleep 1000 & exit 3"]

[agents.silent]
use = "plugin"
command = ["sh", "-c", "echo last words before silence >&2; exec sleep 1000"]

[agents.stuck]
use = "exec"
command = ["sh", "-c", "trap '' TERM INT; echo last words before stuck >&2; sleep 1000 & while :; do wait; done"]

[agents.shot]
use = "exec"
command = ["sh", "-c", "echo last words before the shot >&2; kill -9 $$"]

[agents.flood]
use = "exec"
command = ["sh", "-c", "echo last words before the flood >&2; head -c 104857600 /dev/zero"]

[agents.garbled]
use = "exec"
output = "json"
command = ["printf", '"\377"']

[agents.chatty]
use = "exec"
output = "json"
command = ["sh", "-c", "echo last words before the answer >&2; echo I think so"]

[agents.gone]
use = "exec"
command = ["no-such-program"]
`

// faultPatterns ask the bad agent beside good ones; fatal.star ends with the first failure.
const (
	faultCollect = `
def ask(who, patience):
    name, task = who
    return agent(name).ask(task, timeout = patience if name != "good" else "60s").value

def main(bad, task, timeout):
    calls = [("good", "answer one"), (bad, task), ("good", "answer two"), ("good", "answer three")]
    out = parallel(ask, calls, patience = timeout, on_error = "collect")
    e = out.all[1].error
    return {"values": out.values, "failed": len(out.failed), "code": e.code, "agent": e.agent, "message": e.message}
`
	faultFatal = `
def main(bad, task, timeout):
    return agent(bad).ask(task, timeout = timeout).value
`
)

func faultProject(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := project(t, map[string]string{
		"parallax.toml": fmt.Sprintf(faultAgents, self),
		"collect.star":  faultCollect,
		"fatal.star":    faultFatal,
	})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "good"), 0o700))
	return dir
}

// TestFaults causes each fault in a run of the real program: the failure names the agent, what it did, its last stderr and the
// next step, the other branches keep their results, and no process is left.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		agent, task string
		code        string
		did, stderr string
		hint        string
	}{
		"crashes":              {"faulty", "crash", "unavailable", "ended in mid-call (exit status 7)", "last words before crash", "it is started again for the next call"},
		"panics":               {"faulty", "panic", "refused", "failed: panic: the agent has a bug", "", "this is a bug in the agent"},
		"hangs":                {"faulty", "hang", "timeout", "gave no answer within", "last words before hang", "give the call more time"},
		"ignores cancellation": {"faulty", "deaf", "timeout", "gave no answer within", "last words before deaf", "give the call more time"},
		"answers 100 MB":       {"faulty", "huge", "refused", "gave an answer of 104857602 bytes that goes on after byte 67108864", "last words before huge", "let it answer with less"},
		"answers bad UTF-8":    {"faulty", "utf8", "refused", "gave an answer that is not JSON: invalid JSON at byte 2", "last words before utf8", "this is a bug in the agent"},
		"answers bad JSON":     {"faulty", "raw {nope", "refused", "gave an answer that is not JSON: invalid JSON at byte 1", "last words before raw", "this is a bug in the agent"},

		"is not there":              {"absent", "x", "unavailable", `there is no program "no-such-program" on PATH`, "", "check `command` in parallax.toml"},
		"prints rubbish":            {"rubbish", "x", "unavailable", "printed something else than the handshake on stdout; it printed: hello, I am not an agent", "last words before rubbish", "an agent prints to stderr"},
		"ends before the handshake": {"ends", "x", "unavailable", "ended (exit status 3) before it was ready", "last words before the end", "try its command by hand: "},
		"is never ready":            {"silent", "x", "unavailable", "was not ready within 15s", "last words before silence", "try its command by hand: "},

		"command hangs":            {"stuck", "x", "timeout", "sh did not end within", "last words before stuck", "give the call more time"},
		"command is killed":        {"shot", "x", "refused", "sh was ended by a signal (signal: killed)", "last words before the shot", "run it by hand"},
		"command prints 100 MB":    {"flood", "x", "refused", "sh printed more than 4194304 bytes", "last words before the flood", "raise max_output"},
		"command prints bad UTF-8": {"garbled", "x", "refused", "printf printed something that is not JSON", "", "let it print one JSON value"},
		"command prints no JSON":   {"chatty", "x", "refused", "sh printed something that is not JSON", "last words before the answer", "let it print one JSON value"},
		"command is not there":     {"gone", "x", "refused", `there is no program "no-such-program" on PATH`, "", "install it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := faultProject(t)
			timeout := time.Minute * slower // a machine may be slow; only who hangs is to be waited for
			if c.code == string(runtime.Timeout) {
				timeout = 12 * time.Second
			}
			inputs := []string{"-i", "bad=" + c.agent, "-i", "task=" + c.task, "-i", "timeout=" + timeout.String()}
			r := parallaxIn(t, dir, append([]string{"run", "collect.star"}, inputs...)...)
			require.Equal(t, cli.Done, r.exit, r.stderr)
			var got struct {
				Values               []string
				Failed               int
				Code, Agent, Message string
			}
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &got), r.stdout)
			require.Equal(t, []string{"one", "two", "three"}, got.Values)
			require.Equal(t, 1, got.Failed)
			require.Equal(t, c.code, got.Code)
			require.Equal(t, c.agent, got.Agent)
			for _, want := range []string{fmt.Sprintf("agent %q", c.agent), c.did, c.stderr} {
				require.Contains(t, got.Message, want)
				require.Contains(t, r.stderr, want, "on the screen")
			}
			require.Contains(t, r.stderr, c.hint)
			requireNobody(t, dir)

			r = parallaxIn(t, dir, append([]string{"run", "-q", "fatal.star"}, inputs...)...)
			require.Equal(t, cli.PatternFailed, r.exit)
			require.Empty(t, r.stdout)
			require.Equal(t, 1, strings.Count(r.stderr, "parallax: "), "one message\n%s", r.stderr)
			for _, want := range []string{fmt.Sprintf("agent %q", c.agent), c.did, c.stderr, "fatal.star:3:", c.hint} {
				require.Contains(t, r.stderr, want)
			}
			requireNobody(t, dir)
		})
	}
}

// TestAgentsThatDoNotStartEndARunBeforeItBegins is for agents that the script names: nothing was asked by then.
func TestAgentsThatDoNotStartEndARunBeforeItBegins(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string][]string{
		"absent":  {`there is no program "no-such-program" on PATH`, "hint: "},
		"rubbish": {"printed something else than the handshake", "hello, I am not an agent", "last words before rubbish", "hint: "},
		"ends":    {"ended (exit status 3) before it was ready", "last words before the end", "hint: "},
	} {
		t.Run(agent, func(t *testing.T) {
			t.Parallel()
			dir := faultProject(t)
			script := fmt.Sprintf("def main():\n    return [agent(\"good\").ask(\"answer x\").value, agent(%q).ask(\"x\").value]\n", agent)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "named.star"), []byte(script), 0o600))
			r := parallaxIn(t, dir, "run", "named.star")
			require.Equal(t, cli.AgentStart, r.exit, r.stderr)
			require.Empty(t, r.stdout)
			require.Equal(t, 1, strings.Count(r.stderr, "parallax: "), "one message\n%s", r.stderr)
			for _, text := range append(want, fmt.Sprintf("agent %q", agent)) {
				require.Contains(t, r.stderr, text)
			}
			requireNobody(t, dir)
		})
	}
}

// busy runs agents that hang, do not listen, and have children, until they are all at work and a good one has answered.
const busy = `
def ask(who):
    return agent(who[0]).ask(who[1], timeout = "10m").value

def main():
    out = parallel(ask, [("good", "answer one"), ("faulty", "hang"), ("faulty", "deaf"), ("stuck", "x")], on_error = "collect")
    return out.values
`

// TestEndingARunLeavesNobody ends a run in the middle of its calls, in each way there is.
func TestEndingARunLeavesNobody(t *testing.T) {
	t.Parallel()
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // else, under nohup, parallax would be started with it ignored, and keep to that
	t.Cleanup(func() { signal.Stop(heard) })
	for name, c := range map[string]struct {
		signals []syscall.Signal
		exit    cli.Exit       // or
		killed  syscall.Signal // how the process ends
		deaf    bool           // it is started with Ctrl-C ignored, as a background job of a script is
	}{
		"kill -9":          {signals: []syscall.Signal{syscall.SIGKILL}, killed: syscall.SIGKILL},
		"Ctrl-C":           {signals: []syscall.Signal{syscall.SIGINT}, exit: cli.Stopped},
		"Ctrl-C twice":     {signals: []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, killed: syscall.SIGINT},
		"SIGTERM":          {signals: []syscall.Signal{syscall.SIGTERM}, exit: cli.Stopped},
		"background twice": {signals: []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, exit: cli.Stopped, deaf: true},
		"background":       {signals: []syscall.Signal{syscall.SIGINT}, exit: cli.Stopped, deaf: true},
		"closing terminal": {signals: []syscall.Signal{syscall.SIGHUP}, exit: cli.Stopped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := faultProject(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "busy.star"), []byte(busy), 0o600))
			s := startBusy(t, dir, c.deaf)
			require.NotEmpty(t, processes(t, dir))
			for i, sig := range c.signals {
				if i > 0 {
					s.until(t, func(e event) bool { return e.Kind == "agent.cancelled" })
				}
				require.NoError(t, s.cmd.Process.Signal(sig))
			}
			s.drain()
			err := s.cmd.Wait()
			exit, ok := errors.AsType[*exec.ExitError](err)
			require.True(t, ok, "%v", err)
			status := exit.Sys().(syscall.WaitStatus)
			if c.killed != 0 {
				require.True(t, status.Signaled(), "%v\n%s", exit, s.stderr.String())
				require.Equal(t, c.killed, status.Signal())
			} else {
				require.Equal(t, int(c.exit), exit.ExitCode(), s.stderr.String())
			}
			if c.killed == 0 && len(c.signals) == 1 {
				require.Contains(t, s.stderr.String(), "cancelled in")
				require.Regexp(t, `ok  good .*\(1\.0/1\)`, s.stderr.String(), "what was answered is still to be read")
			}
			requireNobody(t, dir)
			require.Eventually(t, func() bool {
				left, err := filepath.Glob(filepath.Join(dir, "px*"))
				return err == nil && len(left) == 0
			}, 20*time.Second, 20*time.Millisecond, "a temporary directory is left")
		})
	}
}

// session is a parallax in the middle of a run, read event by event.
type session struct {
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

type event struct{ Kind, Agent, Address string }

func startBusy(t *testing.T, dir string, deaf bool) *session {
	t.Helper()
	s := &session{cmd: parallaxCmd(t, dir, "run", "busy.star", "--events", "-")}
	if deaf {
		require.NoError(t, os.Symlink(s.cmd.Path, filepath.Join(dir, "parallax")))
		s.cmd.Path, s.cmd.Args = "/bin/sh", append([]string{"sh", "-c", `trap '' INT; exec ./parallax "$@"`}, s.cmd.Args...)
	}
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	s.lines = bufio.NewScanner(out)
	s.lines.Buffer(nil, 1<<20)
	working := make(map[string]bool)
	s.until(t, func(e event) bool {
		if e.Kind == "agent.progress" || e.Kind == "agent.answered" {
			working[e.Kind+e.Address] = true
		}
		return working["agent.answered1.0/1"] && working["agent.progress1.1/1"] && working["agent.progress1.2/1"] && working["agent.progress1.3/1"]
	})
	return s
}

// until reads events up to one that counts.
func (s *session) until(t *testing.T, counts func(event) bool) {
	t.Helper()
	for s.lines.Scan() {
		var e event
		require.NoError(t, json.Unmarshal(s.lines.Bytes(), &e), s.lines.Text())
		if counts(e) {
			return
		}
	}
	require.FailNow(t, "the run ended too early", "%v\n%s", s.lines.Err(), s.stderr.String())
}

func (s *session) drain() {
	for s.lines.Scan() {
	}
}

// outcome is how a command line ended.
type outcome struct {
	exit           cli.Exit
	stdout, stderr string
}

// parallaxIn runs one command line in dir to its end.
func parallaxIn(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	cmd := parallaxCmd(t, dir, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, cmd.ProcessState.ExitCode(), 0, "it hangs\n%s", stderr.String())
	return outcome{cli.Exit(cmd.ProcessState.ExitCode()), stdout.String(), stderr.String()}
}

// parallaxCmd is this test binary as parallax. It is killed when it takes longer than faultDeadline.
func parallaxCmd(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), faultDeadline)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = append([]string{"parallax"}, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// requireNobody waits until all processes of the runs in dir are gone. They have been killed by then, and are for the kernel
// and the keeper of agents to end.
func requireNobody(t *testing.T, dir string) {
	t.Helper()
	var left []string
	gone := func() bool {
		left = processes(t, dir)
		return len(left) == 0
	}
	require.Eventually(t, gone, 20*time.Second, 20*time.Millisecond, "%v", &left)
}

// processes lists the processes of runs in dir: agents and their children work there or below, and inherit it as TMPDIR.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	where, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	stats, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	var found []string
	for _, p := range stats {
		if pid, err := strconv.Atoi(filepath.Base(p)); err != nil || pid == os.Getpid() {
			continue
		}
		cwd, _ := os.Readlink(filepath.Join(p, "cwd")) // a process that has ended has none
		env, _ := os.ReadFile(filepath.Join(p, "environ"))
		if cwd == where || strings.HasPrefix(cwd, where+"/") || bytes.Contains(env, []byte(dir)) {
			line, _ := os.ReadFile(filepath.Join(p, "cmdline"))
			found = append(found, filepath.Base(p)+" "+string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// TestAnAnswerCannotCommandTheTerminal is about answers that are the result; everywhere else they are one line of clean text.
func TestAnAnswerCannotCommandTheTerminal(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"parallax.toml": "[agents.evil]\nuse = \"mock\"\nanswer = \"a\\u001b]0;owned\\u0007\\u001b[2Jb\"\n",
		"main.star":     "def main():\n    return agent(\"evil\").ask(\"x\").value\n",
	})
	s := terminal(t, dir, nil, "run", "-q", "main.star")
	require.Zero(t, s.Wait(t).ExitCode())
	require.Contains(t, s.Screen.String(), "a\uFFFD]0;owned\uFFFD\uFFFD[2Jb")
}
