package screen

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/testkit/vt"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// live draws p's events on a screen of its own, in a bubble where time is virtual.
func live(t *testing.T, width int, story func(l *Live, seen *vt.Screen, size *atomic.Int64)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		seen := vt.New(width)
		var size atomic.Int64
		size.Store(int64(width))
		l := newLive(seen, style{}, func() (int, int) { return int(size.Load()), 20 }, time.Now)
		story(l, seen, &size)
		l.Close()
		require.Empty(t, seen.Unknown())
		require.False(t, seen.Hidden(), "the cursor is visible at the end")
	})
}

// frame lets one picture be drawn.
func frame() {
	<-time.After(frameTime)
	synctest.Wait()
}

func (p *play) tell(l *Live) {
	for i := range p.events {
		l.Event(&p.events[i])
	}
	p.events = nil
}

func TestTheTreeIsRedrawnInPlace(t *testing.T) {
	t.Parallel()
	live(t, 80, func(l *Live, seen *vt.Screen, _ *atomic.Int64) {
		p := play{at: time.Now()}
		p.fork(3)
		p.tell(l)
		frame()
		require.True(t, seen.Hidden())
		require.Contains(t, seen.String(), "parallel 0/3")
		p.answer(0)
		p.answer(1)
		p.tell(l)
		frame()
		frame()
		require.Contains(t, seen.String(), "parallel 2/3")
		require.Equal(t, 1, strings.Count(seen.String(), "team.star"), seen.String())
	})
}

func TestLogLinesStayAboveTheTree(t *testing.T) {
	t.Parallel()
	live(t, 80, func(l *Live, seen *vt.Screen, _ *atomic.Int64) {
		p := play{at: time.Now()}
		p.fork(1)
		p.add(0, runtime.Event{Kind: runtime.Logged, Name: "found something"})
		p.tell(l)
		frame()
		_, err := l.say([]byte("agent restarted\n"))
		require.NoError(t, err)
		frame()
		got := seen.String()
		require.Less(t, strings.Index(got, "log found something"), strings.Index(got, "agent restarted"))
		require.Less(t, strings.Index(got, "agent restarted"), strings.Index(got, "team.star"))
		l.erase(true)
		require.Contains(t, seen.String(), "agent restarted")
		require.NotContains(t, seen.String(), "team.star")
	})
}

func TestInANarrowerWindowWrappedLinesAreErasedToo(t *testing.T) {
	t.Parallel()
	live(t, 100, func(l *Live, seen *vt.Screen, size *atomic.Int64) {
		p := play{at: time.Now()}
		p.fork(4)
		p.tell(l)
		frame()
		wide := seen.String()
		size.Store(40)
		seen.Resize(40) // lines of 68 cells take two rows now
		require.Greater(t, strings.Count(seen.String(), "\n"), strings.Count(wide, "\n"))
		frame()
		require.Equal(t, 1, strings.Count(seen.String(), "team.star"), seen.String())
		require.Equal(t, strings.Count(wide, "\n"), strings.Count(seen.String(), "\n"), seen.String())
	})
}

func TestAPersonHasTheTerminalAlone(t *testing.T) {
	t.Parallel()
	live(t, 80, func(l *Live, seen *vt.Screen, _ *atomic.Int64) {
		p := play{at: time.Now()}
		p.fork(2)
		p.tell(l)
		frame()
		l.Aside(func() {
			require.NotContains(t, seen.String(), "team.star")
			require.False(t, seen.Hidden())
			before := seen.String()
			p.answer(0)
			p.tell(l)
			frame()
			frame()
			require.Equal(t, before, seen.String(), "nothing is drawn meanwhile")
		})
		frame()
		require.Contains(t, seen.String(), "parallel 1/2")
	})
}
