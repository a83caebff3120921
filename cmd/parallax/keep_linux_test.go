package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/testkit/torture"
	"github.com/parallax-run/parallax/runtime"
)

// lasting is a run with one call that is answered and one that takes a minute.
const lasting = `
def ask(task):
    return agent("worker").ask(task, timeout = "5m").value

def main():
    return parallel(ask, ["part 1", "part 2 after 60s"]).values
`

// lastingProject keeps its runs, and its agents write down what they are asked.
func lastingProject(t *testing.T) (dir, log string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir = project(t, map[string]string{"main.star": lasting})
	log = filepath.Join(dir, "calls.log")
	manifest := torture.Manifest(self, log) + "\n[state]\ndir = \"state\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parallax.toml"), []byte(manifest), 0o600))
	return dir, log
}

// startKept starts a kept run and waits until one agent has answered and the other is at work.
func startKept(t *testing.T, dir, log string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := parallaxCmd(t, dir, "run", "--keep", "--id", "kept", "--events", "events.jsonl", "main.star")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(log)
		told, _ := os.ReadFile(filepath.Join(dir, "events.jsonl"))
		return bytes.Count(text, []byte("start")) == 2 && bytes.Contains(told, []byte("agent.answered"))
	}, faultDeadline, 5*time.Millisecond)
	return cmd, &stderr
}

// quickWorker answers at once from now on.
const quickWorker = "[agents.worker]\nuse = \"mock\"\nanswer = \"did part 2\"\n"

func TestAnInterruptedRunIsSuspended(t *testing.T) {
	t.Parallel()
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // or a run would ignore it where these tests do, as under nohup
	t.Cleanup(func() { signal.Stop(heard) })
	for name, sig := range map[string]syscall.Signal{"Ctrl-C": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "closing terminal": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, log := lastingProject(t)
			cmd, stderr := startKept(t, dir, log)
			require.NoError(t, cmd.Process.Signal(sig))
			_ = cmd.Wait()
			require.Equal(t, int(cli.Suspended), cmd.ProcessState.ExitCode(), stderr)
			require.Contains(t, stderr.String(), "run kept is suspended: it was interrupted")
			require.Contains(t, stderr.String(), "hint: parallax resume kept goes on with it")
			require.Contains(t, stderr.String(), "suspended in")
			requireNobody(t, dir)

			before, err := os.ReadFile(log)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "quick.toml"), []byte(quickWorker), 0o600))
			r := parallaxIn(t, dir, "resume", "-q", "kept", "--agents", "quick.toml")
			require.Equal(t, cli.Done, r.exit, r.stderr)
			require.JSONEq(t, `["did part 1", "did part 2"]`, r.stdout)
			after, err := os.ReadFile(log)
			require.NoError(t, err)
			require.Equal(t, string(before), string(after), "who had answered was not asked again")
		})
	}
}

func TestAReplaySaysOfARunThatItGoesOn(t *testing.T) {
	t.Parallel()
	dir, log := lastingProject(t)
	cmd, stderr := startKept(t, dir, log)
	r := parallaxIn(t, dir, "replay", "kept")
	require.Equal(t, cli.Suspended, r.exit, r.stderr)
	require.Contains(t, r.stderr, fmt.Sprintf("run kept goes on in process %d; so far the record ends here: at 1.1/1", cmd.Process.Pid))
	require.Contains(t, r.stderr, "hint: parallax runs watch kept shows what it does")
	require.NotContains(t, r.stderr, "suspended")
	require.Contains(t, parallaxIn(t, dir, "replay", "kept", "--json").stdout, `"status":"running"`)

	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait()
	require.Equal(t, int(cli.Suspended), cmd.ProcessState.ExitCode(), stderr.String())
	r = parallaxIn(t, dir, "replay", "kept")
	require.Contains(t, r.stderr, "run kept is suspended: the record ends here")
}

// TestAStoppedOwnerHoldsNobodyUp stops the process that owns the store, as Ctrl-Z does, under others.
func TestAStoppedOwnerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	dir, log := lastingProject(t)
	owner, ownerErr := startKept(t, dir, log)
	other := parallaxCmd(t, dir, "run", "-q", "--keep", "--id", "other", "main.star")
	var otherErr bytes.Buffer
	other.Stderr = &otherErr
	require.NoError(t, other.Start())
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(log)
		return bytes.Count(text, []byte("start")) == 4 && strings.Contains(parallaxIn(t, dir, "runs", "show", "other").stdout, "did part 1")
	}, faultDeadline, 20*time.Millisecond)

	pid := owner.Process.Pid
	require.NoError(t, owner.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return bytes.Contains(stat, []byte(") T "))
	}, faultDeadline, time.Millisecond)

	require.NoError(t, other.Process.Signal(syscall.SIGINT))
	_ = other.Wait()
	require.Equal(t, int(cli.Suspended), other.ProcessState.ExitCode(), otherErr.String())
	require.Contains(t, otherErr.String(), "parallax resume other goes on with it")

	for _, args := range [][]string{{"runs", "list"}, {"resume", "other"}, {"run", "--keep", "main.star"}} {
		cmd := parallaxCmd(t, dir, args...)
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(stderr)
		for lines.Scan() && !strings.Contains(lines.Text(), "waiting: ") {
		}
		require.Contains(t, lines.Text(), fmt.Sprintf("process %d owns it and is stopped", pid), args)
		require.True(t, lines.Scan())
		require.Contains(t, lines.Text(), fmt.Sprintf("hint: kill -CONT %d lets it go on", pid), args)
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		for lines.Scan() {
		}
		_ = cmd.Wait()
		require.Equal(t, int(cli.Stopped), cmd.ProcessState.ExitCode(), args)
	}
	r := parallaxIn(t, dir, "doctor")
	require.Contains(t, r.stdout+r.stderr, fmt.Sprintf("process %d owns it and is stopped", pid))

	require.NoError(t, owner.Process.Signal(syscall.SIGCONT))
	require.NoError(t, owner.Process.Signal(syscall.SIGINT))
	_ = owner.Wait()
	require.Equal(t, int(cli.Suspended), owner.ProcessState.ExitCode(), ownerErr.String())
	requireNobody(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "quick.toml"), []byte(quickWorker), 0o600))
	for _, run := range []string{"kept", "other"} {
		r := parallaxIn(t, dir, "resume", "-q", run, "--agents", "quick.toml")
		require.Equal(t, cli.Done, r.exit, r.stderr)
		require.JSONEq(t, `["did part 1", "did part 2"]`, r.stdout)
	}
}

func TestASecondInterruptEndsAKeptRunAtOnce(t *testing.T) {
	t.Parallel()
	dir, log := lastingProject(t)
	cmd, _ := startKept(t, dir, log)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT)) // it may end of the first
	_ = cmd.Wait()
	requireNobody(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "quick.toml"), []byte(quickWorker), 0o600))
	r := parallaxIn(t, dir, "resume", "-q", "kept", "--agents", "quick.toml")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	require.JSONEq(t, `["did part 1", "did part 2"]`, r.stdout)
}

func TestARunIsCancelledFromElsewhere(t *testing.T) {
	t.Parallel()
	dir, log := lastingProject(t)
	cmd, stderr := startKept(t, dir, log)
	held := parallaxIn(t, dir, "resume", "kept")
	require.Equal(t, cli.Usage, held.exit)
	require.Contains(t, held.stderr, fmt.Sprintf("run kept is held by process %d", cmd.Process.Pid))
	r := parallaxIn(t, dir, "cancel", "kept", "--json")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	require.Contains(t, r.stdout, `"status":"cancelled","live":false,"kind":"cancel"`)
	_ = cmd.Wait()
	require.Equal(t, int(cli.Stopped), cmd.ProcessState.ExitCode(), stderr)
	require.Contains(t, stderr.String(), "cancelled by")
	requireNobody(t, dir)
	r = parallaxIn(t, dir, "resume", "kept")
	require.Equal(t, cli.Stopped, r.exit)
	require.Contains(t, r.stderr, "run kept has ended already: cancelled")
}

func TestARunThatWaitsHearsOfDecisionsAndSignals(t *testing.T) {
	t.Parallel()
	dir, log := lastingProject(t)
	script := `
def main():
    agent("worker").ask("part 1")
    return [approve("Go?", options = ["yes", "no"]).choice, wait_for("size")]
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.star"), []byte(script), 0o600))
	cmd := parallaxCmd(t, dir, "run", "-q", "--keep", "--wait", "--id", "kept", "main.star")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(log)
		return bytes.Contains(text, []byte("done")) && strings.Contains(parallaxIn(t, dir, "approve", "kept").stdout, `2  "Go?"  yes | no`)
	}, faultDeadline, 20*time.Millisecond)
	require.Equal(t, cli.Done, parallaxIn(t, dir, "signal", "kept", "size", "3").exit)
	r := parallaxIn(t, dir, "approve", "kept", "yes")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	require.Contains(t, r.stderr, fmt.Sprintf("process %d goes on with it", cmd.Process.Pid))
	require.NoError(t, cmd.Wait(), stderr.String())
	require.JSONEq(t, `["yes", 3]`, stdout.String())
}

// TestOthersEndBeforeARunIsSuspended is about money: a call that is cut off would be paid for twice.
func TestOthersEndBeforeARunIsSuspended(t *testing.T) {
	t.Parallel()
	dir, log := lastingProject(t)
	script := `
def work(n):
    return agent("worker").ask("part %d after 300ms" % n).value
def main():
    return gather(defer(approve, "Go?"), defer(work, 1), defer(work, 2)).values[1:]
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.star"), []byte(script), 0o600))
	r := parallaxIn(t, dir, "run", "-q", "--keep", "--id", "kept", "main.star")
	require.Equal(t, cli.NeedsPerson, r.exit, r.stderr)
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), "done"), string(text))
	require.Equal(t, cli.Done, parallaxIn(t, dir, "approve", "kept", "approve").exit)
	r = parallaxIn(t, dir, "resume", "-q", "kept")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	require.JSONEq(t, `["did part 1", "did part 2"]`, r.stdout)
	text, err = os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), "start"), string(text))
}

// TestAFullDiskSuspendsARun fills a disk of 128 MiB, which nobody else sees, while an agent works.
func TestAFullDiskSuspendsARun(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := project(t, map[string]string{
		"parallax.toml": `
[agents.sh]
use = "exec"
output = "text"
command = ["sh", "-c", "cat >task; if grep -q fill task && ! test -e filled; then touch filled; head -c 200M /dev/zero >small/filler; fi 2>/dev/null; echo called >>calls.log; echo ok"]

[state]
dir = "small/state"
`,
		"main.star": "def main():\n    return [agent(\"sh\").ask(task).value for task in [\"one\", \"fill\", \"three\"]]\n",
	})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "small"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "bin", "parallax")))
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `
mount -t tmpfs -o size=128m none small || exit 99
parallax run -q --id kept main.star
echo "exit $?"
rm small/filler
parallax resume -q kept
echo "exit $?"
wc -l <calls.log`)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "this test mounts a small disk, for which the kernel must allow user namespaces; %s", &stderr)
	require.Equal(t, "exit 8\n[\n  \"ok\",\n  \"ok\",\n  \"ok\"\n]\nexit 0\n4\n", string(out), stderr.String())
	require.Contains(t, stderr.String(), "run kept is suspended: there is no room to write to "+filepath.Join(dir, "small", "state"))
	require.Contains(t, stderr.String(), "hint: make room there; then parallax resume kept")
}

// TestARunOfAnotherLanguageIsNotResumed is about records of other versions: they say which can go on.
func TestARunOfAnotherLanguageIsNotResumed(t *testing.T) {
	t.Parallel()
	dir, _ := lastingProject(t)
	s, err := badger.Open(filepath.Join(dir, "state"), badger.Options{})
	require.NoError(t, err)
	record := badger.Record{ID: "other", Name: "main.star", ABI: "99", Version: "9.9.0", Status: badger.Suspended, Started: time.Now()}
	require.NoError(t, s.Create(record))
	gone := filepath.Join(dir, "gone")
	record.ID, record.ABI, record.Root, record.Manifest = "moved", runtime.ABI, gone, filepath.Join(gone, "parallax.toml")
	digest, err := s.Put([]byte("def main():\n    return 1\n"))
	require.NoError(t, err)
	record.Sources = map[string]string{"main.star": digest}
	require.NoError(t, s.Create(record))
	require.NoError(t, s.Close())
	for _, command := range []string{"resume", "replay"} {
		r := parallaxIn(t, dir, command, "other")
		require.Equal(t, cli.Usage, r.exit)
		require.Contains(t, r.stderr, "run other was started by parallax 9.9.0, whose language (99) is not that of this one")
		require.Contains(t, r.stderr, "hint: install parallax 9.9.0 to go on with it")
	}
	r := parallaxIn(t, dir, "resume", "moved")
	require.Equal(t, cli.Usage, r.exit)
	require.Contains(t, r.stderr, "which is not there any more")
	require.Contains(t, r.stderr, "--agents FILE")
}

func TestAPersonElsewhereMayAnswerInsteadOfTheOneAtTheTerminal(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"parallax.toml": "[state]\ndir = \"state\"\n",
		"main.star":     "def main():\n    return [approve(\"Go?\").by, approve(\"Again?\").by]\n",
	})
	s := terminal(t, dir, nil, "run", "--id", "kept", "main.star")
	s.Until(t, "? Go?")
	cmd := parallaxCmd(t, dir, "approve", "kept", "approve")
	cmd.Env = append(cmd.Env, "USER=grace")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	s.Until(t, "? Again?")
	s.Type(t, "1\r")
	require.Zero(t, s.Wait(t).ExitCode())
	require.Contains(t, s.Screen.String(), `"grace"`)
	require.Contains(t, s.Screen.String(), `"ada"`)
}
