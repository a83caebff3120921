// Package examples_test runs every example through the real binary, with real agent processes.
package examples_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite golden files")

// binary is parallax, built once.
var binary string

// maxRun bounds one run of the binary; only something that hangs takes so long.
const maxRun = 3 * time.Minute

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run builds what the examples need: parallax, and the agents of the review and of the team beside them, as their READMEs say.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "parallax-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "parallax")
	for _, build := range [][]string{
		{"build", "-o", binary, "../cmd/parallax"},
		{"build", "-o", filepath.Join("review", "bin") + string(filepath.Separator), "./review/agents/..."},
		{"build", "-o", filepath.Join("team", "bin") + string(filepath.Separator), "./team/agents/..."},
	} {
		if out, err := exec.Command("go", build...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(build, " "), err, out)
			return 1
		}
	}
	return m.Run()
}

// ended is how a command ended.
type ended struct {
	code        int
	out, stderr string
}

// parallax runs the binary in dir, without a terminal and without anybody's keys, and waits for its end.
func parallax(t *testing.T, dir string, args ...string) ended {
	t.Helper()
	return parallaxWith(t, dir, nil, args...)
}

// parallaxWith is parallax with further environment variables.
func parallaxWith(t *testing.T, dir string, env []string, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxRun)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Env = append(environment(), env...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "parallax %s did not end:\n%s", strings.Join(args, " "), stderr.String())
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		require.NoError(t, err)
	}
	return ended{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// environment is ours without keys of model providers, which would change what the examples do.
func environment() []string {
	env := []string{"NO_COLOR=1", "XDG_STATE_HOME=" + filepath.Join(filepath.Dir(binary), "state")}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasSuffix(name, "_API_KEY") && name != "XDG_STATE_HOME" {
			env = append(env, v)
		}
	}
	return env
}

// done checks that the run succeeded and gives what it printed.
func (e ended) done(t *testing.T) string {
	t.Helper()
	require.Zero(t, e.code, "stderr:\n%s\nstdout:\n%s", e.stderr, e.out)
	return e.out
}

// golden compares with testdata/NAME, or rewrites it under -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "make golden writes it")
	require.Equal(t, string(want), got, "make golden rewrites testdata/%s; read the diff", name)
}

// write makes a file below dir.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// copyOf copies an example into a directory of its own, as a reader would who starts from it. What is built or installed in it
// stays behind.
func copyOf(t *testing.T, example string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), example)
	from := os.DirFS(example)
	require.NoError(t, os.CopyFS(dir, without{from, []string{"node_modules", "bin"}}))
	return dir
}
