//go:build e2e && linux

package testcluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/enterprise/testcluster"
)

// holdEnv makes the test binary start a cluster, say where it is, and wait for its own death.
const holdEnv = "PARALLAX_TEST_HOLD_CLUSTER"

func TestMain(m *testing.M) {
	if os.Getenv(holdEnv) != "" {
		os.Exit(hold())
	}
	goleak.VerifyTestMain(m)
}

func hold() int {
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, "unknown arguments %q\n", os.Args[1:])
		return 2
	}
	c, err := testcluster.Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, c.Dir())
	_, _ = io.Copy(io.Discard, os.Stdin) // which its parent keeps open
	return 1
}

// A workflow of six steps goes on through the death of the server and through two ways for PostgreSQL to stop; each step is done once.
func TestAWorkflowOutlivesServerAndDatabase(t *testing.T) {
	began := time.Now()
	c, err := testcluster.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	t.Logf("ready after %v; %s", time.Since(began).Round(time.Millisecond), memory(t, c))

	s := newSteps()
	conn := dial(t, c)
	serve(t, conn, s)
	run, err := conn.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "count", TaskQueue: queue}, count, 6)
	require.NoError(t, err)

	s.until(t, 1)
	again := time.Now()
	require.NoError(t, c.KillServer())
	require.Zero(t, c.ServerPID())
	s.allow(2)
	require.NoError(t, c.StartServer(t.Context()))
	t.Logf("the server is back after %v", time.Since(again).Round(time.Millisecond))
	s.until(t, 3)

	for i, how := range []testcluster.Shutdown{testcluster.Fast, testcluster.Immediate} {
		before, again := c.PostgresPID(), time.Now()
		require.NoError(t, c.RestartPostgres(t.Context(), how))
		t.Logf("PostgreSQL is back after %v", time.Since(again).Round(time.Millisecond))
		require.NotEqual(t, before, c.PostgresPID())
		s.allow(1)
		s.until(t, 4+i)
	}
	s.allow(1)

	var total int
	require.NoError(t, run.Get(t.Context(), &total))
	require.Equal(t, 6, total)
	require.Equal(t, int64(6), s.done.Load(), "no step is done twice")
	t.Logf("after the run: %s", memory(t, c))
}

func TestANamespaceCanBeAdded(t *testing.T) {
	c, err := testcluster.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, c.AddNamespace(t.Context(), "other"))
	require.NoError(t, c.AddNamespace(t.Context(), "other"), "again")
	require.ErrorContains(t, c.StartServer(t.Context()), "runs already")
}

func TestCloseLeavesNothing(t *testing.T) {
	c, err := testcluster.Start(t.Context())
	require.NoError(t, err)
	dir := c.Dir()
	require.NotEmpty(t, processesIn(t, dir))
	require.NoError(t, c.Close())
	require.Empty(t, processesIn(t, dir))
	require.NoDirExists(t, dir)
	require.NoError(t, c.Close(), "a second time")
}

// A test binary that is killed takes its cluster with it; the next cluster removes the folder.
func TestTheClusterDiesWithItsTestBinary(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env, cmd.Stderr = append(os.Environ(), holdEnv+"=1"), os.Stderr
	_, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line := make([]byte, 4096)
	n, err := out.Read(line)
	require.NoError(t, err)
	dir := strings.TrimSpace(string(line[:n]))
	require.NotEmpty(t, processesIn(t, dir))

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return len(processesIn(t, dir)) == 0 }, 20*time.Second, 10*time.Millisecond)

	c, err := testcluster.Start(t.Context())
	require.NoError(t, err)
	require.NoDirExists(t, dir)
	require.NoError(t, c.Close())
}

const queue = "steps"

// steps is the activity of the workflow: each waits for leave.
type steps struct {
	leave chan struct{}
	done  atomic.Int64
	ended chan struct{}
}

func newSteps() *steps {
	s := &steps{leave: make(chan struct{}, 100), ended: make(chan struct{}, 100)}
	s.allow(1)
	return s
}

func (s *steps) allow(n int) {
	for range n {
		s.leave <- struct{}{}
	}
}

// until waits until n steps are done.
func (s *steps) until(t *testing.T, n int) {
	t.Helper()
	for s.done.Load() < int64(n) {
		select {
		case <-s.ended:
		case <-time.After(time.Minute):
			require.FailNow(t, "no step ends")
		}
	}
}

func (s *steps) step(ctx context.Context, i int) (int, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.leave:
			s.done.Add(1)
			s.ended <- struct{}{}
			return i + 1, nil
		case <-tick.C:
			activity.RecordHeartbeat(ctx)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func count(ctx workflow.Context, n int) (int, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: time.Second},
	})
	total := 0
	for range n {
		if err := workflow.ExecuteActivity(ctx, "step", total).Get(ctx, &total); err != nil {
			return 0, err
		}
	}
	return total, nil
}

func dial(t *testing.T, c *testcluster.Cluster) client.Client {
	t.Helper()
	conn, err := client.DialContext(t.Context(), client.Options{
		HostPort:  c.Addr(),
		Namespace: c.Namespace(),
		Logger:    log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func serve(t *testing.T, conn client.Client, s *steps) {
	t.Helper()
	w := worker.New(conn, queue, worker.Options{})
	w.RegisterWorkflow(count)
	w.RegisterActivityWithOptions(s.step, activity.RegisterOptions{Name: "step"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

// processesIn lists the processes whose working folder lies in dir.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(t, err)
	var found []string
	for _, link := range links {
		to, err := os.Readlink(link)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			continue
		}
		if err == nil && strings.HasPrefix(to, dir) {
			found = append(found, filepath.Dir(link))
		}
	}
	return found
}

// memory says how much of the machine the server and all processes of PostgreSQL hold, shared pages shared out.
func memory(t *testing.T, c *testcluster.Cluster) string {
	t.Helper()
	server, rest := 0, 0
	for _, process := range processesIn(t, c.Dir()) {
		held := proportional(process)
		if filepath.Base(process) == strconv.Itoa(c.ServerPID()) {
			server += held
		} else {
			rest += held
		}
	}
	return fmt.Sprintf("the server holds %d MB, PostgreSQL %d MB", server>>10, rest>>10)
}

// proportional is the memory of a process in kB; none when it has ended.
func proportional(process string) int {
	data, err := os.ReadFile(filepath.Join(process, "smaps_rollup"))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(data), "\nPss:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kB, err := strconv.Atoi(fields[0])
	if err != nil {
		return 0
	}
	return kB
}
