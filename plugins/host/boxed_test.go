//go:build linux && (amd64 || arm64)

package host_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
	"github.com/parallax-run/parallax/runtime"
)

// sandboxed lists the levels that hold anything and that this machine gives.
func sandboxed(t *testing.T) []sandbox.Level {
	t.Helper()
	m := sandbox.Probe(t.Context(), as(t, "shim"))
	return []sandbox.Level{sandbox.Basic, sandbox.Standard, sandbox.Strict}[:m.Level]
}

// boxHost is probeHost at a level.
func boxHost(t *testing.T, l sandbox.Level, change ...func(*host.Options)) *host.Host {
	t.Helper()
	h := probeHost(t, append([]func(*host.Options){func(o *host.Options) {
		o.Shim = as(t, "shim")
		o.Agents[0].Policy = &sandbox.Policy{Least: sandbox.Basic}
	}}, change...)...)
	host.CapLevel(h, l)
	return h
}

func answerOf(t *testing.T, h *host.Host, task string) string {
	t.Helper()
	a, err := call(t, h, ask(task))
	require.NoError(t, err)
	return a.Value.String()
}

func TestSandboxedAgentAnswers(t *testing.T) {
	t.Parallel()
	for _, l := range sandboxed(t) {
		artifacts := t.TempDir()
		h := boxHost(t, l, func(o *host.Options) { o.ArtifactDir = artifacts })
		require.Equal(t, `"hello"`, answerOf(t, h, "say hello"), l)
		c := ask("echo")
		c.Input = runtime.Payload(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`)
		a, err := call(t, h, c)
		require.NoError(t, err, l)
		require.Equal(t, c.Input, a.Value, "blobs pass both ways")
		a, err = call(t, h, ask("artifact words"))
		require.NoError(t, err, l)
		text, err := os.ReadFile(a.Artifacts[0].Path)
		require.NoError(t, err)
		require.Equal(t, "words", string(text))
	}
}

func TestSandboxedEnvironmentIsItsOwn(t *testing.T) {
	t.Parallel()
	for _, l := range sandboxed(t) {
		h := boxHost(t, l, func(o *host.Options) {
			o.Agents[0].Env = []string{"GRANTED"}
			o.LookupEnv = func(name string) (string, bool) { return "value of " + name, true }
		})
		env := answerOf(t, h, "env")
		require.Contains(t, env, "GRANTED=value of GRANTED")
		require.NotContains(t, env, "value of HOME")
		require.Regexp(t, `"HOME=([^"]+/s[0-9]+)".*"TMPDIR=`, env)
	}
}

func TestSandboxedAgentReadsWhatIsGranted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "granted"), []byte("words"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), []byte("words"), 0o600))
	for _, l := range sandboxed(t)[1:] {
		h := boxHost(t, l, func(o *host.Options) { o.Agents[0].Policy.Read = []string{filepath.Join(dir, "granted")} })
		require.Equal(t, `"words"`, answerOf(t, h, "see "+filepath.Join(dir, "granted")), l)
		_, err := call(t, h, ask("see "+filepath.Join(dir, "other")))
		require.Error(t, err, l)
	}
}

// The words of a package's command name files of the package, and none of the project that uses it.
func TestWordsOfACommandNameFilesOfItsOwn(t *testing.T) {
	t.Parallel()
	project, own := t.TempDir(), t.TempDir()
	secret := filepath.Join(project, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("words"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(own, "data"), []byte("words"), 0o644)) //nolint:gosec // it is to be read
	for _, l := range sandboxed(t)[1:] {
		h := boxHost(t, l, func(o *host.Options) {
			a := &o.Agents[0]
			a.Policy.Read = []string{own}
			a.Dir, a.Files, a.Command = project, own, append(a.Command, "./secret", secret, "./../"+filepath.Base(project)+"/secret", "./data")
		})
		_, err := call(t, h, ask("see "+secret))
		require.Error(t, err, l)
		require.Equal(t, `"words"`, answerOf(t, h, "see "+filepath.Join(own, "data")), l)
	}
}

// What an agent may not have does not reach it, and what it needs reaches the server: the key on the way out, the rest by the proxy.
func TestGatewayPutsTheKeyIn(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, " ", r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	for _, l := range sandboxed(t)[1:] {
		h := boxHost(t, l, func(o *host.Options) {
			a := &o.Agents[0]
			a.Secrets, a.Policy.Secrets = []string{"API_KEY"}, []string{"API_KEY"}
			a.Gateways = []host.Gateway{{
				Gateway: egress.Gateway{Secret: "API_KEY", Target: server.URL + "/v1", Header: "Authorization", Prefix: "Bearer "}, Setting: "prefix",
			}}
			o.LookupEnv = func(name string) (string, bool) { return "s3cret", name == "API_KEY" }
		})
		require.Equal(t, `"200 /v1/models Bearer s3cret"`, answerOf(t, h, "fetch /models"), l)
		require.Equal(t, `"`+egress.Placeholder+`"`, answerOf(t, h, "secret API_KEY"), l)
		require.NotContains(t, answerOf(t, h, "env"), "s3cret")
	}
}

func TestSecretsMustBeGranted(t *testing.T) {
	t.Parallel()
	h := boxHost(t, sandbox.Basic, func(o *host.Options) {
		o.Agents[0].Secrets = []string{"API_KEY"}
		o.LookupEnv = func(string) (string, bool) { return "s3cret", true }
	})
	err := h.Start(t.Context(), "a")
	require.ErrorContains(t, err, "wants the secret API_KEY, which its permissions do not grant")
}

func TestTooLowALevelIsRefused(t *testing.T) {
	t.Parallel()
	h := boxHost(t, sandbox.Standard, func(o *host.Options) { o.Agents[0].Policy.Least = sandbox.Strict })
	err := h.Start(t.Context(), "a")
	var level *sandbox.LevelError
	require.ErrorAs(t, err, &level)
	require.EqualError(t, err, `agent "a": asks for a sandbox of level strict, this machine gives standard (a test says so)`)
}

// A step that fails is the end of the start, and has a name.
func TestSandboxFailsClosed(t *testing.T) {
	t.Parallel()
	for _, l := range sandboxed(t)[1:] {
		h := boxHost(t, l, func(o *host.Options) { o.Agents[0].Policy.Read = []string{"/not/there"} })
		err := h.Start(t.Context(), "a")
		require.EqualError(t, err, `agent "a": the sandbox could not be closed, landlock: open /not/there: no such file or directory`, l)
		start, ok := errors.AsType[*host.StartError](err)
		require.True(t, ok)
		require.Equal(t, "there is no /not/there: make it, or take it out of the permissions", start.Hint)
	}
	h := boxHost(t, sandbox.Basic, func(o *host.Options) { o.Shim = []string{"/bin/false"} })
	require.ErrorContains(t, h.Start(t.Context(), "a"), "the sandbox could not be closed, ")
	h = boxHost(t, sandbox.Basic, func(o *host.Options) { o.Shim = nil })
	require.ErrorContains(t, h.Start(t.Context(), "a"), "this host cannot make sandboxes")
}

// A machine without user spaces gives the next level, and an agent whose policy allows that runs at it. The test makes such a machine: a user
// space in which there may be no other.
func TestNextLevelIsTried(t *testing.T) {
	t.Parallel()
	if len(sandboxed(t)) < int(sandbox.Strict) {
		return
	}
	for least, want := range map[string]string{
		"standard": `"hello"`, "strict": "asks for a sandbox of level strict, this machine gives standard (the sandbox could not be closed, namespaces: ",
	} {
		argv := append(as(t, "poor"), least)
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), want)
	}
}

// bePoor is a host on a machine without user spaces.
func bePoor(least string) {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		panic(err)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p := &sandbox.Policy{}
	if p.Least, err = sandbox.ParseLevel(least); err != nil {
		panic(err)
	}
	h := host.New(host.Options{
		Agents: []host.AgentConfig{{Name: "a", Command: []string{self, "as", "agent"}, Policy: p}}, Shim: []string{self, "as", "shim"},
	})
	if a, err := h.Call(context.Background(), ask("say hello")); err != nil {
		fmt.Println(err)
	} else {
		fmt.Println(a.Value)
	}
	if err := h.Close(); err != nil {
		panic(err)
	}
}

// Daemons die with their agent, and with a host that is killed, however they have cut themselves loose.
func TestDaemonsDieWithTheirHost(t *testing.T) {
	t.Parallel()
	for _, l := range sandboxed(t)[1:] {
		mark := rand.Text()
		h := boxHost(t, l)
		require.Equal(t, `"left"`, answerOf(t, h, "daemon "+mark), l)
		require.Eventually(t, func() bool { return running("stays", mark) }, 5*time.Second, time.Millisecond)
		require.NoError(t, h.Close())
		require.Eventually(t, func() bool { return !running("stays", mark) }, 5*time.Second, time.Millisecond, l)

		mark = l.String() + "." + rand.Text()
		argv := append(as(t, "boxhost"), mark)
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stderr, cmd.Dir = os.Stderr, t.TempDir()
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		require.Eventually(t, func() bool { return running("stays", mark) }, 5*time.Second, time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		require.Eventually(t, func() bool { return !running("stays", mark) && !running("boxhost", mark) }, 5*time.Second, time.Millisecond, l)
	}
}

// running looks for a process by its arguments.
func running(what, mark string) bool {
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		if line, err := os.ReadFile(p); err == nil && strings.HasSuffix(string(line), "as\x00"+what+"\x00"+mark+"\x00") {
			return true
		}
	}
	return false
}

// beBoxHost has a sandboxed agent leave a daemon, and waits to be killed. The mark begins with the level.
func beBoxHost(mark string) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	name, _, _ := strings.Cut(mark, ".")
	level, err := sandbox.ParseLevel(name)
	if err != nil {
		panic(err)
	}
	h := host.New(host.Options{
		Agents: []host.AgentConfig{{Name: "a", Command: []string{self, "as", "agent"}, Policy: &sandbox.Policy{}}}, Shim: []string{self, "as", "shim"},
	})
	host.CapLevel(h, level)
	if _, err := h.Call(context.Background(), ask("daemon "+mark)); err != nil {
		panic(err)
	}
	fmt.Println("left")
	select {}
}
