package test_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	clitest "github.com/parallax-run/parallax/internal/cli/test"
	"github.com/parallax-run/parallax/runtime"
)

// output is what a command wrote so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// take gives what came since the last time.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.b.Reset()
	return o.b.String()
}

// watching is a parallax test --watch.
type watching struct {
	dir      string
	out, err output
}

func (w *watching) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(w.dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// later is what has been printed a second later.
func (w *watching) later() (out, err string) {
	<-time.After(time.Second)
	synctest.Wait()
	return w.out.take(), w.err.take()
}

// watch runs story beside parallax test --watch, in virtual time, and ends that as Ctrl-C does.
func watch(t *testing.T, files map[string]string, story func(t *testing.T, w *watching)) {
	t.Helper()
	w := &watching{dir: t.TempDir()}
	for name, text := range files {
		w.write(t, name, text)
	}
	synctest.Test(t, func(t *testing.T) {
		app := &cli.App{
			Out: &w.out, Err: &w.err, Dir: w.dir, LookupEnv: os.LookupEnv,
			Environment: func() runtime.Environment { return runtime.Environment{Builtins: builtins.All()} },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		o := &clitest.Options{App: app, Paths: []string{"."}, Jobs: 2, Watch: true}
		go func() { ended <- o.Run(ctx) }()
		story(t, w)
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestAWatchRunsWhatAChangeConcerns(t *testing.T) {
	t.Parallel()
	watch(t, map[string]string{
		"a.star":      "def f():\n    return 1\n",
		"a_test.star": "load(':a.star', 'f')\ndef test_a():\n    assert.eq(f(), 1)\n",
		"b_test.star": "def test_b():\n    assert.golden(1, 'b.json')\n",
	}, func(t *testing.T, w *watching) {
		t.Helper()
		out, err := w.later()
		require.Contains(t, out, "2 tests, 1 failed")
		require.Contains(t, err, "Ctrl-C ends")
		out, err = w.later()
		require.Empty(t, out+err)

		w.write(t, "a.star", "def f():\n    return 100\n")
		out, err = w.later()
		require.Contains(t, out, "got 100, want 1")
		require.NotContains(t, out, "b_test")
		require.Contains(t, err, "changed: a.star\n")

		w.write(t, "testdata/b.json", "1")
		out, err = w.later()
		require.Contains(t, out, "1 test, all ok")
		require.NotContains(t, out, "a_test")
		require.Contains(t, err, "changed: testdata/b.json\n")
	})
}

func TestAWatchSeesMistakesMendedAndFilesComeAndGo(t *testing.T) {
	t.Parallel()
	watch(t, map[string]string{
		"a.star":      "def f():\n    return 1\n",
		"a_test.star": "load(':a.star', 'f')\ndef test_a():\n    assert.eq(f(), 1)\n",
	}, func(t *testing.T, w *watching) {
		t.Helper()
		out, _ := w.later()
		require.Contains(t, out, "1 test, all ok")
		w.write(t, "a.star", "def f(:\n")
		out, _ = w.later()
		require.Contains(t, out, "1 file with errors")
		w.write(t, "a.star", "def f():\n    return 1.0\n")
		out, _ = w.later()
		require.Contains(t, out, "1 test, all ok")

		w.write(t, "deep/c_test.star", "def test_c():\n    pass\n")
		out, err := w.later()
		require.Contains(t, out, "ok   test_c")
		require.NotContains(t, out, "test_a ")
		require.Contains(t, err, "changed: deep/c_test.star\n")

		require.NoError(t, os.Remove(filepath.Join(w.dir, "a_test.star")))
		out, err = w.later()
		require.Empty(t, out+err)
		w.write(t, "a.star", strings.Repeat("\n", 50))
		out, err = w.later()
		require.Empty(t, out+err)
	})
}
