package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/testkit/torture"
	"github.com/parallax-run/parallax/runtime"
)

// TestKilledRunsEndAsTheyWouldHave kills parallax at random moments, with a seed that is printed, until it was killed often enough. Two projects
// share a store, so that the other one's owner is killed too.
func TestKilledRunsEndAsTheyWouldHave(t *testing.T) {
	t.Parallel()
	tortureAll(t, 2, killing(t.TempDir()), func(_ int, kills int64) bool { return kills >= 20 })
}

// hazard is what befalls the runs that are kept in one store.
type hazard struct {
	state   string        // directory of the store
	quiet   *sync.RWMutex // who looks at the store between two lives of a run holds off what would befall it then
	tight   bool          // it is about room on the disk
	strikes *atomic.Int64 // lives that did not end their run

	strike     func(k *tortured, self *os.Process, ended <-chan struct{}) // at a random moment of a life, which is over when ended is closed
	begin, end func(*os.Process)                                          // are told of each life, unless nil
}

// killing is that a run's process is killed.
func killing(state string) hazard {
	return hazard{state: state, quiet: new(sync.RWMutex), strike: func(_ *tortured, self *os.Process, _ <-chan struct{}) { _ = self.Kill() }}
}

// tortureAll tortures runs of several projects with one store beside one another, each until it is enough: it has had so many runs, and all together
// were struck so often.
func tortureAll(t *testing.T, projects int, h hazard, enough func(runs int, strikes int64) bool) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TORTURE_SEED"); s != "" {
		_, err := fmt.Sscan(s, &seed)
		require.NoError(t, err)
	}
	t.Logf("TORTURE_SEED=%d", seed)
	h.strikes = new(atomic.Int64)
	var all sync.WaitGroup
	for i := range projects { // all at once, however few tests may be parallel
		all.Go(func() {
			t.Run(string('a'+rune(i)), func(t *testing.T) { newTorture(t, h, seed+uint64(i)).until(enough) })
		})
	}
	all.Wait()
}

// tortured is a project whose runs are killed, or worse.
type tortured struct {
	hazard
	t     *testing.T
	dir   string
	log   string
	rng   *rand.Rand
	want  json.RawMessage // the result of an undisturbed run
	calls map[string]bool // its calls, without the run's id; those that a fork may leave out are not among them
	lines int             // of the agents' log that it made

	// How often a run was killed, ended by the kernel and suspended for want of room, and any of that before there was a record; calls made again; outcomes
	// that are not known.
	kills, faults, full, early, repeated, unknown int
}

func newTorture(t *testing.T, h hazard, seed uint64) *tortured {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := project(t, torture.Files(0))
	k := &tortured{hazard: h, t: t, dir: dir, log: filepath.Join(dir, "calls.log"), rng: rand.New(rand.NewPCG(seed, seed))}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parallax.toml"), []byte(torture.Manifest(self, k.log)), 0o600))
	r := parallaxIn(t, dir, "run", "-q", "main.star", "--seed", "7")
	require.Equal(t, cli.Done, r.exit, r.stderr)
	var once []string
	k.want, once = k.outcome(r.stdout)
	require.Equal(t, []string{"did once 0", "did once 1", "did once 2"}, once)
	k.calls = make(map[string]bool)
	for _, c := range k.entries() {
		k.lines++
		_, at, _ := strings.Cut(c.ID, "/")
		k.calls[at] = true
	}
	require.NoError(t, os.Remove(k.log))
	return k
}

// until tortures runs until enough says so.
func (k *tortured) until(enough func(runs int, strikes int64) bool) {
	runs := 0
	for ; !enough(runs, k.strikes.Load()); runs++ {
		k.one(fmt.Sprintf("%s%d", path.Base(k.t.Name()), runs))
	}
	k.t.Logf("%d runs: killed %d times, without room %d times and %d times too late to notice, any of it %d times before there was a record; "+
		"%d calls were made again, of %d outcomes it is not known", runs, k.kills, k.full, k.faults, k.early, k.repeated, k.unknown)
	require.LessOrEqual(k.t, k.faults, max(3, k.full/5), "the store is to look for room before it needs it")
}

// one starts a run, has it struck a few times, and lets it end.
func (k *tortured) one(id string) {
	t := k.t
	kept := make(map[string]int) // calls whose outcome was durable at a kill, with the number of lines in the log then
	args := []string{"run", "-q", "main.star", "--seed", "7", "--id", id, "--state", k.state}
	var r outcome
	for life := 0; ; life++ {
		deadly := life < 4 && k.rng.IntN(4) > 0
		var ended bool
		if r, ended = k.live(deadly, args); ended {
			break
		}
		known := k.note(id, kept)
		if r.exit >= 0 && !fault(r) && (known || args[0] == "resume") {
			require.Equal(t, cli.Suspended, r.exit, r.stderr)
		}
		if known {
			args = []string{"resume", "-q", id, "--state", k.state}
		} else {
			k.early++
		}
	}
	require.Equal(t, cli.Done, r.exit, "%s: %s", id, r.stderr)
	require.Empty(t, r.stderr, "%s says more than its result", id)
	result, once := k.outcome(r.stdout)
	require.JSONEq(t, string(k.want), string(result), id)
	k.audit(id, kept, once)
	k.quiet.RLock()
	defer k.quiet.RUnlock()
	again := parallaxIn(t, k.dir, "replay", "-q", id, "--state", k.state)
	require.Equal(t, cli.Done, again.exit, again.stderr)
	require.Equal(t, r.stdout, again.stdout, "a replay gives the same bytes")
	require.NoError(t, os.Remove(k.log))
}

// live is one life of a run. It is false when the run has not ended with it, since it was killed or there was no room.
func (k *tortured) live(deadly bool, args []string) (outcome, bool) {
	cmd := parallaxCmd(k.t, k.dir, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(k.t, cmd.Start())
	if k.begin != nil {
		k.begin(cmd.Process)
		defer k.end(cmd.Process)
	}
	ended := make(chan struct{})
	var killer sync.WaitGroup
	if deadly {
		before := len(k.entries())
		until := before + k.rng.IntN(max(2, k.lines-before))
		pause := time.Duration(k.rng.IntN(4000)) * time.Microsecond
		killer.Go(func() { k.wait(cmd.Process, until, pause, ended) })
	}
	err := cmd.Wait()
	close(ended)
	killer.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		require.NoError(k.t, err)
	}
	r := outcome{cli.Exit(cmd.ProcessState.ExitCode()), stdout.String(), stderr.String()}
	switch {
	case r.exit < 0:
		k.kills++
		k.strikes.Add(1)
		return r, false
	case k.tight && fault(r):
		k.faults++
		k.t.Logf("ended by the kernel in %s", strings.Join(regexp.MustCompile(`badger/v4[\w/]*\.\S*?\)?\.\w+`).FindAllString(r.stderr, 3), " < "))
		k.strikes.Add(1)
		return r, false
	case strings.Contains(r.stderr, "no room to write to "+k.state):
		k.full++
		k.strikes.Add(1)
		return r, false
	}
	return r, true
}

// fault says that the kernel ended a process which had a file of the store mapped into memory, because it wrote to a page for which there was no room. The
// store sees to it that there is; but others may take it in the few milliseconds that it writes.
func fault(r outcome) bool {
	return r.exit == 2 && strings.Contains(r.stderr, "[signal SIGBUS: bus error")
}

// wait strikes a moment after the agents' log has so many lines.
func (k *tortured) wait(p *os.Process, lines int, pause time.Duration, ended <-chan struct{}) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		text, _ := os.ReadFile(k.log)
		if bytes.Count(text, []byte("\n")) >= lines {
			break
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
	select {
	case <-time.After(pause):
		k.strike(k, p, ended)
	case <-ended:
	}
}

// note says whether the run is on record, and adds the calls whose outcome is.
func (k *tortured) note(id string, kept map[string]int) bool {
	k.quiet.RLock()
	defer k.quiet.RUnlock()
	s, err := badger.Open(k.state, badger.Options{})
	require.NoError(k.t, err)
	defer func() { require.NoError(k.t, s.Close()) }()
	if _, err := s.Record(id); errors.Is(err, badger.ErrNotFound) {
		return false
	}
	family, err := keep.Family(s, id)
	require.NoError(k.t, err)
	lines := len(k.entries())
	for _, m := range family {
		for _, f := range m.Facts {
			call := m.Run + "/" + f.Addr.String()
			if _, before := kept[call]; f.Kind == runtime.Done && !before {
				kept[call] = lines
			}
		}
	}
	return true
}

func (k *tortured) entries() []torture.Entry {
	list, err := torture.Entries(k.log)
	require.NoError(k.t, err)
	return list
}

// audit looks at what the agents say: nobody was asked again for what was on record, nobody was asked for anything else than in an undisturbed
// run, and those who must not be asked twice were not.
func (k *tortured) audit(id string, kept map[string]int, once []string) {
	t := k.t
	starts := make(map[string]int)
	for i, e := range k.entries() {
		if e.What != "start" {
			continue
		}
		starts[e.ID]++
		if lines, durable := kept[e.ID]; durable {
			require.Less(t, i, lines, "%s was asked again though its outcome was on record", e.ID)
		}
		root, at, _ := strings.Cut(e.ID, "/")
		require.Equal(t, id, root)
		require.True(t, k.calls[at] || torture.Optional(at), "%s is no call of an undisturbed run: %v", e.ID, slices.Sorted(maps.Keys(k.calls)))
	}
	for n, said := range once {
		if said == string(runtime.UnknownOutcome) {
			k.unknown++
		}
		require.Contains(t, []string{fmt.Sprintf("did once %d", n), string(runtime.UnknownOutcome)}, said)
	}
	for call, n := range starts {
		k.repeated += n - 1
		if at := strings.TrimPrefix(call, id+"/"); strings.HasPrefix(at, torture.OnceFork) {
			require.Equal(t, 1, n, "%s must not be asked twice", call)
		}
	}
}

// outcome takes the result of a run apart.
func (k *tortured) outcome(stdout string) (result json.RawMessage, once []string) {
	result, once, err := torture.Outcome([]byte(stdout))
	require.NoError(k.t, err, stdout)
	return result, once
}
