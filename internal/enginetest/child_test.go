package enginetest_test

import (
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
