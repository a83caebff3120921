package runs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
)

// attic keeps runs that ended one, two ... days ago, and two that did not.
func attic(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	s := d.store()
	now := time.Now().UTC()
	for i, id := range []string{"d1", "d2", "d3", "d4"} {
		ended := now.Add(-time.Duration(i+1) * 24 * time.Hour)
		require.NoError(t, s.Create(badger.Record{ID: id, Pattern: "p.star", Status: badger.Done, Started: ended, Ended: ended.Add(time.Minute)}))
	}
	old := now.Add(-1000 * time.Hour)
	require.NoError(t, s.Create(badger.Record{ID: "lost", Status: badger.Running, Started: old}))
	require.NoError(t, s.Create(badger.Record{ID: "waits", Status: badger.Suspended, Started: old}))
	return d
}

func (d *desk) ids() string {
	d.t.Helper()
	var ids []string
	for line := range strings.Lines(d.ok("runs", "--json")) {
		var r struct{ Run string }
		require.NoError(d.t, json.Unmarshal([]byte(line), &r))
		ids = append(ids, r.Run)
	}
	return strings.Join(ids, " ")
}

func TestOldRunsAreCollected(t *testing.T) {
	t.Parallel()
	d := attic(t)
	const all = "d1 d2 d3 d4 lost waits"
	o := d.run("gc")
	require.Equal(t, cli.Done, o.exit)
	require.Contains(t, o.stderr, "removed 0 runs")
	require.Contains(t, o.stderr, "nothing says how long runs stay: give --max-age, --max-bytes or --max-runs, or set keep_for under [state]")
	require.Equal(t, all, d.ids())

	o = d.run("gc", "--max-age", "3d", "--dry-run")
	require.Equal(t, "would remove d4\n", o.stdout[strings.Index(o.stdout, "would remove d4"):])
	require.Contains(t, o.stderr, "would remove 1 run")
	require.Equal(t, all, d.ids())

	require.Equal(t, "removed d4\n", d.ok("gc", "--max-age", "3d"))
	require.Equal(t, "d1 d2 d3 lost waits", d.ids())
	require.Equal(t, "removed d3\n", d.ok("gc", "--max-runs", "2"))

	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "parallax.toml"), []byte("[state]\ndir = \""+d.state+"\"\nkeep_for = \"36h\"\n"), 0o600))
	require.Regexp(t, `^\{"runs":\["d2"\],"blobs":0,"bytes":\d{3},"dry_run":true\}\n$`, d.ok("gc", "--json", "--dry-run"))
	require.Equal(t, "removed d2\n", d.ok("gc"))
	require.Equal(t, "removed d1\n", d.ok("gc", "--max-bytes", "1B"), "the flags say it instead of the file")
	require.Equal(t, "lost waits", d.ids(), "what has not ended stays")

	for args, want := range map[string]string{
		"--max-age soon": "give a time such as 90s, 24h, 30d or 2w", "--max-bytes much": "give a size such as 500MB or 1GiB",
		"--max-runs -1": "--max-runs cannot be -1", "x": "takes no arguments",
	} {
		o := d.run(append([]string{"gc"}, strings.Fields(args)...)...)
		require.Equal(t, cli.Usage, o.exit)
		require.Contains(t, o.stderr, want)
	}
}

func TestWhereNothingIsKeptThereIsNothingToCollect(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	o := d.run("gc", "--max-age", "1d")
	require.Equal(t, cli.Done, o.exit)
	require.Contains(t, o.stderr, "no run is kept in "+d.state+" yet")
	require.NoDirExists(t, d.state)
}
