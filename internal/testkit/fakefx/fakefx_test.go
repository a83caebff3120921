package fakefx_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/testkit/fakefx"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inside runs body with the effects of main, in virtual time.
func inside(t *testing.T, body func(fx runtime.Effects)) {
	t.Helper()
	grab := starlark.NewBuiltin("grab", func(t *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		b, err := runtime.BranchOf(t)
		if err == nil {
			body(b.Effects())
		}
		return starlark.None, err
	})
	f, err := runtime.Parse("p.star", []byte("def main():\n    grab()\n"))
	require.NoError(t, err)
	prog, err := runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: starlark.StringDict{"grab": grab}})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		_, err := (&fakefx.World{}).Run(t.Context(), prog, nil, runtime.Config{})
		require.NoError(t, err)
	})
}

// sleepers forks branches that sleep for so many seconds; a negative number fails after that many.
func sleepers(fx runtime.Effects, spec runtime.ForkSpec, seconds ...int) runtime.Group {
	spec.Label = func(int) string { return "" }
	return fx.Fork(spec, len(seconds), func(i int, fx runtime.Effects) (any, error) {
		d := seconds[i]
		if _, err := fx.Do(runtime.Sleep{For: time.Duration(max(d, -d)) * time.Second}); err != nil {
			return nil, err
		}
		if d < 0 {
			return nil, runtime.Errorf(runtime.Refused, "no")
		}
		return d, nil
	})
}

// story is what a group gives until it is drained; after, if not nil, is told how many came.
func story(g runtime.Group, after func(n int)) (told []string) {
	for n := 1; ; n++ {
		i, v, err, ok := g.Next()
		if !ok {
			return told
		}
		var e *runtime.Error
		switch {
		case err == nil:
			told = append(told, fmt.Sprintf("%d=%v", i, v))
		case errors.As(err, &e):
			told = append(told, fmt.Sprintf("%d:%s:%v", i, e.Code, e.Cause))
		}
		if after != nil {
			after(n)
		}
	}
}

func TestIndexedSuccessesKeepTheirOrderAndFailuresDoNotWait(t *testing.T) {
	t.Parallel()
	inside(t, func(fx runtime.Effects) {
		require.Equal(t, []string{"2:refused:<nil>", "0=5", "1=2", "3=1"}, story(sleepers(fx, runtime.ForkSpec{}, 5, 2, -3, 1), nil))
	})
}

func TestSettledEndsComeAsTheyArrive(t *testing.T) {
	t.Parallel()
	inside(t, func(fx runtime.Effects) {
		require.Equal(t, []string{"3=1", "1=2", "2:refused:<nil>", "0=5"}, story(sleepers(fx, runtime.ForkSpec{Order: runtime.Settled}, 5, 2, -3, 1), nil))
	})
}

func TestCancelTakesAllThatIsUndelivered(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	inside(t, func(fx runtime.Effects) {
		start := fx.Now()
		g := sleepers(fx, runtime.ForkSpec{Order: runtime.Settled, Limit: 2}, 9, 1, 9, 9)
		require.Equal(t, []string{"1=1", "0:cancelled:enough", "2:cancelled:enough", "3:cancelled:enough"}, story(g, func(n int) {
			if n == 1 {
				g.Cancel(enough)
			}
		}))
		require.Equal(t, time.Second, fx.Now().Sub(start))
	})
}

func TestADeadlineTakesWhatHasNotEnded(t *testing.T) {
	t.Parallel()
	inside(t, func(fx runtime.Effects) {
		g := sleepers(fx, runtime.ForkSpec{Timeout: 4 * time.Second}, 9, 1, 8, 2)
		require.ElementsMatch(t, []string{
			"0:cancelled:" + runtime.ErrDeadline.Error(), "2:cancelled:" + runtime.ErrDeadline.Error(), "1=1", "3=2",
		}, story(g, nil))
	})
}

func TestLimitBoundsHowManyRun(t *testing.T) {
	t.Parallel()
	inside(t, func(fx runtime.Effects) {
		start := fx.Now()
		require.Len(t, story(sleepers(fx, runtime.ForkSpec{Limit: 2}, 1, 1, 1, 1, 1), nil), 5)
		require.Equal(t, 3*time.Second, fx.Now().Sub(start))
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		fakefx.Wait(ctx, time.Hour)
		require.Equal(t, time.Second, time.Since(start))
	})
}
