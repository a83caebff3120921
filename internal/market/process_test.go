package market

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/manifest"
)

// installs is a process that installs: CACHE PROJECT URL [ALIAS VALUE]. It says "starting" when it tries an agent, and waits then if it reads from
// a pipe that stays open.
func installs(args []string) int {
	client := NewHTTP()
	m := &Market{
		Cache: &Cache{Dir: args[0]}, Platform: "linux/amd64",
		Client: &Client{HTTP: client, Bases: map[string]string{"github.com": args[2]}, Wait: func(context.Context, time.Duration) error { return nil }},
		Start: func(context.Context, string, *manifest.Manifest) error {
			_, _ = fmt.Fprintln(os.Stdout, "starting")
			_, err := io.Copy(io.Discard, os.Stdin)
			return err
		},
	}
	var edits []Edit
	if len(args) == 5 {
		edits = []Edit{{args[3], args[4]}}
	}
	if _, err := m.Sync(context.Background(), args[1], edits, false); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// another is a process that installs for this world's project into its cache.
func (w *world) another(edit ...string) *exec.Cmd {
	w.t.Helper()
	self, err := os.Executable()
	require.NoError(w.t, err)
	cmd := exec.CommandContext(w.t.Context(), self, append([]string{"installs", w.Cache.Dir, w.dir, w.hub.URL}, edit...)...)
	cmd.Stderr = new(bytes.Buffer)
	return cmd
}

func TestTwoProcessesInstallOneAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.project()
	var all []*exec.Cmd
	for i := range 6 {
		repo := fmt.Sprintf("acme/p%d", i)
		w.pattern(repo, "1.0.0", "common=acme/common@v1.0.0")
		all = append(all, w.another(fmt.Sprintf("p%d", i), "github.com/"+repo+"@v1.0.0"))
	}
	w.pattern("acme/common", "1.0.0")
	for _, cmd := range all {
		require.NoError(t, cmd.Start())
	}
	for _, cmd := range all {
		require.NoError(t, cmd.Wait(), "%s", cmd.Stderr)
	}
	lock, err := manifest.LoadLock(w.dir)
	require.NoError(t, err)
	require.Equal(t, []string{"acme/common v1.0.0", "acme/p0 v1.0.0", "acme/p1 v1.0.0", "acme/p2 v1.0.0", "acme/p3 v1.0.0", "acme/p4 v1.0.0", "acme/p5 v1.0.0"}, versionsOf(lock))
	m, err := manifest.Load(w.dir)
	require.NoError(t, err)
	require.Len(t, m.Dependencies, 6)
	for _, p := range lock.Packages {
		require.NoError(t, w.Cache.Look(p, w.Platform, true))
	}
}

// killed waits until a process is where it is to die, and kills it.
func killed(t *testing.T, cmd *exec.Cmd, there <-chan struct{}) {
	t.Helper()
	<-there
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
}

// whole says that after a process was killed another installs as if nothing had been.
func (w *world) whole(want ...string) {
	w.t.Helper()
	require.Empty(w.t, w.lock())
	out, err := w.sync(w.Market)
	require.NoError(w.t, err)
	require.Equal(w.t, want, versionsOf(out.Lock))
	for _, p := range out.Lock.Packages {
		require.NoError(w.t, w.Cache.Look(p, w.Platform, true))
	}
	require.Len(w.t, w.leftovers(), len(want), "what the killed process left is gone")
}

func TestAProcessIsKilledInTheMiddleOfADownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent("acme/critic", "1.0.0", "")
	w.project("critic=acme/critic@v1.0.0")
	there := make(chan struct{})
	w.hub.Fail(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".zip") {
			return false
		}
		rw.Header().Set("Content-Length", "100000")
		_, _ = rw.Write(make([]byte, 50000))
		_ = http.NewResponseController(rw).Flush()
		close(there)
		<-r.Context().Done()
		return true
	})
	cmd := w.another()
	require.NoError(t, cmd.Start())
	killed(t, cmd, there)
	require.NotEmpty(t, w.leftovers(), "it died with a download begun")
	w.hub.Fail(nil)
	w.whole("acme/critic v1.0.0")
}

func TestAProcessIsKilledWhileItTriesAnAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent("acme/critic", "1.0.0", "")
	w.project("critic=acme/critic@v1.0.0")
	cmd := w.another()
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "%s", cmd.Stderr)
	require.Equal(t, "starting\n", line)
	there := make(chan struct{})
	close(there)
	killed(t, cmd, there)
	require.NotEmpty(t, w.leftovers())
	w.whole("acme/critic v1.0.0")
}

// A process that was killed between the lock and the manifest leaves a lock that has too much, which does no harm.
func TestALockThatHasTooMuchIsPutRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pattern("acme/debate", "1.0.0")
	w.project("debate=acme/debate@v1.0.0")
	_, err := w.sync(w.Market)
	require.NoError(t, err)
	w.project()
	lock, err := manifest.LoadLock(w.dir)
	require.NoError(t, err)
	require.Len(t, lock.Packages, 1)
	_, err = w.sync(w.Market)
	require.NoError(t, err)
	require.NotContains(t, w.lock(), "debate")
}

func TestWaitingForAnotherProcessCanBeBrokenOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held, err := w.Cache.lock(t.Context(), func() {})
	require.NoError(t, err)
	defer held.free()
	ctx, cancel := context.WithCancel(t.Context())
	w.Say = func(line string) {
		require.Equal(t, "waiting for another parallax that installs packages", line)
		cancel()
	}
	_, err = w.Sync(ctx, w.dir, nil, false)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAFileThatIsReplacedKeepsItsModeAndIsNeverHalf(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o600))
	require.NoError(t, WriteFile(name, []byte("new")))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Chmod(filepath.Dir(name), 0o755))
	entries, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
