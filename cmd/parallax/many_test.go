package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
)

// manyPattern makes twenty calls, some beside one another.
const manyPattern = `
def ask(n):
    return agent("worker").ask("part %d" % n, n = n).value["n"]

def main(k):
    out = 0
    for step in range(4):
        out += len(parallel(ask, range(5)).values)
    return [k, out]
`

// TestTenRunsAtOnceKeepTheirRecordsInOneStore starts ten processes that run and record, others that list, and one for each run that watches it.
// All of them share one store, which some own for a while and others take over.
func TestTenRunsAtOnceKeepTheirRecordsInOneStore(t *testing.T) {
	t.Parallel()
	const runs = 10
	dir := project(t, map[string]string{
		"parallax.toml": "[agents.worker]\nuse = \"mock\"\necho = true\ndelay = \"40ms\"\n",
		"many.star":     manyPattern,
	})
	var all sync.WaitGroup
	ended := make(chan struct{})
	for k := range runs {
		id := fmt.Sprint("r", k)
		cmd := parallaxCmd(t, dir, "run", "-q", "--keep", "--id", id, "many.star", "--input", fmt.Sprint("k=", k))
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Start())
		all.Go(func() {
			if err := cmd.Wait(); err != nil || strings.Join(strings.Fields(stdout.String()), "") != fmt.Sprintf("[%d,20]", k) {
				t.Errorf("%s: %v\n%s%s", id, err, stdout.String(), stderr.String())
			}
		})
	}
	go func() { defer close(ended); all.Wait() }()

	var watchers sync.WaitGroup
	watched := make(map[string]bool)
	for over := false; !over || len(watched) < runs; {
		select {
		case <-ended:
			over = true
		default:
		}
		for _, r := range listed(t, dir) {
			require.Contains(t, []string{"running", "done", "lost"}, r.Status, "a run is lost for the moment in which it is begun")
			if !watched[r.Run] {
				watched[r.Run] = true
				cmd := parallaxCmd(t, dir, "runs", "watch", r.Run, "--json")
				var stdout, stderr strings.Builder
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				require.NoError(t, cmd.Start())
				watchers.Go(func() {
					if err := cmd.Wait(); err != nil {
						t.Errorf("watching %s: %v\n%s", r.Run, err, stderr.String())
						return
					}
					wholeStory(t, r.Run, stdout.String())
				})
			}
		}
	}
	watchers.Wait()
	list := listed(t, dir)
	require.Len(t, list, runs)
	for _, r := range list {
		require.Equal(t, "done", r.Status, r.Run)
		require.Equal(t, 20, r.Calls, r.Run)
	}
	requireNobody(t, dir)
}

// listed is what parallax runs says.
func listed(t *testing.T, dir string) []listedRun {
	t.Helper()
	r := parallaxIn(t, dir, "runs", "--json")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	var list []listedRun
	for line := range strings.Lines(r.stdout) {
		var one listedRun
		require.NoError(t, json.Unmarshal([]byte(line), &one))
		list = append(list, one)
	}
	return list
}

type listedRun struct {
	Run, Status string
	Calls       int
}

// wholeStory checks that whoever watched a run missed nothing of it, and saw nothing twice.
func wholeStory(t *testing.T, run, out string) {
	t.Helper()
	count := make(map[string]int)
	last := ""
	answered := make(map[string]bool)
	for line := range strings.Lines(out) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("watching %s: %v: %s", run, err, line)
			return
		}
		last = e.Kind
		count[e.Kind]++
		if e.Kind == "agent.answered" {
			answered[e.Address] = true
		}
	}
	if last != "run.done" || count["run.started"] != 1 || count["agent.called"] != 20 || count["agent.answered"] != 20 || len(answered) != 20 ||
		count["fork.started"] != 4 || count["fork.ended"] != 4 || count["branch.started"] != 20 || count["branch.done"] != 20 {
		t.Errorf("watching %s: the last event is %q, and there are %v", run, last, count)
	}
}

// A run whose process was killed is lost, which the list says with the next step, and whoever watches is told.
func TestARunWhoseProcessIsKilledIsLost(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"parallax.toml": "[agents.worker]\nuse = \"mock\"\necho = true\ndelay = \"1h\"\n",
		"main.star":     "def main():\n    return agent(\"worker\").ask(\"x\", timeout = \"2h\").value\n",
	})
	run := parallaxCmd(t, dir, "run", "-q", "--keep", "--id", "r", "main.star")
	require.NoError(t, run.Start())
	require.Eventually(t, func() bool {
		list := listed(t, dir)
		return len(list) == 1 && list[0].Status == "running" && list[0].Calls == 1
	}, 30*time.Second*slower, 10*time.Millisecond)

	r := parallaxIn(t, dir, "runs", "rm", "r", "--yes")
	require.Equal(t, cli.Usage, r.exit)
	require.Contains(t, r.stderr, fmt.Sprintf("run r goes on in process %d and cannot be removed", run.Process.Pid))
	r = parallaxIn(t, dir, "gc", "--max-age", "1ms")
	require.Equal(t, cli.Done, r.exit, r.stderr)

	watch := parallaxCmd(t, dir, "runs", "watch", "r")
	var stderr strings.Builder
	watch.Stderr = &stderr
	require.NoError(t, watch.Start())
	require.NoError(t, run.Process.Kill())
	_ = run.Wait()
	_ = watch.Wait()
	require.Equal(t, int(cli.Suspended), watch.ProcessState.ExitCode(), stderr.String())
	require.Contains(t, stderr.String(), "its process ended without a word: go on with parallax resume r")
	r = parallaxIn(t, dir, "runs")
	require.Regexp(t, `\nr +main\.star +lost `, r.stdout)
	require.Contains(t, r.stderr, "1 lost: go on with parallax resume r")
	r = parallaxIn(t, dir, "runs", "rm", "r", "--yes")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	requireNobody(t, dir)
}
