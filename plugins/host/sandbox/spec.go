package sandbox

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
)

// Spec is a process to be started in a sandbox.
type Spec struct {
	Policy   *Policy
	Level    Level            // at which it is started
	Argv     []string         // Argv[0] is absolute
	Env      []string         // besides what every sandboxed process sees
	Shared   []string         // directories that it shares with its host, to read and write
	Scratch  string           // its home, and where it starts; it is Shared too
	Root     string           // an empty directory on which a tree of its own can be mounted
	Read     []string         // what it may read besides the policy, such as its own package
	Gateways []egress.Gateway // for secrets that it may use and not see
	Secret   func(name string) (string, bool)
	Shim     []string // the command that is the shim
	Log      *slog.Logger

	Bare bool          // it needs nothing but its own program: no files of the system, nothing in its environment but Env
	CPU  time.Duration // of its processors; zero means no bound
}

// environment is what every sandboxed process sees.
func (s *Spec) environment() []string {
	if s.Bare {
		return s.Env
	}
	return append([]string{
		"PATH=" + s.path(), "HOME=" + s.Scratch, "TMPDIR=" + s.Scratch, "TEMP=" + s.Scratch, "TMP=" + s.Scratch, "LANG=C.UTF-8",
	}, s.Env...)
}

// path is where programs are looked for: where the system has them, and beside those that are allowed.
func (s *Spec) path() string {
	dirs := []string{"/usr/local/bin", "/usr/bin", "/bin"}
	for _, p := range s.Policy.Exec.Items {
		if dir := filepath.Dir(p); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, string(filepath.ListSeparator))
}
