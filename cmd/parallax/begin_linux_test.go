package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/testkit/torture"
)

// killedAtItsBeginning starts a command and kills it as soon as the run that it makes is seen in the store.
func killedAtItsBeginning(t *testing.T, dir, run string, args ...string) {
	t.Helper()
	s, err := badger.Open(filepath.Join(dir, "state"), badger.Options{})
	require.NoError(t, err)
	cmd := parallaxCmd(t, dir, args...)
	require.NoError(t, cmd.Start())
	for deadline := time.Now().Add(faultDeadline); ; {
		_, err := s.Record(run)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, badger.ErrNotFound)
		require.True(t, time.Now().Before(deadline), "the run is not made")
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.NoError(t, s.Close())
}

const fourTimes = `
def main():
    def ask(task):
        return agent("worker").ask(task).value
    return [ask("one"), ask("two"), ask("three"), ask("last")]
`

// TestAForkThatIsKilledAtItsBeginningHasWhatCameBefore counts what agents are asked by the fork and by those that go on with it.
func TestAForkThatIsKilledAtItsBeginningHasWhatCameBefore(t *testing.T) {
	t.Parallel()
	dir, log := lastingProject(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.star"), []byte(fourTimes), 0o600))
	r := parallaxIn(t, dir, "run", "-q", "--keep", "--id", "old", "main.star")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	for i := range 3 {
		require.NoError(t, os.Remove(log))
		id := fmt.Sprint("f", i)
		killedAtItsBeginning(t, dir, id, "replay", "-q", "old", "--from", "4", "--id", id)
		again := parallaxIn(t, dir, "resume", "-q", id)
		if !strings.Contains(again.stderr, "has ended already") {
			require.Equal(t, cli.Done, again.exit, again.stderr)
			require.Equal(t, r.stdout, again.stdout)
		}
		calls, err := torture.Entries(log)
		require.NoError(t, err)
		require.NotEmpty(t, calls)
		for _, c := range calls {
			require.Equal(t, calls[0].ID, c.ID, "only the last is asked")
		}
	}
}

// TestARunThatIsKilledAtItsBeginningHasItsSignals takes as many as the command line gave.
func TestARunThatIsKilledAtItsBeginningHasItsSignals(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"parallax.toml": "[state]\ndir = \"state\"\n",
		"main.star":     "def main():\n    return [wait_for(\"go\") for _ in range(12)]\n",
	})
	args := []string{"run", "-q", "--keep", "main.star"}
	for n := range 12 {
		args = append(args, "--signal", fmt.Sprintf("go=%d", n))
	}
	for i := range 3 {
		id := fmt.Sprint("r", i)
		killedAtItsBeginning(t, dir, id, append(args, "--id", id)...)
		r := parallaxIn(t, dir, "resume", "-q", id)
		if !strings.Contains(r.stderr, "has ended already") {
			require.Equal(t, cli.Done, r.exit, r.stderr)
			require.JSONEq(t, "[0,1,2,3,4,5,6,7,8,9,10,11]", r.stdout)
		}
	}
}

// TestAForkOfARunOfYesterdayHasTime moves a run into the past: its budget of time is not used up by the night.
func TestAForkOfARunOfYesterdayHasTime(t *testing.T) {
	t.Parallel()
	dir, _ := lastingProject(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.star"), []byte(fourTimes), 0o600))
	r := parallaxIn(t, dir, "run", "-q", "--keep", "--id", "old", "--limit", "time=1h", "main.star")
	require.Equal(t, cli.Done, r.exit, r.stderr)

	s, err := badger.Open(filepath.Join(dir, "state"), badger.Options{})
	require.NoError(t, err)
	record, err := s.Record("old")
	require.NoError(t, err)
	family, err := keep.Family(s, "old")
	require.NoError(t, err)
	const night = 24 * time.Hour
	record.ID, record.Started, record.Ended = "yesterday", record.Started.Add(-night), record.Ended.Add(-night)
	for i := range family[0].Facts {
		family[0].Facts[i].At = family[0].Facts[i].At.Add(-night)
	}
	require.NoError(t, s.Begin(record, nil, []badger.Past{{Run: record.ID, Facts: family[0].Facts}}))
	require.NoError(t, s.Close())

	for _, args := range [][]string{{"yesterday", "--id", "fork"}, {"fork", "--id", "again"}} {
		fork := parallaxIn(t, dir, append([]string{"replay", "-q", "--from", "3"}, args...)...)
		require.Equal(t, cli.Done, fork.exit, fork.stderr)
		require.Equal(t, r.stdout, fork.stdout)
	}
	require.Equal(t, cli.Done, parallaxIn(t, dir, "replay", "-q", "again").exit)
}

// TestAForkTakesASignalThatIsLikeAnInheritedOne is about who tells sent signals from those that were taken before.
func TestAForkTakesASignalThatIsLikeAnInheritedOne(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"parallax.toml": "[state]\ndir = \"state\"\n",
		"main.star":     "def main():\n    return [wait_for(\"go\") for _ in range(3)]\n",
	})
	waits := func(args ...string) {
		r := parallaxIn(t, dir, args...)
		require.Equal(t, cli.NeedsPerson, r.exit, r.stderr)
	}
	sent := func(run string) {
		r := parallaxIn(t, dir, "signal", run, "go", "1")
		require.Equal(t, cli.Done, r.exit, r.stderr)
	}
	waits("run", "-q", "--keep", "--id", "old", "--signal", "go=1", "main.star")
	waits("replay", "-q", "old", "--from", "2", "--id", "fork")
	sent("fork")
	waits("resume", "-q", "fork")
	sent("fork")
	r := parallaxIn(t, dir, "resume", "-q", "fork")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	require.JSONEq(t, "[1,1,1]", r.stdout)
}
