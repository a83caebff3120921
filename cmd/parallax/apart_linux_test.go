//go:build !race

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host/interpreter"
)

// Bounds for a script from elsewhere that nothing but the process holds in which it runs, parent and child together.
const (
	apartCPU    = 9 * time.Second // the process may have 4
	apartMemory = 400             // MiB, of the larger one
)

// unguarded names scripts of testdata/hostile that tier 1 alone holds otherwise, one or two of each kind.
func unguarded() []string {
	return []string{
		"doubling/0", "doubling/3", "gulps/0", "ranges/0", "ranges/5", "amplifiers/0", "bombs/0", "bombs/2",
		"deep/0", "deep/6", "integers/1", "collisions/0", "loops/1", "branches/2",
	}
}

// TestAProcessHoldsWhatTheGuardDoesNot runs hostile scripts as patterns of a package, with tier 1 switched off: each ends with an ordinary error, in
// time and in little memory, or with its result where it only asked for what a process can give.
func TestAProcessHoldsWhatTheGuardDoesNot(t *testing.T) {
	t.Parallel()
	for _, name := range unguarded() {
		file, at, _ := strings.Cut(name, "/")
		text, err := os.ReadFile(filepath.Join("testdata", "hostile", file+".star"))
		require.NoError(t, err)
		var i int
		_, err = fmt.Sscan(at, &i)
		require.NoError(t, err)
		scripts := strings.Split(string(text), "\n---\n")
		require.Greater(t, len(scripts), i, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := fromElsewhere(t, scripts[i], "unguarded")
			require.Contains(t, []int{0, 1, 3, 5}, p.code, p.said)
			require.NotContains(t, p.said, "goroutine ")
			require.NotContains(t, p.said, "internal error")
			require.Less(t, len(p.said), 64<<10, "a giant error")
			require.Less(t, p.cpu, apartCPU)
			require.Less(t, p.memory, int64(apartMemory), "MiB resident")
		})
	}
}

// TestTheGuardIsOffThere shows that the tests above test something: the first of them is stopped by the guard where that is on.
func TestTheGuardIsOffThere(t *testing.T) {
	t.Parallel()
	const doubles = "def main():\n    s = \"x\"\n    for _ in range(60):\n        s = s + s\n    return len(s)\n"
	require.Contains(t, fromElsewhere(t, doubles, "").said, "larger than 64 MiB")
	off := fromElsewhere(t, doubles, "unguarded")
	require.Equal(t, 5, off.code, off.said)
	require.Regexp(t, "the pattern was ended in its process: (it used more than 192 MiB of memory|one step of it took more than)", off.said)
}

// TestAnInterpreterThatWasTakenOver reaches nothing, and its parent does not believe it.
func TestAnInterpreterThatWasTakenOver(t *testing.T) {
	t.Parallel()
	free := exec.CommandContext(t.Context(), self(t), "attempts")
	free.Env = []string{}
	out, err := free.Output()
	require.NoError(t, err)
	for _, what := range []string{"read a file", "write a file", "make a TCP socket", "start a program", "fork", "signal its parent", "make code"} {
		require.Contains(t, string(out), what, "what nothing holds can do that: the test tests nothing")
	}
	p := fromElsewhere(t, "def main():\n    return 1\n", "escape")
	require.NotContains(t, p.said, "escaped")
	require.Contains(t, p.said, "said what it cannot say")
	require.Equal(t, 1, p.code, p.said)
}

// ended is what came of a process.
type ended struct {
	code   int
	said   string
	cpu    time.Duration
	memory int64 // MiB
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// keptElsewhere is a package whose pattern asks two agents one after the other, and a state directory.
func keptElsewhere(t *testing.T) (cmd func(args ...string) *exec.Cmd, pattern string) {
	t.Helper()
	cache, work := t.TempDir(), t.TempDir()
	dir := filepath.Join(cache, "steps@v1.0.0")
	require.NoError(t, os.Mkdir(dir, 0o700))
	pattern = filepath.Join(dir, "main.star")
	const script = "def main():\n    a = agent(\"echo\").ask(\"one\").value\n    wait_for(\"go\")\n    return [a, agent(\"echo\").ask(\"two\").value]\n"
	require.NoError(t, os.WriteFile(pattern, []byte(script), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parallax.toml"), []byte("[agents.echo]\nuse = \"mock\"\necho = true\n"), 0o600))
	return func(args ...string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), self(t))
		c.Args = append(append([]string{"parallax"}, args...), "--state", filepath.Join(work, "state"))
		c.Dir = work
		c.Env = append(os.Environ(), "PARALLAX_CACHE="+cache)
		c.WaitDelay = time.Second
		return c
	}, pattern
}

// interpreterOf waits for the process that interprets for a parallax.
func interpreterOf(t *testing.T, parent int) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, task := range glob(t, fmt.Sprintf("/proc/%d/task/*/children", parent)) {
			text, _ := os.ReadFile(task)
			for word := range strings.FieldsSeq(string(text)) {
				line, _ := os.ReadFile("/proc/" + word + "/cmdline")
				if strings.Contains(string(line), interpreter.Word) {
					_, err := fmt.Sscan(word, &pid)
					return err == nil
				}
			}
		}
		return false
	}, 20*time.Second, 5*time.Millisecond)
	return pid
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	return names
}

// TestAnInterpreterThatIsKilled suspends a kept run, which goes on where it was.
func TestAnInterpreterThatIsKilled(t *testing.T) {
	t.Parallel()
	parallax, pattern := keptElsewhere(t)
	run := parallax("run", "--quiet", "--keep", "--wait", "--id", "r1", pattern)
	var said bytes.Buffer
	run.Stderr = &said
	require.NoError(t, run.Start())
	waiting(t, parallax)
	require.NoError(t, syscall.Kill(interpreterOf(t, run.Process.Pid), syscall.SIGKILL))
	_ = run.Wait()
	require.Equal(t, 8, run.ProcessState.ExitCode(), said.String())
	require.Contains(t, said.String(), "the process that interprets the pattern has ended (signal: killed)")

	out, err := parallax("signal", "r1", "go", "1").CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = parallax("resume", "--quiet", "r1").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "two")
	again, err := parallax("replay", "--quiet", "r1").CombinedOutput()
	require.NoError(t, err, string(again))
	require.Equal(t, string(out), string(again))
}

// waiting waits until the run r1 waits for its signal.
func waiting(t *testing.T, parallax func(args ...string) *exec.Cmd) {
	t.Helper()
	require.Eventually(t, func() bool {
		out, _ := parallax("runs", "show", "r1", "--json").CombinedOutput()
		return strings.Contains(string(out), "wait_for")
	}, 20*time.Second, 20*time.Millisecond)
}

// TestAnInterpreterEndsWithItsParent leaves nothing behind when parallax is killed.
func TestAnInterpreterEndsWithItsParent(t *testing.T) {
	t.Parallel()
	parallax, pattern := keptElsewhere(t)
	run := parallax("run", "--quiet", "--keep", "--wait", "--id", "r1", pattern)
	require.NoError(t, run.Start())
	waiting(t, parallax)
	pid := interpreterOf(t, run.Process.Pid)
	require.NoError(t, run.Process.Kill())
	_ = run.Wait()
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }, 20*time.Second, 5*time.Millisecond)
}

// fromElsewhere runs a script as the pattern of an installed package, by an interpreter that is as word says.
func fromElsewhere(t *testing.T, script, word string, args ...string) ended {
	t.Helper()
	cache := t.TempDir()
	dir := filepath.Join(cache, "hostile@v1.0.0")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.star"), []byte(script), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parallax.toml"), []byte("[agents.echo]\nuse = \"mock\"\necho = true\n"), 0o600))
	cmd := exec.CommandContext(t.Context(), self(t))
	cmd.Args = append([]string{"parallax", "run", "--quiet", filepath.Join(dir, "main.star")}, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PARALLAX_CACHE="+cache)
	if word != "" {
		cmd.Env = append(cmd.Env, childWord+"="+word)
		for _, limit := range []string{"steps", "steps_in_a_row", "bytes", "output", "effects"} {
			cmd.Args = append(cmd.Args, "--limit", limit+"=1000000000000")
		}
	}
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	_ = cmd.Run() // its code says how
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return ended{
		code: cmd.ProcessState.ExitCode(), said: said.String(),
		cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory: use.Maxrss / 1024,
	}
}
