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
)

// Bounds for a script from somebody else. The race detector stretches both many times: make test runs these tests without it.
const (
	hostileCPU    = 5 * time.Second // the slowest needs 2.7 s of a quiet machine
	hostileMemory = 400             // MiB
)

// TestHostileScripts runs what somebody could write to harm the host, each in a process of its own: all end with an ordinary
// error, in time and in little memory. testdata/hostile has a file for each kind of attack, its scripts separated by ---.
func TestHostileScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/hostile/*.star")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for i, script := range strings.Split(string(text), "\n---\n") {
			t.Run(fmt.Sprintf("%s/%d", strings.TrimSuffix(filepath.Base(file), ".star"), i), func(t *testing.T) {
				t.Parallel()
				contained(t, script)
			})
		}
	}
}

// TestHostileSources are attacks on whoever reads the source.
func TestHostileSources(t *testing.T) {
	t.Parallel()
	body := func(expr string) string { return "def main():\n    return " + expr + "\n" }
	for name, script := range map[string]string{
		"parentheses":    body(strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000)),
		"lists":          body(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)),
		"nots":           body(strings.Repeat("not ", 60_000) + "1"),
		"left-deep sum":  body("1" + strings.Repeat("+1", 120_000) + " + x"),
		"calls":          body("len" + strings.Repeat("()", 120_000)),
		"dots":           body("x" + strings.Repeat(".a", 120_000)),
		"indices":        body("[]" + strings.Repeat("[0]", 80_000)),
		"elif":           "def main(x = 1):\n    if x == 0:\n        pass\n" + strings.Repeat("    elif x == 2:\n        pass\n", 8_000) + "    fail('end')\n",
		"lambdas":        body(strings.Repeat("lambda: ", 30_000) + "1"),
		"indentation":    nested(3_000),
		"literals":       body("[" + strings.Repeat("1,", 120_000) + "x]"),
		"a long name":    body(strings.Repeat("x", 200_000)),
		"a long string":  body("nothing('" + strings.Repeat("x", 200_000) + "')"),
		"a long integer": body(strings.Repeat("9", 200_000)),
		"too large":      "# " + strings.Repeat("x", 300_000) + "\n" + body("1"),
		"NUL":            "def main():\n    return \"\x00\" + 1\n",
		"bad UTF-8":      "def main():\n    return \"\xff\" + 1\n",
		"comprehensions": body("[" + strings.Repeat("[", 900) + "x" + strings.Repeat(" for x in range(9)]", 900) + "]"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contained(t, script)
		})
	}
}

// TestHostileLoads are ways out of the package through load(). The file they want would end the run with exit 0.
func TestHostileLoads(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.star")
	require.NoError(t, os.WriteFile(secret, []byte("x = 'outside'\n"), 0o600))
	for name, c := range map[string]struct {
		label string
		make  func(dir string) error
	}{
		"absolute":        {label: secret},
		"parent":          {label: "//../" + filepath.Base(outside) + "/secret.star"},
		"parent, sibling": {label: ":../secret.star"},
		"symlink":         {":link.star", func(dir string) error { return os.Symlink(secret, filepath.Join(dir, "link.star")) }},
		"linked folder":   {"//sub/secret.star", func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "sub")) }},
		"device":          {":zero.star", func(dir string) error { return os.Symlink("/dev/zero", filepath.Join(dir, "zero.star")) }},
		"FIFO":            {":pipe.star", func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "pipe.star"), 0o600) }},
		"folder":          {":folder.star", func(dir string) error { return os.Mkdir(filepath.Join(dir, "folder.star"), 0o700) }},
		"itself":          {label: ":hostile.star"},
		"another scheme":  {label: "file://" + secret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if c.make != nil {
				require.NoError(t, c.make(dir))
			}
			containedIn(t, dir, fmt.Sprintf("load(%q, \"x\")\n\ndef main():\n    return x\n", c.label))
		})
	}
}

func nested(n int) string {
	var b strings.Builder
	b.WriteString("def main():\n")
	for i := range n {
		b.WriteString(strings.Repeat(" ", i%100+1) + "if True:\n")
	}
	return b.String() + "x\n"
}

func contained(t *testing.T, script string) {
	t.Helper()
	containedIn(t, t.TempDir(), script)
}

// containedIn runs a script in dir as parallax runs one from elsewhere.
func containedIn(t *testing.T, dir, script string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hostile.star"), []byte(script), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "parallax.toml"), []byte("[agents.echo]\nuse = \"mock\"\necho = true\n"), 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = []string{"parallax", "run", "--quiet", "--limit", "bytes=128MiB", "hostile.star"}
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var stdout, stderr tail
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()

	code := cmd.ProcessState.ExitCode()
	said := stderr.String()
	require.Contains(t, []int{1, 2, 3, 5}, code, "%v: it should have ended with an ordinary error\n%s%s", err, stdout.String(), said)
	require.True(t, strings.HasPrefix(said, "parallax: "), said)
	require.NotContains(t, said, "goroutine ")
	require.NotContains(t, said, "internal error")
	require.Less(t, stderr.total, 64<<10, "a giant error")
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	require.Less(t, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), hostileCPU)
	require.Less(t, use.Maxrss/1024, int64(hostileMemory), "MiB resident")
}

// tail keeps the start of what is written and counts the rest.
type tail struct {
	bytes.Buffer
	total int
}

func (w *tail) Write(p []byte) (int, error) {
	w.total += len(p)
	if w.Len() < 16<<10 {
		w.Buffer.Write(p)
	}
	return len(p), nil
}
