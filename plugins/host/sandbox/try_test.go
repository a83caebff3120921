//go:build linux && amd64

package sandbox_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host/sandbox"
)

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("/tmp", "px-attacker-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "attacker")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/attacker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})

func TestTry(t *testing.T) {
	a, err := buildOnce()
	require.NoError(t, err)
	require.NoError(t, os.Chmod(filepath.Dir(a), 0o755))
	self, _ := os.Executable()
	data, _ := os.ReadFile(self)
	bin := filepath.Join(filepath.Dir(a), "test")
	require.NoError(t, os.WriteFile(bin, data, 0o755))
	for _, l := range []sandbox.Level{sandbox.Basic, sandbox.Standard, sandbox.Strict} {
		for _, hosts := range [][]string{nil, {"example.com"}} {
			for _, uid := range []uint32{0, 65534} {
				j, _ := json.Marshal(job{Attacker: a, Args: []string{"all"}, Level: l, Hosts: hosts})
				cmd := exec.Command(bin, "__host", string(j))
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				t.Log(l, hosts, uid, err)
				var r map[string]struct {
					Open bool
					Why  string
				}
				_ = json.Unmarshal(out, &r)
				for k, v := range r {
					if v.Open {
						t.Log("   ", k, v.Why)
					}
				}
			}
		}
	}
}
