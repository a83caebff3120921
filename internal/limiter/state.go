package limiter

import (
	"encoding/json"
	"fmt"
	"time"
)

// How those are treated that are down, or ask for a pause.
const (
	breakerFails  = 5                // failures in a row, and
	breakerWindow = time.Minute      // at most this between the first and the last of them
	breakerPause  = 15 * time.Second // then nobody calls for so long, and after that one call tries
	probeTime     = time.Minute      // after which another call tries, if nothing was heard of the one before
	longestHold   = 5 * time.Minute  // whatever was asked for
	shortHold     = time.Second      // when there are too many calls and it is not said for how long
)

// state is what all processes know of a limit besides its slots. Times are in nanoseconds since 1970, zero when there is none. No time
// lies further ahead than the rules allow, so that a clock that is set back holds nobody up for long: ask sees to it.
type state struct {
	Next  int64  `json:"next,omitempty"`  // when the rate is used up no more, the theoretical arrival time of the GCRA
	Until int64  `json:"until,omitempty"` // nobody calls before
	Fails int    `json:"fails,omitempty"` // in a row
	First int64  `json:"first,omitempty"` // of them
	Open  int64  `json:"open,omitempty"`  // the breaker is open until then
	Probe int64  `json:"probe,omitempty"` // when the call began that tries whether it is back
	Why   string `json:"why,omitempty"`   // the last failure, or what the pause was asked for with
}

// decode reads a state; what is none is the empty one.
func decode(text []byte) state {
	var s state
	if len(text) == 0 || json.Unmarshal(text, &s) != nil {
		return state{}
	}
	return s
}

func (s *state) encode() []byte {
	if *s == (state{}) {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return text
}

// verdict says whether a call may begin.
type verdict struct {
	wait  time.Duration // above zero: not before
	why   string        // what it waits for
	down  bool          // not at all
	until time.Time     // nobody calls before, when it is down
	last  string        // failure, when it is down
	probe int64         // not zero: it tries whether it is back
}

// quiet says whether any call may begin, as far as the rate is not concerned.
func (s *state) quiet(now time.Time) bool { return s.Until <= now.UnixNano() && s.Fails < breakerFails }

// ask says whether a call may begin, and counts it if so.
func (s *state) ask(now time.Time, l *Limit) verdict {
	t := now.UnixNano()
	s.bound(t, l.Rate)
	if s.Until > t {
		return verdict{
			wait: time.Duration(s.Until - t), why: fmt.Sprintf("%s until %s, as it asked for a pause", l.Label(), clock(time.Unix(0, s.Until))),
		}
	}
	broken := s.Fails >= breakerFails
	switch {
	case broken && s.Open > t:
		return verdict{down: true, until: time.Unix(0, s.Open), last: s.Why}
	case broken && s.Probe != 0:
		return verdict{wait: time.Duration(s.Probe - t + int64(probeTime)), why: "another call, which tries whether " + l.Label() + " is back"}
	}
	if wait := s.spend(t, l.Rate); wait > 0 {
		return verdict{wait: wait, why: fmt.Sprintf("the rate of %s, %s", l.Label(), l.Rate)}
	}
	if !broken {
		return verdict{}
	}
	s.Probe = t
	return verdict{probe: t}
}

// spend takes one call out of the rate, or says how long to wait for it.
func (s *state) spend(t int64, r Rate) time.Duration {
	if r.Calls <= 0 {
		return 0
	}
	interval := int64(r.interval())
	next := max(s.Next, t)
	if wait := next - t - interval*int64(r.burst()-1); wait > 0 {
		return time.Duration(wait)
	}
	s.Next = next + interval
	return 0
}

// bound brings back what lies further ahead than it can, and forgets what is over.
func (s *state) bound(t int64, r Rate) {
	if r.Calls > 0 {
		s.Next = min(s.Next, t+int64(r.interval())*int64(r.burst()))
	}
	s.Until = min(s.Until, t+int64(longestHold))
	s.Open = min(s.Open, t+int64(breakerPause))
	if s.Probe > t || s.Probe <= t-int64(probeTime) {
		s.Probe = 0
	}
}

// note remembers how a call ended. probe is what its verdict said.
func (s *state) note(now time.Time, o outcome, probe int64) {
	t := now.UnixNano()
	tried := probe != 0 // also where another tries by now, as this one took long
	if tried && s.Probe == probe {
		s.Probe = 0
	}
	if o.kind == late && tried && s.Fails >= breakerFails {
		o.kind = failed
	}
	switch o.kind {
	case nothing, late:
	case answered:
		s.Fails, s.First, s.Open, s.Probe = 0, 0, 0, 0
		if s.Until <= t {
			s.Until, s.Why = 0, ""
		}
	case held:
		s.Until, s.Why = max(s.Until, t+int64(min(o.after, longestHold))), o.why
	case failed:
		s.fail(t, o.why, tried)
	}
}

// fail counts a failure. Calls that began before the breaker opened do not keep it open.
func (s *state) fail(t int64, why string, probed bool) {
	broken := s.Fails >= breakerFails
	switch {
	case broken && !probed:
		return
	case !broken && (s.First > t || s.First < t-int64(breakerWindow)):
		s.Fails = 0
	}
	if s.Fails == 0 {
		s.First = t
	}
	s.Fails = min(s.Fails+1, breakerFails)
	s.Why = why
	if s.Fails >= breakerFails {
		s.Open = t + int64(breakerPause)
	}
}

// clock is a time of day for people.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
