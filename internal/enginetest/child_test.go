package enginetest_test

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/child"
	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

// aside is a child in this process: it speaks as one in a process of its own does, in virtual time.
func aside() (*child.Process, error) {
	in, toChild := io.Pipe()
	fromChild, out := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := child.Serve(in, out, runtime.Environment{Builtins: builtins.All()})
		_ = in.CloseWithError(err)
		_ = out.CloseWithError(err)
	}()
	return &child.Process{
		In: toChild, Out: fromChild,
		Kill: sync.OnceFunc(func() {
			_ = toChild.Close()
			_ = fromChild.Close()
		}),
		Wait: func() error {
			<-ended
			return nil
		},
	}, nil
}

// apart loads a case so that a child interprets it.
func apart(t *testing.T, c *enginetest.Case) (*pattern.Loaded, *child.Interpreter) {
	t.Helper()
	env := runtime.Environment{Builtins: builtins.All()}
	x := &child.Interpreter{Start: aside, Env: env}
	loaded, err := pattern.Load(c.Main(t), env, pattern.Options{Std: stdlib.FS(), Apart: x.Compile, Elsewhere: func(string) bool { return true }})
	require.NoError(t, err)
	x.Rest() // each bubble of virtual time has one of its own
	return loaded, x
}

// inChild is inMemory with the pattern in a child.
func inChild(t *testing.T, c *enginetest.Case, cast *enginetest.Cast) (o enginetest.Outcome) {
	t.Helper()
	loaded, x := apart(t, c)
	h := host{c: c, cast: cast, loaded: loaded, id: "r"}
	synctest.Test(t, func(t *testing.T) {
		defer x.Rest()
		o, _ = h.live(t, &notebook.Notebook{}, -1)
	})
	return o
}

func TestInAChild(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, inChild)
}

func TestExamplesInAChild(t *testing.T) {
	t.Parallel()
	enginetest.RunExamples(t, inChild)
}

// TestAHostThatDiesBesideAChild lets the host die behind some of the facts, and the run go on to its end with another child.
func TestAHostThatDiesBesideAChild(t *testing.T) {
	t.Parallel()
	for _, c := range enginetest.Cases(t) {
		if c.Name == "signals-branches" {
			continue // branches start side by side here: where signals are there before, any of them may take the first
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			all := deaths(t, c, c.Load(t))
			loaded, x := apart(t, c)
			for k := 0; k < len(all); k += 1 + len(all)/6 {
				h := host{c: c, cast: c.Cast(), loaded: loaded, id: "r"}
				synctest.Test(t, func(t *testing.T) {
					defer x.Rest()
					book := &notebook.Notebook{}
					for _, facts := range []int{all[k], 2, -1} {
						o, ended := h.live(t, book, facts)
						if o.Broken = fmt.Sprintf("(the host died behind fact %d)", all[k]); ended {
							c.Check(t, o)
						}
					}
				})
			}
		})
	}
}

// TestAReplayInAChildAsksNobody tells what a run left in memory again with the pattern in a child: the two cannot tell each other apart.
func TestAReplayInAChildAsksNobody(t *testing.T) {
	t.Parallel()
	for _, c := range enginetest.Cases(t) {
		if len(c.Script.Cancel) > 0 {
			continue // the record ends before the result
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			loaded, x := apart(t, c)
			h := host{c: c, cast: c.Cast(), loaded: c.Load(t), id: "r"}
			synctest.Test(t, func(t *testing.T) {
				defer x.Rest()
				book := &notebook.Notebook{}
				o, _ := h.live(t, book, -1)
				made := h.cast.Made()
				h.replay, h.loaded = true, loaded
				again, _ := h.live(t, book, 0)
				require.Equal(t, made, h.cast.Made())
				require.Equal(t, o.Facts, again.Facts)
				again.Broken = "(a replay)"
				c.Check(t, again)
			})
		})
	}
}
