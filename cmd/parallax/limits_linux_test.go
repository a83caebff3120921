package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
)

// limitedProject has an agent that writes down its calls, held to a limit.
func limitedProject(t *testing.T, limit, script string) (dir, log string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir = project(t, map[string]string{"main.star": script})
	log = filepath.Join(dir, "calls.log")
	manifest := fmt.Sprintf("[agents.worker]\nuse = \"plugin\"\ncommand = [%q, \"ledger\"]\nlog = %q\n%s", self, log, limit)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parallax.toml"), []byte(manifest), 0o600))
	return dir, log
}

// started waits until an agent's log has so many calls that began.
func started(t *testing.T, log string, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(log)
		return bytes.Count(text, []byte("start")) == n
	}, faultDeadline, 5*time.Millisecond)
}

func TestFourRunsShareTheSlotsOfAnAgent(t *testing.T) {
	t.Parallel()
	dir, log := limitedProject(t, "max_concurrency = 2\n", `
def ask(n):
    return agent("worker").ask("part %d after 5ms" % n).value

def main():
    return len(parallel(ask, range(10)).values)
`)
	var runs []*exec.Cmd
	for range 4 {
		cmd := parallaxCmd(t, dir, "run", "-q", "main.star")
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		runs = append(runs, cmd)
	}
	for _, cmd := range runs {
		require.NoError(t, cmd.Wait())
	}
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	now, done := 0, 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "start") {
			now++
		} else {
			now--
			done++
		}
		require.LessOrEqual(t, now, 2, string(text))
	}
	require.Equal(t, 40, done)
}

func TestAKilledRunFreesItsSlot(t *testing.T) {
	t.Parallel()
	dir, log := limitedProject(t, "max_concurrency = 1\n", `
def main(task):
    return agent("worker").ask(task, timeout = "5m").value
`)
	holder := parallaxCmd(t, dir, "run", "-q", "main.star", "--input", "task=long after 5m")
	require.NoError(t, holder.Start())
	started(t, log, 1)

	events := filepath.Join(dir, "events.jsonl")
	next := parallaxCmd(t, dir, "run", "-q", "--events", events, "main.star", "--input", "task=short")
	var out bytes.Buffer
	next.Stdout, next.Stderr = &out, os.Stderr
	require.NoError(t, next.Start())
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(events)
		return bytes.Contains(text, []byte(`"note":"waits for a slot of agent worker"`))
	}, faultDeadline, 5*time.Millisecond)
	r := parallaxIn(t, dir, "doctor")
	require.Contains(t, r.stdout, "limits of agent worker: 1 of 1 calls under way")

	require.NoError(t, holder.Process.Signal(syscall.SIGKILL))
	require.Error(t, holder.Wait())
	require.NoError(t, next.Wait())
	require.Equal(t, "did short\n", out.String())
	requireNobody(t, dir)
}

// front is a web service that at first asks for a pause.
type front struct {
	*httptest.Server

	mu    sync.Mutex
	pause string // that the next call is asked to wait, in seconds
	asked map[string]time.Time
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{pause: "2", asked: make(map[string]time.Time)}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call struct{ Task string }
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &call) != nil {
		http.Error(w, "what?", http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[call.Task] = time.Now()
	if f.pause != "" {
		w.Header().Set("Retry-After", f.pause)
		f.pause = ""
		http.Error(w, "not so fast", http.StatusTooManyRequests)
		return
	}
	_, _ = io.WriteString(w, `"fine"`)
}

func (f *front) when(t *testing.T, task string) time.Time {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Contains(t, f.asked, task)
	return f.asked[task]
}

// TestAPauseHoldsBackOtherRuns is about three runs of three agents in two projects that ask one service. The first is asked to wait; one
// that goes on meanwhile waits too, and so does one that starts later.
func TestAPauseHoldsBackOtherRuns(t *testing.T) {
	t.Parallel()
	service := newFront(t)
	home := t.TempDir()
	agents := fmt.Sprintf("[agents.web]\nuse = \"http\"\nurl = %q\n\n[agents.gate]\nuse = \"exec\"\ncommand = [\"sh\", \"-c\", \"echo >ready; until test -e go; do sleep 0.02; done\"]\ninput = \"none\"\n", service.URL)
	dir := project(t, map[string]string{
		"parallax.toml": agents,
		"gated.star":    "def main():\n    agent(\"gate\").ask(\"wait\", timeout = \"5m\")\n    return agent(\"web\").ask(\"during\").value\n",
		"first.star":    "def main():\n    return attempt(agent(\"web\").ask, \"first\", retry = retry(1)).error.code\n",
	})
	elsewhere := project(t, map[string]string{
		"parallax.toml": strings.ReplaceAll(agents, "agents.web", "agents.other"),
		"later.star":    "def main():\n    return agent(\"other\").ask(\"later\").value\n",
	})
	at := func(dir string, args ...string) *exec.Cmd {
		cmd := parallaxCmd(t, dir, args...)
		cmd.Env = append(cmd.Env, "XDG_STATE_HOME="+home)
		cmd.Stderr = os.Stderr
		return cmd
	}
	gated := at(dir, "run", "-q", "gated.star")
	require.NoError(t, gated.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err == nil
	}, faultDeadline, 5*time.Millisecond)
	out, err := at(dir, "run", "-q", "first.star").Output()
	require.NoError(t, err)
	require.Equal(t, "unavailable\n", string(out))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
	out, err = at(elsewhere, "run", "-q", "later.star").Output()
	require.NoError(t, err)
	require.Equal(t, "fine\n", string(out))
	require.NoError(t, gated.Wait())

	end := service.when(t, "first").Add(2 * time.Second)
	require.False(t, service.when(t, "during").Before(end))
	require.False(t, service.when(t, "later").Before(end))
}

// TestAProcessThatKeepsEndingIsNotStartedByTheNextRun is about an agent whose program ends in each call.
func TestAProcessThatKeepsEndingIsNotStartedByTheNextRun(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"parallax.toml": "[agents.broken]\nuse = \"plugin\"\ncommand = [\"./broken\"]\n",
		"main.star":     "def main():\n    return agent(\"broken\").ask(\"x\").value\n",
	})
	program := filepath.Join(dir, "broken")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nexit 3\n"), 0o700))
	for range 5 {
		r := parallaxIn(t, dir, "run", "-q", "main.star")
		require.Equal(t, cli.AgentStart, r.exit, r.stderr)
		require.Contains(t, r.stderr, "exit status 3")
		require.NotContains(t, r.stderr, "is not started again")
	}
	r := parallaxIn(t, dir, "run", "-q", "main.star")
	require.Equal(t, cli.AgentStart, r.exit, r.stderr)
	require.Regexp(t, `is not started again for (30|[12]\d)s: it ended 5 times within a minute, last before it was ready`, r.stderr)
	r = parallaxIn(t, dir, "agents", "ping", "broken")
	require.Contains(t, r.stderr, "exit status 3", "who asks why is told")

	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nexit 44\n"), 0o700))
	r = parallaxIn(t, dir, "run", "-q", "main.star")
	require.Contains(t, r.stderr, "exit status 44", "a program that was edited is another one")
}
