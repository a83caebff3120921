package runs_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// told gives kind, address or branch, and name of each event that watch printed.
func told(t *testing.T, out string) []string {
	t.Helper()
	var list []string
	seq := uint64(0)
	for line := range strings.Lines(out) {
		var e struct {
			Seq                                           uint64
			Kind, Run, Address, Branch, Name, Agent, Text string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &e), line)
		seq++
		require.Equal(t, seq, e.Seq)
		where := e.Address
		if strings.HasPrefix(e.Kind, "branch.") {
			where = e.Branch
		}
		list = append(list, strings.Join(strings.Fields(e.Run+" "+e.Kind+" "+where+" "+e.Name+e.Agent+" "+e.Text), " "))
	}
	return list
}

func TestARunThatEndedIsToldFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.NoError(t, keeps(t.Context(), t, d.store(), "talk", talk, office{}))
	require.Equal(t, []string{
		"talk run.started p.star", "talk phase 1 Think", "talk log 2 begun", "talk fork.started 3 parallel",
		"talk branch.started 3.0 say one", "talk agent.called 3.0/1 ada say one", "talk agent.answered 3.0/1 ada",
		"talk branch.started 3.1 fail", "talk agent.called 3.1/1 ada fail", "talk agent.failed 3.1/1 ada",
		"talk branch.started 3.2 say three", "talk agent.called 3.2/1 ada say three", "talk agent.answered 3.2/1 ada",
		"talk branch.failed 3.1", "talk branch.done 3.0", "talk branch.done 3.2", "talk fork.ended 3 parallel",
	}, ordered(told(t, d.ok("runs", "watch", "talk", "--json")))[:17])
	out := told(t, d.ok("runs", "watch", "talk", "--json"))
	for _, want := range []string{
		"talk agent.cancelled 4.0/1 ada", "talk branch.cancelled 4.0", "talk branch.done 4.1", "talk fork.ended 4 race",
		"talk child.started 5 :child.star talk/5", "talk/5 run.started :child.star", "talk/5 agent.answered 1 bo", "talk/5 run.done", "talk child.ended 5 :child.star talk/5",
		"talk run.done",
	} {
		require.Contains(t, out, want)
	}
	require.Equal(t, "talk run.done", out[len(out)-1])

	o := d.run("runs", "watch", "talk")
	require.Equal(t, cli.Done, o.exit)
	require.Contains(t, o.stderr, "parallel of 3 branches (3)")
	require.Contains(t, o.stderr, "fail ada")
	require.Regexp(t, `✓ done in .*, 2 agents, 6 calls, 5 branches, 1 failed, 60 tokens, \$0\.0075`, o.stderr)
}

// ordered gives what branches did in parallel in the order of the branches.
func ordered(list []string) []string {
	at := regexp.MustCompile(` 3\.(\d)(?:/1)? `)
	var rest, first []string
	branches := make([][]string, 3)
	for i, s := range list {
		m := at.FindStringSubmatch(s + " ")
		if m == nil || strings.Contains(s, "branch.done") || strings.Contains(s, "branch.failed") {
			if first == nil && strings.Contains(s, "branch.") {
				first = list[:i]
			}
			rest = append(rest, s)
			continue
		}
		branches[m[1][0]-'0'] = append(branches[m[1][0]-'0'], s)
	}
	head := 4
	out := append([]string{}, rest[:head]...)
	for _, b := range branches {
		out = append(out, b...)
	}
	return append(out, rest[head:]...)
}

func TestARunIsFollowedWhileItGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	gate := make(chan struct{})
	ended := make(chan error, 1)
	s := d.store()
	go func() {
		ended <- keeps(t.Context(), t, s, "live", "def main():\n    a = agent(\"ada\").ask(\"say first\").value\n    return [a, agent(\"ada\").ask(\"wait\").value]\n", office{gate: gate})
	}()
	require.Eventually(t, func() bool { facts, err := s.Facts("live"); return err == nil && len(facts) >= 4 }, 10*time.Second, time.Millisecond)
	require.Contains(t, d.ok("runs"), "running")
	open := make(chan struct{})
	go func() { defer close(open); close(gate) }() // while it is watched, or just before
	out := told(t, d.ok("runs", "watch", "live", "--json"))
	<-open
	require.NoError(t, <-ended)
	require.Equal(t, []string{
		"live run.started p.star", "live agent.called 1 ada say first", "live agent.answered 1 ada", "live agent.called 2 ada wait",
		"live agent.answered 2 ada", "live run.done",
	}, out)
}

func TestCtrlCEndsTheWatchingAndNotTheRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.store()
	gate := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- keeps(t.Context(), t, s, "live", "def main():\n    return agent(\"ada\").ask(\"wait\").value\n", office{gate: gate})
	}()
	require.Eventually(t, func() bool { facts, err := s.Facts("live"); return err == nil && len(facts) >= 2 }, 10*time.Second, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	o := d.seen(ctx, strings.NewReader(""), func(text string) {
		if strings.Contains(text, "ada") { // it shows the call that the run waits for
			cancel()
		}
	}, "runs", "watch", "live")
	require.Equal(t, cli.Stopped, o.exit)
	require.Contains(t, o.stderr, "the run goes on: parallax runs watch live follows it again, parallax cancel live ends it")
	close(gate)
	require.NoError(t, <-ended)
	r, err := s.Record("live")
	require.NoError(t, err)
	require.Equal(t, badger.Done, r.Status)
}

func TestTheExitCodeOfWatchIsThatOfTheRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.store()
	require.Error(t, keeps(t.Context(), t, s, "bad", "def main():\n    agent(\"ada\").ask(\"fail\")\n", office{}))
	o := d.run("runs", "watch", "bad")
	require.Equal(t, cli.PatternFailed, o.exit)
	require.Contains(t, o.stderr, "✗ failed in")
	require.Contains(t, o.stderr, "parallax: ")
	require.Contains(t, o.stderr, "not this one")

	require.NoError(t, s.Create(badger.Record{ID: "paused", Status: badger.Suspended, Why: "a person is to decide", Started: time.Now()}))
	o = d.run("runs", "watch", "paused")
	require.Equal(t, cli.Suspended, o.exit)
	require.Contains(t, o.stderr, "a person is to decide: go on with parallax resume paused")

	require.NoError(t, s.Create(badger.Record{ID: "gone", Status: badger.Running, Started: time.Now()}))
	o = d.run("runs", "watch", "gone")
	require.Equal(t, cli.Suspended, o.exit)
	require.Contains(t, o.stderr, "its process ended without a word: go on with parallax resume gone")

	require.NoError(t, s.Create(badger.Record{ID: "stopped", Status: badger.Cancelled, Error: runtime.ErrCancelled(), Started: time.Now()}))
	require.Equal(t, cli.Stopped, d.run("runs", "watch", "stopped").exit)
	_, err := os.Stat(d.state)
	require.NoError(t, err)
}
