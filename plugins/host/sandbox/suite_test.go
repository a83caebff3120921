//go:build linux && amd64

package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

// user is who the host is, and where the attacker's program lies.
type user struct {
	name string
	uid  uint32
	root bool // the agent stays root: only root may run its program
}

// users are those as whom the suite can run.
func users() []user {
	if os.Geteuid() != 0 {
		return []user{{name: "user", uid: uint32(os.Geteuid())}}
	}
	return []user{{name: "root"}, {name: "root only", root: true}, {name: "nobody", uid: 65534}}
}

// programs builds the attacker and copies this binary to where everybody may run them, and to where only root may.
var programs = sync.OnceValues(func() (*built, error) {
	dir, err := os.MkdirTemp("/tmp", "px-attacker-")
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir, attacker: filepath.Join(dir, "attacker"), host: filepath.Join(dir, "host"), hidden: filepath.Join(dir, "hidden", "attacker"), i386: filepath.Join(dir, "i386")}
	build := func(out, arch, what string) error {
		cmd := exec.Command("go", "build", "-o", out, what)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
		cmd.Stderr = os.Stderr
		return cmd.Run()
	}
	self, err := os.Executable()
	return b, errors.Join(
		err, os.Chmod(dir, 0o755), build(b.attacker, "amd64", "./testdata/attacker"), build(b.i386, "386", "./testdata/hello"),
		os.Mkdir(filepath.Dir(b.hidden), 0o700), copyFile(b.attacker, b.hidden, 0o700), copyFile(self, b.host, 0o755),
	)
})

// built is what the suite runs.
type built struct{ dir, attacker, host, hidden, i386 string }

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}

// outcome is what an attempt came to.
type outcome struct {
	Open bool   `json:"open"`
	Why  string `json:"why"`
}

// as has a host do a job in a process of its own, and gives what it printed.
func (u user) as(t *testing.T, j job) (string, error) {
	t.Helper()
	p, err := programs()
	require.NoError(t, err)
	if j.Attacker = p.attacker; u.root {
		j.Attacker = p.hidden
	}
	text, err := json.Marshal(j)
	require.NoError(t, err)
	cmd := exec.Command(p.host, "__host", string(text))
	if int(u.uid) != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.uid, Gid: u.uid}}
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, errs.String())
	}
	return string(out), nil
}

// bombs has those who throw one wait for all others, and the other way round: where agents have no user space of their own, processes of
// one user are counted together.
var bombs sync.RWMutex

// attack makes attempts and gives what they came to. The error says that there was no agent.
func (u user) attack(t *testing.T, j job) (map[string]outcome, error) {
	t.Helper()
	if slices.Contains(j.Args, "fork bomb") {
		bombs.Lock()
		defer bombs.Unlock()
	} else {
		bombs.RLock()
		defer bombs.RUnlock()
	}
	out, err := u.as(t, j)
	if err != nil {
		return nil, err
	}
	var results map[string]outcome
	require.NoError(t, json.Unmarshal([]byte(out), &results), out)
	return results, nil
}

// offered are the levels of this machine.
func offered(t *testing.T) []sandbox.Level {
	t.Helper()
	p, err := programs()
	require.NoError(t, err)
	m := sandbox.Probe(t.Context(), []string{p.host, "__shim"})
	t.Log("this machine gives", m.Level, m.Details, m.Lacks)
	return []sandbox.Level{sandbox.Basic, sandbox.Standard, sandbox.Strict}[:m.Level]
}

// elsewhere are attempts that are made by other tests.
var elsewhere = []string{"outlive the host"}

// kernels are attempts at parts that not every kernel has, or that only a privileged process could use: they may fail by themselves.
var kernels = []string{
	"kernel crypto", "virtual socket", "MPTCP", "IPv6", "io_uring", "bpf", "performance counters", "userfaultfd", "type into a terminal",
	"new user namespace", "new mount namespace", "TCP fast open", "unknown system call",
}

// Each attempt is stopped where the table says so. Where it says that it is not, it succeeds for somebody: the table does not hide
// what could be promised, and the attempts are real.
func TestAttacksAreStoppedAsTheTableSays(t *testing.T) {
	t.Parallel()
	for _, level := range offered(t) {
		for _, hosts := range [][]string{nil, {"example.com"}} {
			t.Run(fmt.Sprint(level, len(hosts)), func(t *testing.T) {
				t.Parallel()
				open := map[string]bool{}
				for _, u := range users() {
					results, err := u.attack(t, job{Args: []string{"all"}, Level: level, Hosts: hosts})
					require.NoError(t, err, u.name)
					bomb, err := u.attack(t, job{Args: []string{"all", "fork bomb"}, Level: level, Hosts: hosts})
					require.NoError(t, err, u.name)
					results["fork bomb"] = bomb["fork bomb"]
					judge(t, u, level, len(hosts) > 0, results)
					for name, r := range results {
						open[name] = open[name] || r.Open
					}
				}
				for _, a := range sandbox.Attempts() {
					if !a.Stopped(level, len(hosts) > 0, true) && !slices.Contains(slices.Concat(elsewhere, kernels), a.Name) && os.Geteuid() == 0 {
						require.True(t, open[a.Name], "%s is said not to be stopped at %s, and is", a.Name, level)
					}
				}
			})
		}
	}
}

// judge compares what came of the attempts with the table, which names each of them.
func judge(t *testing.T, u user, level sandbox.Level, hosts bool, results map[string]outcome) {
	t.Helper()
	var named []string
	for _, a := range sandbox.Attempts() {
		named = append(named, a.Name)
		r, made := results[a.Name]
		require.True(t, made || slices.Contains(elsewhere, a.Name), "nobody attempts %s", a.Name)
		if a.Stopped(level, hosts, u.root) {
			require.False(t, r.Open, "%s at %s as %s: %s", a.Name, level, u.name, r.Why)
		}
	}
	for name := range results {
		require.True(t, slices.Contains(named, name) || strings.HasPrefix(name, "helper: "), "%s is not in the table", name)
	}
}

// hole says what notices that a step was left out.
type hole struct {
	attempts []string // at least one of them succeeds, or there is no agent
	hosts    []string // granted meanwhile
	root     bool     // needs an agent that stays root
	asRoot   bool     // needs a host of root
	why      string   // that nothing notices it
}

// holes lists every step. What is held twice says by what else.
func holes(l sandbox.Level) map[string]hole {
	granted := []string{"example.com"}
	m := map[string]hole{
		"limits":                                {attempts: []string{"open files"}},
		"loopback":                              {why: "it is no door, it is the way out"},
		"file tree":                             {attempts: []string{"unix socket"}, hosts: granted},
		"processes":                             {attempts: []string{"fork bomb"}, root: true, asRoot: true},
		"user":                                  {attempts: []string{"stay root"}, asRoot: true},
		"capabilities":                          {attempts: []string{"keep capabilities"}, root: true, asRoot: true},
		"no new privileges":                     {attempts: []string{"gain privileges"}},
		"death signal":                          {attempts: []string{"live without its host"}},
		"work directory":                        {why: "it is no door"},
		"landlock":                              {attempts: []string{"run a program", "run from scratch"}},
		"descriptors":                           {attempts: []string{"inherited descriptor"}},
		"system calls":                          {attempts: []string{"io_uring"}},
		"filter: foreign calls":                 {attempts: []string{"32-bit system call"}},
		"filter: calls of the kernel's keepers": {attempts: []string{"keyring"}},
		"filter: namespaces":                    {attempts: []string{"new user namespace"}},
		"filter: memory outside limits":         {attempts: []string{"shared memory"}},
		"filter: sockets":                       {attempts: []string{"netlink"}},
		"filter: connections":                   {attempts: []string{"unix socket"}},
		"filter: death":                         {attempts: []string{"undo the death signal"}},
		"filter: sessions":                      {attempts: []string{"helper: new session"}},
		"filter: terminals":                     {attempts: []string{"type into a terminal"}},
		"process space":                         {attempts: []string{"host environment"}},
		"network space":                         {attempts: []string{"TCP"}, hosts: granted},
		"ipc space":                             {why: "its calls are refused too"},
	}
	if l == sandbox.Strict {
		m["filter: connections"] = hole{why: "the file tree holds no other's socket"}
		m["filter: sessions"] = hole{why: "an agent's processes end with their process space"}
	}
	if os.Geteuid() != 0 && l == sandbox.Strict {
		m["capabilities"] = hole{attempts: []string{"keep capabilities"}}
	}
	return m
}

// A hole in the shim, one for each thing that it does, makes the suite fail.
func TestPlantedHolesAreNoticed(t *testing.T) {
	t.Parallel()
	for _, level := range offered(t) {
		steps := shim.Steps(level)
		if level == sandbox.Strict {
			steps = append(steps, slices.Sorted(maps.Keys(sandbox.Namespaces()))...)
		}
		known := holes(level)
		for _, step := range steps {
			h, ok := known[step]
			require.True(t, ok, "nothing is planted for %s", step)
			if h.why != "" || h.asRoot && os.Geteuid() != 0 {
				continue
			}
			t.Run(fmt.Sprint(level, " without ", step), func(t *testing.T) {
				t.Parallel()
				require.True(t, noticed(t, level, step, h), "nothing noticed it")
			})
		}
	}
}

// noticed says whether the suite fails: there is no agent, or an attempt succeeds that did not before.
func noticed(t *testing.T, level sandbox.Level, step string, h hole) bool {
	t.Helper()
	u := users()[0]
	if h.root {
		u = users()[1]
	}
	j := job{Args: append([]string{"all"}, h.attempts...), Level: level, Hosts: h.hosts}
	sound, err := u.attack(t, j)
	require.NoError(t, err)
	j.Hole = step
	results, err := u.attack(t, j)
	if err != nil {
		t.Log("there was no agent:", err)
		return true
	}
	return slices.ContainsFunc(h.attempts, func(name string) bool {
		t.Log(name, results[name])
		return results[name].Open && !sound[name].Open
	})
}

// A program for 32 bits that may be run is ended at its first call.
func TestProgramsFor32BitsDoNotRun(t *testing.T) {
	t.Parallel()
	p, err := programs()
	require.NoError(t, err)
	for _, level := range offered(t)[1:] {
		_, err = users()[0].as(t, job{Args: []string{"hello"}, Level: level, Exec: []string{p.i386}})
		require.NoError(t, err)
		out, err := users()[0].as(t, job{Args: []string{"start", p.i386}, Level: level, Exec: []string{p.i386}})
		require.NoError(t, err)
		require.Equal(t, "signal: bad system call", out)
	}
}

// The shim with holes belongs to this suite.
func TestOnlyTestsLeaveStepsOut(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Base(path) == "holes_linux.go" {
			return err
		}
		text, err := os.ReadFile(path)
		require.NotContains(t, string(text), "RunWithout(", path)
		return err
	}))
}
