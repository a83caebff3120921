package enginetest_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "unknown arguments", flag.Args())
		os.Exit(2)
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
		for _, c := range enginetest.Cases(t) {
			o := inMemory(t, c, c.Cast())
			require.NoError(t, c.Rewrite(o.Goldens()))
		}
		return
	}
	enginetest.Run(t, inMemory)
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
							break
						}
					}
				})
			}
		})
	}
}
