package enginetest_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/runtime"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestMain runs the tests, or is a host that one of them starts to kill it: that one is told what to do by the environment and takes no arguments.
func TestMain(m *testing.M) {
	if task := os.Getenv(hostTask); task != "" {
		if len(os.Args) > 1 {
			fmt.Fprintln(os.Stderr, "a host of a test takes no arguments")
			os.Exit(2)
		}
		os.Exit(beHost(task))
	}
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "unknown arguments", flag.Args())
		os.Exit(2)
	}
	if *update { // what is embedded in this binary are the old ones: comparing with them is for the next
		if err := flag.Set("test.run", "^TestInMemory$"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	goleak.VerifyTestMain(m)
}

// inMemory runs a case in virtual time, with facts in memory.
func inMemory(t *testing.T, c *enginetest.Case, cast *enginetest.Cast) (o enginetest.Outcome) {
	t.Helper()
	h := host{c: c, cast: cast, loaded: c.Load(t), id: "r"}
	synctest.Test(t, func(t *testing.T) {
		o, _ = h.live(t, &notebook.Notebook{}, -1)
	})
	return o
}

func TestInMemory(t *testing.T) {
	t.Parallel()
	if *update {
		for _, c := range append(enginetest.Cases(t), enginetest.Examples(t)...) {
			o := inMemory(t, c, c.Cast())
			require.NoError(t, c.Rewrite(o), c.Name)
		}
		return
	}
	enginetest.Run(t, inMemory)
}

func TestExamplesInMemory(t *testing.T) {
	t.Parallel()
	enginetest.RunExamples(t, inMemory)
}

func TestWithoutARecord(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, func(t *testing.T, c *enginetest.Case, cast *enginetest.Cast) (o enginetest.Outcome) {
		t.Helper()
		h := host{c: c, cast: cast, loaded: c.Load(t), id: "r"}
		synctest.Test(t, func(t *testing.T) { o = h.run(t.Context(), nil, nil) })
		return o
	})
}

// TestAHostThatDiesInMemory lets the host die behind every fact, the next one two facts later, and then the run go on to its end.
func TestAHostThatDiesInMemory(t *testing.T) {
	t.Parallel()
	for _, c := range enginetest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			loaded := c.Load(t)
			for _, kill := range deaths(t, c, loaded) {
				h := host{c: c, cast: c.Cast(), loaded: loaded, id: "r"}
				synctest.Test(t, func(t *testing.T) {
					book := &notebook.Notebook{}
					for _, facts := range []int{kill, 2, -1} {
						o, ended := h.live(t, book, facts)
						if o.Broken = fmt.Sprintf("(the host died behind fact %d)", kill); ended {
							c.Check(t, o)
						}
					}
				})
			}
		})
	}
}

// TestAReplayAsksNobody tells every run again from its facts alone. Of a run that was cancelled the record ends before its result.
func TestAReplayAsksNobody(t *testing.T) {
	t.Parallel()
	for _, c := range enginetest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			h := host{c: c, cast: c.Cast(), loaded: c.Load(t), id: "r"}
			synctest.Test(t, func(t *testing.T) {
				book := &notebook.Notebook{}
				o, _ := h.live(t, book, -1)
				made := h.cast.Made()
				h.replay = true
				again, _ := h.live(t, book, 0)
				require.Equal(t, made, h.cast.Made())
				require.Equal(t, o.Facts, again.Facts)
				if len(c.Script.Cancel) > 0 {
					require.ErrorAs(t, again.Err, new(*engine.Beyond))
					return
				}
				again.Broken = "(a replay)"
				c.Check(t, again)
			})
		})
	}
}

// TestExamplesGiveWhatTheCommandGives compares with the results that `parallax run` printed.
func TestExamplesGiveWhatTheCommandGives(t *testing.T) {
	t.Parallel()
	compared := 0
	for _, c := range enginetest.Examples(t) {
		printed, err := os.ReadFile(filepath.Join("..", "..", "examples", "testdata", strings.ReplaceAll(c.Name, "/", "-")+".json"))
		if errors.Is(err, fs.ErrNotExist) || c.Name == "thousand" { // which is asked for fewer branches here
			continue
		}
		require.NoError(t, err)
		want, err := runtime.Canonical(printed)
		require.NoError(t, err)
		require.Equal(t, want.String()+"\n", c.Want["result"], c.Name)
		compared++
	}
	require.Greater(t, compared, 15)
}
