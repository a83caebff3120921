//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/enterprise/testcluster"
	"github.com/parallax-run/parallax/internal/testkit/torture"
)

// steady is a run whose calls end at regular times, so that one sees for how long there was nobody to make them.
const steady = `
def main():
    for n in range(100000):
        agent("worker").ask("beat %d after 50ms" % n)
`

// siege is a cluster of its own, workers, and runs under way there.
type siege struct {
	t       *testing.T // that goes on
	root    *testing.T // whose end is that of the cluster
	cluster *testcluster.Cluster
	dir     string // of the project
	log     string // of the agents
	rng     *rand.Rand
	workers []*process
	born    int         // processes so far
	killed  []time.Time // when agents were
}

// newSiege starts a cluster and so many workers. The seed is printed, and may be given as TORTURE_SEED.
func newSiege(t *testing.T, workers int) *siege {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TORTURE_SEED"); s != "" {
		_, err := fmt.Sscan(s, &seed)
		require.NoError(t, err)
	}
	t.Logf("TORTURE_SEED=%d", seed)
	c, err := testcluster.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	s := &siege{t: t, root: t, cluster: c, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, seed))}
	s.log = filepath.Join(s.dir, "calls.log")
	self, err := os.Executable()
	require.NoError(t, err)
	files := torture.Files(2)
	files["parallax.toml"], files["steady.star"] = torture.Manifest(self, s.log), steady
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "blobs"), 0o700))
	for range workers {
		s.workers = append(s.workers, s.worker())
	}
	return s
}

// process is a parallaxd that runs, or has ended.
type process struct {
	*exec.Cmd
	out, err string // files
	done     chan struct{}
}

// parallaxd starts one in the project. It is killed with the test.
func (s *siege) parallaxd(args ...string) *process {
	s.t.Helper()
	self, err := os.Executable()
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.root.Context()))
	p := &process{Cmd: exec.CommandContext(ctx, self), done: make(chan struct{})}
	p.Args = append([]string{"parallaxd"}, args...)
	p.Dir, p.WaitDelay = s.dir, 5*time.Second
	p.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir, "TEMPORAL_ADDRESS=" + s.cluster.Addr(),
		"TEMPORAL_NAMESPACE=" + s.cluster.Namespace(), "PARALLAX_BLOBS=" + filepath.Join(s.dir, "blobs"),
	}
	s.born++
	p.out, p.err = filepath.Join(s.dir, fmt.Sprintf("%d.out", s.born)), filepath.Join(s.dir, fmt.Sprintf("%d.err", s.born))
	stdout, err := os.Create(p.out)
	require.NoError(s.t, err)
	defer stdout.Close()
	stderr, err := os.Create(p.err)
	require.NoError(s.t, err)
	defer stderr.Close()
	p.Stdout, p.Stderr = stdout, stderr
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // to the kernel the thread is the parent
		defer runtime.UnlockOSThread()
		err := p.Start()
		started <- err
		if err == nil {
			_ = p.Wait()
			close(p.done)
		}
	})
	require.NoError(s.t, <-started)
	s.root.Cleanup(func() { cancel(); wg.Wait() })
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// said is all that a process wrote to a file.
func (s *siege) said(file string) string {
	text, err := os.ReadFile(file)
	require.NoError(s.t, err)
	return string(text)
}

// worker starts a worker and waits until it serves.
func (s *siege) worker() *process {
	s.t.Helper()
	w := s.parallaxd("worker")
	s.until("a worker serves", func() bool {
		require.False(s.t, w.ended(), s.said(w.err))
		return strings.Contains(s.said(w.err), "serving queue")
	})
	return w
}

// until waits for something. A busy machine may take long.
func (s *siege) until(what string, ready func() bool) {
	s.t.Helper()
	tick, late := time.NewTicker(50*time.Millisecond), time.After(3*patience)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-late:
			var said bytes.Buffer
			for _, w := range s.workers {
				said.WriteString(s.said(w.err))
			}
			require.Fail(s.t, "it never was so: "+what, said.String())
		}
	}
}

// siegeRun is a torture run under way.
type siegeRun struct {
	*process
	id string
}

// run starts a run, and waits until its first call was made.
func (s *siege) run(id string) *siegeRun {
	s.t.Helper()
	r := &siegeRun{s.parallaxd("run", "main.star", "--seed", "7", "--id", id), id}
	s.until("run "+id+" is under way", func() bool { return r.ended() || len(s.calls(id)) > 0 })
	return r
}

// steady starts a run that goes on until it is cancelled.
func (s *siege) steady(id string) {
	s.t.Helper()
	p := s.parallaxd("run", "steady.star", "--id", id, "--detach")
	<-p.done
	require.Zero(s.t, p.ProcessState.ExitCode(), s.said(p.err))
	s.until("run "+id+" is under way", func() bool { return len(s.calls(id)) > 0 })
}

func (s *siege) cancel(id string) {
	s.t.Helper()
	p := s.parallaxd("cancel", id)
	<-p.done
	require.Zero(s.t, p.ProcessState.ExitCode(), s.said(p.err))
}

// calls are the agents' own entries of a run.
func (s *siege) calls(id string) []torture.Entry {
	s.t.Helper()
	all, err := torture.Entries(s.log)
	require.NoError(s.t, err)
	return slices.DeleteFunc(all, func(e torture.Entry) bool { return !strings.HasPrefix(e.ID, id+"/") })
}

// outcome waits for a run's end and takes its result apart.
func (s *siege) outcome(r *siegeRun) (result json.RawMessage, once []string) {
	s.t.Helper()
	select {
	case <-r.done:
	case <-time.After(3 * patience):
		require.Fail(s.t, "run "+r.id+" does not end", s.said(r.err))
	}
	require.Zero(s.t, r.ProcessState.ExitCode(), "%s: %s", r.id, s.said(r.err))
	result, once, err := torture.Outcome([]byte(s.said(r.out)))
	require.NoError(s.t, err)
	return result, once
}

// asked is an activity that asked an agent.
type asked struct {
	testcluster.Activity
	id string // of the call
}

// asked gives what the server knows of a run's calls.
func (s *siege) asked(id string) []asked {
	s.t.Helper()
	list, err := s.cluster.Activities(s.t.Context(), id)
	require.NoError(s.t, err)
	var all []asked
	for _, a := range list {
		if a.Type != "parallax.call" {
			continue
		}
		var c struct{ ID string }
		require.NoError(s.t, json.Unmarshal(a.Input, &c))
		all = append(all, asked{a, c.ID})
	}
	return all
}

// agents are the processes of agents that a worker has.
func (s *siege) agents(w *process) (pids []int) {
	s.t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(s.t, err)
	for _, name := range stats {
		text, _ := os.ReadFile(name) // it may have ended
		_, rest, ok := bytes.Cut(text, []byte(") "))
		fields := bytes.Fields(rest)
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		if !ok || len(fields) < 2 || string(fields[1]) != strconv.Itoa(w.Process.Pid) || !bytes.Contains(line, []byte("\x00ledger\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		require.NoError(s.t, err)
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}
