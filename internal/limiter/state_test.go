package limiter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// noon is when these stories begin.
var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func down(why string) outcome { return outcome{kind: failed, why: why} }

// allowed counts the calls that may begin at a moment.
func allowed(s *state, at time.Time, l *Limit) (n int, next time.Duration) {
	for {
		v := s.ask(at, l)
		if v.wait > 0 || v.down {
			return n, v.wait
		}
		n++
	}
}

func TestARateSpreadsCallsEvenly(t *testing.T) {
	t.Parallel()
	l := &Limit{Kind: Agent, Name: "a", Rate: Rate{Calls: 60, Per: time.Minute}}
	var s state
	for i := range 5 {
		n, wait := allowed(&s, noon.Add(time.Duration(i)*time.Second), l)
		require.Equal(t, 1, n)
		require.Equal(t, time.Second, wait)
	}
	n, wait := allowed(&s, noon.Add(4500*time.Millisecond), l)
	require.Zero(t, n)
	require.Equal(t, 500*time.Millisecond, wait)
	n, _ = allowed(&s, noon.Add(time.Hour), l)
	require.Equal(t, 1, n, "a rest saves nothing up")
}

func TestABurstIsSavedUpDuringARest(t *testing.T) {
	t.Parallel()
	l := &Limit{Rate: Rate{Calls: 10, Per: time.Second, Burst: 4}}
	var s state
	n, wait := allowed(&s, noon, l)
	require.Equal(t, 4, n)
	require.Equal(t, 100*time.Millisecond, wait)
	n, _ = allowed(&s, noon.Add(250*time.Millisecond), l)
	require.Equal(t, 2, n)
	n, _ = allowed(&s, noon.Add(time.Hour), l)
	require.Equal(t, 4, n)
}

func TestAClockThatIsSetBackHoldsNobodyUpForLong(t *testing.T) {
	t.Parallel()
	l := &Limit{Rate: Rate{Calls: 6, Per: time.Minute, Burst: 3}}
	var s state
	_, _ = allowed(&s, noon, l)
	s.note(noon, outcome{kind: held, after: time.Minute, why: "later"}, 0)
	for range breakerFails {
		s.note(noon, down("gone"), 0)
	}
	past := noon.Add(-24 * time.Hour)
	require.Equal(t, longestHold, s.ask(past, l).wait)
	past = past.Add(longestHold)
	v := s.ask(past, l)
	require.Zero(t, v.wait)
	require.False(t, v.down, "the pause of the breaker is over as well")
	s.note(past, outcome{kind: answered}, v.probe)
	n, wait := allowed(&s, past.Add(30*time.Second), l)
	require.Equal(t, 3, n)
	require.Equal(t, 10*time.Second, wait)
}

func TestAPauseThatWasAskedForIsBounded(t *testing.T) {
	t.Parallel()
	l := &Limit{Kind: Provider, Name: "p"}
	var s state
	s.note(noon, outcome{kind: held, after: 30 * time.Second, why: "429"}, 0)
	s.note(noon, outcome{kind: held, after: time.Second, why: "429"}, 0)
	v := s.ask(noon, l)
	require.Equal(t, 30*time.Second, v.wait, "a shorter pause takes nothing back")
	require.Equal(t, "provider p until 12:00:30 UTC, as it asked for a pause", v.why)
	require.Equal(t, verdict{}, s.ask(noon.Add(30*time.Second), l))
	s.note(noon, outcome{kind: held, after: 24 * time.Hour}, 0)
	require.Equal(t, longestHold, s.ask(noon, l).wait)
}

func TestTheBreakerOpensAndOneCallTries(t *testing.T) {
	t.Parallel()
	l := &Limit{Kind: Provider, Name: "p"}
	var s state
	for range breakerFails - 1 {
		s.note(noon, down("no route"), 0)
		require.False(t, s.ask(noon, l).down)
	}
	s.note(noon, down("refused"), 0)
	v := s.ask(noon.Add(time.Second), l)
	require.True(t, v.down)
	require.Equal(t, "refused", v.last)
	require.True(t, v.until.Equal(noon.Add(breakerPause)))

	after := noon.Add(breakerPause)
	probe := s.ask(after, l)
	require.NotZero(t, probe.probe)
	require.Zero(t, probe.wait)
	other := s.ask(after.Add(time.Second), l)
	require.Equal(t, probeTime-time.Second, other.wait)
	require.Equal(t, "another call, which tries whether provider p is back", other.why)

	s.note(after.Add(2*time.Second), down("late"), 0)
	require.Positive(t, s.ask(after.Add(2*time.Second), l).wait, "a call that began before says nothing of it now")
	s.note(after.Add(3*time.Second), down("still gone"), probe.probe)
	v = s.ask(after.Add(3*time.Second), l)
	require.True(t, v.down)
	require.Equal(t, "still gone", v.last)

	again := s.ask(v.until, l)
	require.NotZero(t, again.probe)
	s.note(v.until, outcome{kind: answered}, again.probe)
	require.Equal(t, state{}, s)
}

func TestAProbeThatEndsWithoutAWordMakesRoomForAnother(t *testing.T) {
	t.Parallel()
	broken := func() (s state, probe int64) {
		for range breakerFails {
			s.note(noon, down("x"), 0)
		}
		return s, s.ask(noon.Add(breakerPause), &Limit{}).probe
	}
	s, probe := broken()
	s.note(noon.Add(breakerPause+1), outcome{}, probe)
	require.NotZero(t, s.ask(noon.Add(breakerPause+1), &Limit{}).probe)

	s, _ = broken() // its process died
	require.Positive(t, s.ask(noon.Add(breakerPause+probeTime-1), &Limit{}).wait)
	require.NotZero(t, s.ask(noon.Add(breakerPause+probeTime), &Limit{}).probe)
}

func TestAProbeThatGetsNoAnswerInTimeOpensTheBreakerAgain(t *testing.T) {
	t.Parallel()
	slow := outcome{kind: late, why: "no answer in time"}
	var s state
	for range 2 * breakerFails {
		s.note(noon, slow, 0)
	}
	require.Equal(t, state{}, s, "a slow call alone says nothing")
	for range breakerFails {
		s.note(noon, down("x"), 0)
	}
	at := noon.Add(breakerPause)
	for range 3 {
		v := s.ask(at, &Limit{})
		require.NotZero(t, v.probe)
		at = at.Add(30 * time.Second)
		s.note(at, slow, v.probe)
		v = s.ask(at, &Limit{})
		require.True(t, v.down)
		require.Equal(t, "no answer in time", v.last)
		require.True(t, v.until.Equal(at.Add(breakerPause)))
		at = v.until
	}
	first := s.ask(at, &Limit{})
	at = at.Add(probeTime)
	require.NotZero(t, s.ask(at, &Limit{}).probe, "another tries, as nothing was heard of the first")
	s.note(at.Add(time.Second), slow, first.probe)
	require.True(t, s.ask(at.Add(time.Second), &Limit{}).down, "now the first has ended")
}

func TestFailuresFarApartOpenNothing(t *testing.T) {
	t.Parallel()
	var s state
	for i := range 3 * breakerFails {
		s.note(noon.Add(time.Duration(i)*breakerWindow/2), down("x"), 0)
		require.Less(t, s.Fails, breakerFails)
	}
	for range breakerFails - 1 {
		s.note(noon.Add(time.Hour), down("x"), 0)
	}
	s.note(noon.Add(time.Hour), outcome{kind: answered}, 0)
	s.note(noon.Add(time.Hour), down("x"), 0)
	require.False(t, s.ask(noon.Add(time.Hour), &Limit{}).down, "an answer in between")
}

func TestWhatTheEndOfACallSays(t *testing.T) {
	t.Parallel()
	unavailable := func(details string) error {
		return &runtime.Error{Code: runtime.Unavailable, Message: "m", Details: runtime.Payload(details)}
	}
	for name, c := range map[string]struct {
		err  error
		want outcome
	}{
		"an answer":               {nil, outcome{kind: answered}},
		"a pause":                 {unavailable(`{"retry_after_ms":1500}`), outcome{held, 1500 * time.Millisecond, "m"}},
		"a very long pause":       {unavailable(`{"retry_after_ms":9e17}`), outcome{held, longestHold, "m"}},
		"too many calls":          {unavailable(`{"code":"rate_limit"}`), outcome{held, shortHold, "m"}},
		"down":                    {unavailable(`{"code":"503"}`), down("m")},
		"down, without details":   {unavailable(""), down("m")},
		"details of another kind": {unavailable(`{"code":3}`), down("m")},
		"no":                      {&runtime.Error{Code: runtime.Refused}, outcome{kind: answered}},
		"too slow":                {&runtime.Error{Code: runtime.Timeout, Message: "m"}, outcome{kind: late, why: "m"}},
		"cancelled":               {runtime.ErrCancelled(), outcome{}},
		"the process here":        {&runtime.Error{Code: runtime.Unavailable, Cause: crash("exited")}, outcome{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, outcomeOf(c.err))
		})
	}
}

type crash string

func (c crash) Error() string { return string(c) }

func (crash) OfProcess() bool { return true }

func FuzzAPageIsReadWhateverItSays(f *testing.F) {
	f.Add(seal([]byte(`{"next":5,"fails":9,"open":99}`)))
	f.Add([]byte("00000000 \n"))
	f.Add([]byte(`{"until":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, _ := unseal(raw)
		for _, s := range []state{decode(text), decode(raw)} {
			l := &Limit{Rate: Rate{Calls: 1, Per: time.Second}}
			at := noon
			for range 4 { // a pause, the breaker, a probe of another, the rate
				v := s.ask(at, l)
				require.LessOrEqual(t, v.wait, longestHold)
				if !v.down && v.wait <= 0 {
					return
				}
				at = at.Add(max(v.wait, v.until.Sub(at), 1))
			}
			v := s.ask(at.Add(probeTime), l)
			require.False(t, v.down || v.wait > 0, "%+v", s)
		}
	})
}
