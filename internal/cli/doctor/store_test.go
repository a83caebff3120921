package doctor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/doctor"
	"github.com/parallax-run/parallax/runtime"
)

type finding struct{ What, State, Detail, Hint string }

// examine runs parallax doctor and gives what it says of kept runs.
func examine(t *testing.T, args ...string) (finding, cli.Exit) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	app := &cli.App{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Dir: t.TempDir(), Version: "1.2.3", LookupEnv: func(string) (string, bool) { return "", false }}
	exit := cli.Main(t.Context(), app, append([]string{"doctor", "--json"}, args...), doctor.NewCmd)
	for line := range strings.Lines(stdout.String()) {
		var f finding
		require.NoError(t, json.Unmarshal([]byte(line), &f))
		if f.What == "kept runs" {
			return f, cli.Exit(exit)
		}
	}
	require.FailNow(t, "nothing is said of kept runs", stderr.String())
	return finding{}, 0
}

// filled makes a store with runs in it.
func filled(t *testing.T) (dir string, s *badger.Store) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	s, err := badger.Open(dir, badger.Options{Version: "1.0.7"})
	require.NoError(t, err)
	for n := range 8 {
		id := fmt.Sprint("r", n)
		require.NoError(t, s.Create(badger.Record{ID: id, Pattern: "p.star", Status: badger.Running, Started: time.Now()}))
		l, err := s.Lease(id)
		require.NoError(t, err)
		for i := range 50 {
			value := fmt.Sprintf("%q", strings.Repeat(fmt.Sprint(n, i, " "), 200))
			require.NoError(t, l.Append(id, runtime.Fact{Addr: runtime.Address{N: i + 1}, Kind: runtime.Done, At: time.Now(), Outcome: runtime.Payload(value)}))
		}
		require.NoError(t, l.End(func(r *badger.Record) { r.Status = badger.Done }))
		require.NoError(t, l.Release())
	}
	return dir, s
}

func TestTheDoctorLooksAtKeptRuns(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	f, exit := examine(t, "--state", nowhere)
	require.Equal(t, finding{What: "kept runs", State: "ok", Detail: "none in " + nowhere + " yet"}, f)
	require.Equal(t, cli.Done, exit)
	require.NoDirExists(t, nowhere)

	dir, s := filled(t)
	f, exit = examine(t, "--state", dir)
	require.Equal(t, cli.Done, exit)
	require.Equal(t, "ok", f.State)
	require.Contains(t, f.Detail, fmt.Sprintf("in use by process %d, 8 runs", os.Getpid()))
	f, exit = examine(t, "--state", dir, "--repair")
	require.Equal(t, cli.PatternFailed, exit)
	require.Equal(t, "wrong", f.State)
	require.Equal(t, "end the other parallax processes, then run parallax doctor --repair again", f.Hint)
	require.NoError(t, s.Close())

	for _, args := range [][]string{{"--state", dir}, {"--state", dir, "--repair"}} {
		f, exit = examine(t, args...)
		require.Equal(t, cli.Done, exit)
		require.Equal(t, "ok", f.State)
		require.Regexp(t, `^`+dir+`, [0-9.]+ [KM]iB, format 1, made by parallax 1\.0\.7, 8 runs$`, f.Detail)
	}
}

func TestTheDoctorRepairsADamagedStore(t *testing.T) {
	t.Parallel()
	dir, s := filled(t)
	require.NoError(t, s.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	text, err := os.ReadFile(tables[0])
	require.NoError(t, err)
	for i := range 100 {
		text[len(text)/2+i] ^= 0xff
	}
	require.NoError(t, os.WriteFile(tables[0], text, 0o600))

	f, exit := examine(t, "--state", dir)
	require.Equal(t, cli.PatternFailed, exit)
	require.Equal(t, "wrong", f.State)
	require.Contains(t, f.Detail, tables[0])
	require.Contains(t, f.Detail, "\nrun r")
	require.Equal(t, "parallax doctor --repair --state "+dir+" keeps the rest and puts what is damaged aside", f.Hint)

	f, exit = examine(t, "--state", dir, "--repair")
	require.Equal(t, cli.Done, exit)
	require.Equal(t, "note", f.State)
	require.Contains(t, f.Detail, "; repaired\n")
	require.Contains(t, f.Hint, "what was damaged is in "+filepath.Join(dir, "damaged-"))

	f, exit = examine(t, "--state", dir)
	require.Equal(t, cli.Done, exit)
	require.Equal(t, "ok", f.State, f.Detail)
	s, err = badger.Open(dir, badger.Options{})
	require.NoError(t, err)
	list, err := s.Records(badger.Filter{})
	require.NoError(t, err)
	require.NotEmpty(t, list)
	require.NoError(t, s.Create(badger.Record{ID: "new"}))
	require.NoError(t, s.Close())
}

func TestTheDoctorKnowsNoNewerStore(t *testing.T) {
	t.Parallel()
	dir, s := filled(t)
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "version"), []byte("99 9.0.1\n"), 0o600))
	f, exit := examine(t, "--state", dir)
	require.Equal(t, cli.PatternFailed, exit)
	require.Contains(t, f.Detail, "was written by parallax 9.0.1; install 9.0.1 or later, or give another directory")
}
