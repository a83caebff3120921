//go:build linux

package host_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

func startFails(t *testing.T, change func(*host.AgentConfig, *host.Options)) *host.StartError {
	t.Helper()
	h := probeHost(t, func(o *host.Options) { change(&o.Agents[0], o) })
	err := h.Start(t.Context(), "a")
	var e *host.StartError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "a", e.Agent)
	require.NotEmpty(t, e.Hint)
	return e
}

func TestRubbishBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	e := startFails(t, func(c *host.AgentConfig, _ *host.Options) {
		c.Command = []string{"sh", "-c", "echo about to print rubbish >&2; echo hello, I am not an agent; exec sleep 1000"}
	})
	require.Equal(t, "printed something else than the handshake on stdout", e.Problem)
	require.Equal(t, "hello, I am not an agent", e.Printed)
	require.Equal(t, "about to print rubbish", e.Stderr)
	require.ErrorContains(t, e, `agent "a": printed something else`)
}

func TestExitBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	e := startFails(t, func(c *host.AgentConfig, o *host.Options) {
		c.Command, c.Secrets, c.Env = as(t, "exits"), []string{"LEAKED"}, []string{"LEAKED"}
		o.LookupEnv = func(name string) (string, bool) {
			if name == "LEAKED" {
				return "secret-value", true
			}
			return os.LookupEnv(name)
		}
	})
	require.Equal(t, "ended (exit status 3) before it was ready", e.Problem)
	require.Equal(t, "cannot find my model with key [secret]", e.Stderr)
}

func TestAgentThatNeverGetsReady(t *testing.T) {
	t.Parallel()
	e := startFails(t, func(c *host.AgentConfig, o *host.Options) {
		c.Command = as(t, "silent")
		o.StartTimeout = 300 * time.Millisecond
	})
	require.Equal(t, "was not ready within 300ms", e.Problem)
}

func TestCommandsThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte("no program"), 0o600))
	for name, c := range map[string]struct {
		cfg  host.AgentConfig
		want string
	}{
		"no program":   {host.AgentConfig{Command: []string{"no-such-program-anywhere"}}, `there is no program "no-such-program-anywhere" on PATH`},
		"no file":      {host.AgentConfig{Command: []string{"./nothing"}, Dir: dir}, "there is no program " + dir + "/nothing"},
		"a directory":  {host.AgentConfig{Command: []string{"."}, Dir: dir}, "is a directory, not a program"},
		"no x bit":     {host.AgentConfig{Command: []string{"./text"}, Dir: dir}, "permission denied"},
		"not bundled":  {host.AgentConfig{Use: "gpt"}, `there is no agent to use called "gpt"`},
		"nothing said": {host.AgentConfig{}, "has neither `use` nor `command`"},
		"no secret":    {host.AgentConfig{Command: as(t, "agent"), Secrets: []string{"NOT_SET"}}, "its secret NOT_SET is not set in the environment"},
		"bad config":   {host.AgentConfig{Command: as(t, "agent"), Config: []byte(`{"prefix":"bad"}`)}, `refused its configuration: prefix "bad" is not allowed`},
		"unknown key":  {host.AgentConfig{Command: as(t, "agent"), Config: []byte(`{"prefx":"x"}`)}, `refused its configuration: configuration has no field "prefx"`},
		"wrong type":   {host.AgentConfig{Command: as(t, "agent"), Config: []byte(`{"strict":1}`)}, `field "strict" must be true or false, not number`},
	} {
		e := startFails(t, func(a *host.AgentConfig, o *host.Options) {
			c.cfg.Name = "a"
			*a = c.cfg
		})
		require.Contains(t, e.Problem, c.want, name)
	}
}

func TestStartNamesEveryAgentThatIsNotThere(t *testing.T) {
	t.Parallel()
	err := probeHost(t).Start(t.Context(), "z", "a", "b")
	require.EqualError(t, err, "agent \"b\": is not configured\nagent \"z\": is not configured")
}

func TestCrashInMidCall(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	_, err := call(t, h, ask("exit"))
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Unavailable, e.Code)
	require.True(t, e.Retryable)
	require.True(t, strings.HasPrefix(e.Message, `agent "a": ended in mid-call (exit status 7); its last stderr:`), e.Message)
	require.Contains(t, e.Message, "my last words")

	a, err := call(t, h, ask("say back again"))
	require.NoError(t, err)
	require.Equal(t, `"back again"`, a.Value.String())
}

func TestKilledInMidCall(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	a, err := call(t, h, ask("pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(a.Value.String())
	require.NoError(t, err)
	c := ask("wait")
	c.Watch = func(runtime.Progress) { _ = syscall.Kill(pid, syscall.SIGKILL) }
	_, err = call(t, h, c)
	require.ErrorContains(t, err, `agent "a": ended in mid-call (signal: killed)`)
}

func TestBreakerOpensAfterFiveExits(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	for range 5 {
		_, err := call(t, h, ask("exit"))
		require.ErrorContains(t, err, "ended in mid-call")
	}
	begin := time.Now()
	_, err := call(t, h, ask("say hi"))
	require.Less(t, time.Since(begin), 5*time.Second)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Unavailable, e.Code)
	require.Contains(t, e.Message, "is not started again for 30s: it ended 5 times within a minute, last with exit status 7")
	require.True(t, e.Retryable)
	var d struct {
		RetryAfterMS int `json:"retry_after_ms"`
	}
	require.NoError(t, json.Unmarshal(e.Details, &d))
	require.Greater(t, d.RetryAfterMS, 20_000)
}

// notebook is a Memory.
type notebook struct {
	mu    sync.Mutex
	pages map[string][]byte
}

func (n *notebook) Recall(key string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pages[key]
}

func (n *notebook) Change(key string, change func([]byte) []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pages[key] = change(n.pages[key])
}

func TestAHostThatEndsWhileAgentsStartBlamesNone(t *testing.T) {
	t.Parallel()
	memory := &notebook{pages: make(map[string][]byte)}
	for range 5 {
		begun := filepath.Join(t.TempDir(), "begun")
		h := host.New(host.Options{
			Memory: memory,
			Agents: []host.AgentConfig{{Name: "a", Command: []string{"sh", "-c", `echo >"$0"; exec sleep 1000`, begun}}},
		})
		ended := make(chan error, 1)
		go func() { ended <- h.Start(t.Context(), "a") }()
		require.Eventually(t, func() bool { _, err := os.Stat(begun); return err == nil }, 30*time.Second, time.Millisecond)
		require.NoError(t, h.Close())
		require.Error(t, <-ended)
	}
	require.Empty(t, memory.pages)

	h := probeHost(t, func(o *host.Options) { o.Memory, o.Agents[0].Command = memory, as(t, "exits") })
	require.Error(t, h.Start(t.Context(), "a"))
	require.NotEmpty(t, memory.pages, "an agent that ends is remembered")
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	require.NoError(t, h.Start(t.Context(), "a"))
	for _, task := range []string{"wait", "deaf"} {
		c := ask(task)
		c.Timeout = 200 * time.Millisecond
		begin := time.Now()
		_, err := call(t, h, c)
		require.Less(t, time.Since(begin), 5*time.Second)
		var e *runtime.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, runtime.Timeout, e.Code)
		require.True(t, e.Retryable)
		require.Equal(t, `agent "a" gave no answer within 200ms`, e.Message)
	}
	_, err := call(t, h, ask("say still here"))
	require.NoError(t, err)
}

func TestCancellation(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	for _, task := range []string{"wait", "deaf"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := ask(task)
		c.Watch = func(runtime.Progress) { cancel(nil) }
		_, err := h.Call(ctx, c)
		var e *runtime.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, runtime.Cancelled, e.Code)
	}
	why := runtime.Errorf(runtime.BudgetSpent, "no money left")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := ask("wait")
	c.Watch = func(runtime.Progress) { cancel(why) }
	_, err := h.Call(ctx, c)
	require.Same(t, why, err)
}

func TestStoppedAgentIsKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	first, err := call(t, h, ask("pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(first.Value.String())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	c := ask("wait")
	c.Watch = func(runtime.Progress) {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		cancel()
	}
	_, err = h.Call(ctx, c)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Cancelled, e.Code)
	require.Eventually(t, func() bool { return state(pid) == 'T' }, 10*time.Second, time.Millisecond)

	c = ask("pid") // it waits until the stopped process was found out: 2 s of grace and 2 s for a ping
	_, err = call(t, h, c)
	require.ErrorContains(t, err, "ended in mid-call (signal: killed)")
	again, err := call(t, h, c)
	require.NoError(t, err)
	require.NotEqual(t, first.Value, again.Value)
}

func TestCallWithoutTimeoutEndsWhenItsAgentHangs(t *testing.T) {
	t.Parallel()
	h := probeHost(t)
	host.HurryPings(h)
	a, err := call(t, h, ask("pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(a.Value.String())
	require.NoError(t, err)
	c := ask("wait")
	c.Timeout = 0
	c.Watch = func(runtime.Progress) { _ = syscall.Kill(pid, syscall.SIGSTOP) }
	_, err = call(t, h, c)
	require.ErrorContains(t, err, `agent "a": ended in mid-call (signal: killed)`)
}

func TestTooLargeAnAnswer(t *testing.T) {
	t.Parallel()
	_, err := call(t, probeHost(t), ask("size "+strconv.Itoa(100<<20)))
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Refused, e.Code)
	require.False(t, e.Retryable)
	require.Equal(t, `agent "a" gave an answer of 104857602 bytes that goes on after byte 67108864, the most there may be`, e.Message)
}

func TestMaxConcurrency(t *testing.T) {
	t.Parallel()
	h := probeHost(t, func(o *host.Options) { o.Agents[0].MaxConcurrency = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		c := ask("wait")
		var once sync.Once
		c.Watch = func(runtime.Progress) { once.Do(func() { close(running) }) }
		_, _ = h.Call(ctx, c)
	})
	<-running
	// The second call queues for longer than its timeout, which only counts once it runs.
	answered := make(chan error, 1)
	wg.Go(func() {
		c := ask("say hi")
		c.Timeout = 20 * time.Second
		_, err := h.Call(t.Context(), c)
		answered <- err
	})
	short, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	_, err := h.Call(short, ask("say hi"))
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Timeout, e.Code)
	require.Empty(t, answered)
	cancel()
	require.NoError(t, <-answered)
	wg.Wait()
}

func TestCloseEndsCallsAndProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := probeHost(t, func(o *host.Options) { o.TempDir = dir })
	a, err := call(t, h, ask("children"))
	require.NoError(t, err)
	var pids []int
	require.NoError(t, json.Unmarshal(a.Value, &pids))
	for _, pid := range pids {
		require.True(t, alive(pid))
	}
	ended := make(chan error, 1)
	running := make(chan struct{})
	go func() {
		c := ask("deaf")
		var once sync.Once
		c.Watch = func(runtime.Progress) { once.Do(func() { close(running) }) }
		_, err := h.Call(context.WithoutCancel(t.Context()), c)
		ended <- err
	}()
	<-running
	require.NoError(t, h.Close())
	var e *runtime.Error
	require.ErrorAs(t, <-ended, &e)
	require.Equal(t, runtime.Cancelled, e.Code)
	requireGone(t, pids)
	_, err = h.Call(t.Context(), ask("say hi"))
	require.ErrorIs(t, err, host.ErrClosed)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// alive says whether a process is there and no zombie.
func alive(pid int) bool { return state(pid) != 'Z' && state(pid) != 0 }

// state is the letter by which Linux calls the state of a process, or 0 when there is none.
func state(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[0]
}

func requireGone(t *testing.T, pids []int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(pids, alive)
	}, 10*time.Second, 10*time.Millisecond, "%v are still there", pids)
}

func TestKilledHostLeavesNoProcess(t *testing.T) {
	t.Parallel()
	argv := as(t, "host")
	cmd := exec.Command(argv[0], argv[1:]...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	cmd.Dir = t.TempDir()
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var pids []int
	require.NoError(t, json.Unmarshal([]byte(line), &pids))
	require.Len(t, pids, 4)
	for _, pid := range pids {
		require.True(t, alive(pid))
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	requireGone(t, pids)
}

// beHost runs an agent with children, says who they are, and waits to be killed.
func beHost() {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	h := host.New(host.Options{
		Agents: []host.AgentConfig{{Name: "a", Command: []string{self, "as", "agent"}}}, TempDir: ".",
	})
	a, err := h.Call(context.Background(), ask("children"))
	if err != nil {
		panic(err)
	}
	fmt.Println(a.Value)
	select {}
}
