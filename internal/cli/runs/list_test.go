package runs_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

func TestWhereNothingIsKeptThereIsNothingToList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, args := range [][]string{{"runs"}, {"runs", "list"}} {
		o := d.run(args...)
		require.Equal(t, cli.Done, o.exit)
		require.Empty(t, o.stdout)
		require.Contains(t, o.stderr, "no run is kept in "+d.state+" yet: parallax run --keep keeps one")
	}
	require.NoDirExists(t, d.state, "looking makes no store")
	require.Empty(t, d.run("runs", "--json").stderr)
	for _, args := range [][]string{{"runs", "show", "x"}, {"runs", "watch", "x"}, {"runs", "rm", "x", "--yes"}, {"runs", "report", "x", "--html", "x.html"}} {
		o := d.run(args...)
		require.Equal(t, cli.Usage, o.exit)
		require.Contains(t, o.stderr, `there is no run "x" in `+d.state)
		require.Contains(t, o.stderr, "hint: parallax runs lists those that are kept; parallax run --keep keeps one")
	}
	require.NoDirExists(t, d.state)
}

// shelf keeps runs that stand in each way there is.
func shelf(t *testing.T) (*desk, *badger.Store) {
	t.Helper()
	d := newDesk(t)
	s := d.store()
	day := time.Now().UTC().Add(-26 * time.Hour)
	for i, r := range []badger.Record{
		{ID: "a1", Pattern: "review.star", Status: badger.Done, Started: day, Ended: day.Add(90 * time.Second), Calls: 12, Usage: runtime.Usage{InputTokens: 5, CostMicroUSD: 20_000}},
		{ID: "a2", Pattern: "talks/jury.star", Status: badger.Failed, Started: day.Add(time.Hour), Ended: day.Add(2 * time.Hour), Error: runtime.Errorf(runtime.Refused, "no")},
		{ID: "b1", Pattern: "talks/jury.star", Status: badger.Suspended, Started: day.Add(25 * time.Hour), Why: "waits for a person", Calls: 2},
		{ID: "b2", Pattern: "evil\x1b[2J.star", Status: badger.Running, Started: day.Add(25*time.Hour + time.Minute)},
		{ID: "b3", Pattern: "review.star", Status: badger.Running, Started: day.Add(25*time.Hour + 2*time.Minute)},
	} {
		require.NoError(t, s.Create(r), i)
	}
	_, err := s.Lease("b3")
	require.NoError(t, err)
	return d, s
}

func TestRunsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	d, _ := shelf(t)
	o := d.run("runs")
	require.Equal(t, cli.Done, o.exit)
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	require.Len(t, lines, 6)
	require.Regexp(t, `^ID +PATTERN +STATUS +STARTED +TOOK +CALLS +COST$`, lines[0])
	require.Regexp(t, `^b3  review\.star +running +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +58 min \d+ s +0 +-$`, lines[1])
	require.Regexp(t, `^b2  evil \[2J\.star +lost +.* - +0 +-$`, lines[2], "what could steer a terminal does not")
	require.Regexp(t, `^b1  talks/jury\.star +suspended +.* - +2 +-$`, lines[3])
	require.Regexp(t, `^a2  talks/jury\.star +failed +.* 1 h 0 min +0 +-$`, lines[4])
	require.Regexp(t, `^a1  review\.star +done +.* 1 min 30 s +12 +\$0\.02$`, lines[5])
	require.Equal(t, "1 lost: go on with parallax resume b2\n1 suspended: go on with parallax resume b1\n", o.stderr)
}

func TestRunsAreFiltered(t *testing.T) {
	t.Parallel()
	d, _ := shelf(t)
	for want, args := range map[string]string{
		"b3 a1":          "--pattern review*",
		"b1 a2":          "--pattern jury.star",
		"a2":             "--status failed",
		"b2":             "--status lost",
		"b3":             "--status running",
		"b3 b2 b1":       "--since 24h",
		"b3 b2 b1 a2 a1": "--since 2d",
		"b3 b2":          "--limit 2",
		"a1":             "--pattern review.star --status done --since 2w --limit 1",
	} {
		for _, list := range [][]string{{"runs"}, {"runs", "list"}} {
			var ids []string
			for line := range strings.Lines(d.ok(append(append(list, "--json"), strings.Fields(args)...)...)) {
				var r struct{ Run string }
				require.NoError(t, json.Unmarshal([]byte(line), &r))
				ids = append(ids, r.Run)
			}
			require.Equal(t, want, strings.Join(ids, " "), args)
		}
	}
	require.Contains(t, d.run("runs", "--limit", "2").stderr, "there are more: --limit 0 lists all")
	require.NotContains(t, d.run("runs", "--limit", "5").stderr, "there are more")
	require.Contains(t, d.run("runs", "--pattern", "nothing").stderr, "no such run is kept in "+d.state)
	for args, want := range map[string]string{
		"--status runing":   "did you mean running?",
		"--status x":        "there are running, suspended, done, failed, cancelled, lost",
		"--since yesterday": "give a time such as 90s, 24h, 30d or 2w",
		"--limit -1":        "--limit cannot be -1",
		"--pattern [":       `--pattern cannot be "["`,
		"lst":               `did you mean "parallax runs list"?`,
	} {
		o := d.run(append([]string{"runs"}, strings.Fields(args)...)...)
		require.Equal(t, cli.Usage, o.exit, args)
		require.Contains(t, o.stderr, want)
	}
}

func TestAListForPrograms(t *testing.T) {
	t.Parallel()
	d, _ := shelf(t)
	var list []map[string]any
	for line := range strings.Lines(d.ok("runs", "--json")) {
		var r map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		list = append(list, r)
	}
	require.Len(t, list, 5)
	require.NotZero(t, list[0]["pid"])
	require.Equal(t, "parallax runs watch b3", list[0]["next"])
	require.Equal(t, "lost", list[1]["status"])
	require.Equal(t, "evil\x1b[2J.star", list[1]["pattern"])
	require.Equal(t, "waits for a person", list[2]["why"])
	require.Equal(t, "parallax resume b1", list[2]["next"])
	require.NotContains(t, list[4], "next")
	require.InDelta(t, 90, list[4]["seconds"], 1e-9)
	require.Equal(t, map[string]any{"input_tokens": 5.0, "cost_microusd": 20000.0}, list[4]["usage"])
}

func TestCallsOfARunThatGoesOnAreCounted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.store()
	require.NoError(t, s.Create(badger.Record{ID: "r", Pattern: "p.star", Started: time.Now(), Status: badger.Running}))
	l, err := s.Lease("r")
	require.NoError(t, err)
	for n := range 3 {
		call := runtime.AgentCall{Agent: "ada", Task: "x"}
		require.NoError(t, l.Append("r", runtime.Fact{
			Addr: runtime.Address{N: n + 1}, Kind: runtime.Done, At: time.Now(), Request: runtime.Request(call),
			Outcome: runtime.Null, Attempt: 1, Usage: runtime.Usage{CostMicroUSD: 10_000},
		}))
	}
	require.Regexp(t, `r +p\.star +running .* 3 +\$0\.03\n$`, d.ok("runs"))
}

func TestRunsAreRemoved(t *testing.T) {
	t.Parallel()
	d, s := shelf(t)
	o := d.run("runs", "rm", "a1", "b3", "--yes")
	require.Equal(t, cli.Usage, o.exit)
	require.Contains(t, o.stderr, "run b3 goes on in process")
	require.Contains(t, o.stderr, "hint: parallax cancel b3 ends it")
	o = d.run("runs", "rm", "a1", "nobody", "b", "--yes")
	require.Equal(t, cli.Usage, o.exit)
	require.Contains(t, o.stderr, `there is no run "nobody"`)
	require.Contains(t, o.stderr, `"b" may mean b1, b2, b3`)
	require.Contains(t, o.stderr, "hint: give more of the id")
	o = d.run("runs", "rm", "a1")
	require.Equal(t, cli.Usage, o.exit)
	require.Contains(t, o.stderr, "hint: give --yes")
	_, err := s.Record("a1")
	require.NoError(t, err, "all of them or none")

	d.ok("runs", "rm", "a1", "a1", "b2", "--yes")
	_, err = s.Record("a1")
	require.ErrorIs(t, err, badger.ErrNotFound)
	require.Equal(t, 4, strings.Count(d.ok("runs"), "\n"))
	require.Equal(t, cli.Usage, d.run("runs", "rm").exit)
}
