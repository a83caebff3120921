//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/enterprise/testcluster"
	"github.com/parallax-run/parallax/internal/testkit/torture"
	"github.com/parallax-run/parallax/runtime"
)

// faults are what may happen to a cluster. Each leaves it as it was before, in the end.
var faults = []struct {
	name   string
	strike func(*siege)
}{
	{"worker", (*siege).killWorker},
	{"agent", (*siege).killAgent},
	{"server", (*siege).killServer},
	{"database-fast", func(s *siege) { s.restartDatabase(testcluster.Fast) }},
	{"database-immediate", func(s *siege) { s.restartDatabase(testcluster.Immediate) }},
}

func (s *siege) killWorker() {
	i := s.rng.IntN(len(s.workers))
	w := s.workers[i]
	require.NoError(s.t, w.Process.Kill())
	<-w.done
	s.workers[i] = s.worker()
}

// spree is how many agents may be killed within a minute: a program that ends five times is left alone for half of one, which is no recovery.
const spree = 4

func (s *siege) killAgent() {
	if n := len(s.killed); n >= spree {
		<-time.After(time.Until(s.killed[n-spree].Add(time.Minute + time.Second)))
	}
	s.killed = append(s.killed, time.Now())
	var pids []int
	for _, w := range s.workers {
		pids = append(pids, s.agents(w)...)
	}
	require.NotEmpty(s.t, pids)
	agent, err := os.FindProcess(pids[s.rng.IntN(len(pids))])
	require.NoError(s.t, err)
	require.NoError(s.t, agent.Kill())
}

func (s *siege) killServer() {
	require.NoError(s.t, s.cluster.KillServer())
	require.NoError(s.t, s.cluster.StartServer(s.t.Context()))
}

func (s *siege) restartDatabase(how testcluster.Shutdown) {
	require.NoError(s.t, s.cluster.RestartPostgres(s.t.Context(), how))
}

// TestRunsEndAsTheyWouldHave lets each kind of fault happen at random moments, while runs are under way.
func TestRunsEndAsTheyWouldHave(t *testing.T) { besiege(t, 3) }

// besiege lets each kind of fault happen so many times.
func besiege(t *testing.T, times int) {
	t.Helper()
	s := newSiege(t, 3)
	calm := s.calm()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			s.t = t
			b := &battle{siege: s, calm: calm}
			b.steadies = []string{f.name + "-steady-1", f.name + "-steady-2"}
			for _, id := range b.steadies {
				s.steady(id)
			}
			for range times {
				b.strike(f.strike)
			}
			b.end()
		})
		s.t = t
	}
}

// calm is what an undisturbed run was like.
type calm struct {
	want  json.RawMessage
	calls map[string]int // how often each call was made, by its address
}

func (s *siege) calm() *calm {
	c := &calm{calls: make(map[string]int)}
	r := s.run("calm")
	var once []string
	c.want, once = s.outcome(r)
	require.Equal(s.t, []string{"did once 0", "did once 1", "did once 2"}, once)
	for _, e := range s.calls("calm") {
		if e.What == "start" {
			c.calls[address(e.ID)]++
		}
	}
	return c
}

// address is a call's id without that of the run.
func address(id string) string {
	_, at, _ := strings.Cut(id, "/")
	return at
}

// battle is the faults of one kind.
type battle struct {
	*siege
	calm     *calm
	steadies []string
	live     []*siegeRun
	ended    []*siegeRun
	windows  []window
}

// window is when a fault was: from the blow until all was there again.
type window struct{ from, to time.Time }

// strike sees to it that runs are under way, lets a fault happen at a random moment, and waits until everybody has got on.
func (b *battle) strike(fault func(*siege)) {
	b.live = slices.DeleteFunc(b.live, func(r *siegeRun) bool {
		if r.ended() {
			b.ended = append(b.ended, r)
		}
		return r.ended()
	})
	for len(b.live) < 2 {
		b.live = append(b.live, b.run(fmt.Sprintf("%s-%d", path.Base(b.t.Name()), len(b.live)+len(b.ended))))
	}
	<-time.After(time.Duration(b.rng.IntN(3000)) * time.Millisecond) // a random moment is what it is about
	w := window{from: time.Now()}
	fault(b.siege)
	w.to = time.Now()
	b.windows = append(b.windows, w)
	for _, id := range b.steadies {
		b.until("run "+id+" goes on", func() bool { return b.progressed(id, w.to) })
	}
	for _, r := range b.live {
		b.until("run "+r.id+" goes on", func() bool { return r.ended() || b.progressed(r.id, w.to) })
	}
}

// progressed says whether an agent has done something for a run since.
func (b *battle) progressed(id string, since time.Time) bool {
	return slices.ContainsFunc(b.calls(id), func(e torture.Entry) bool { return e.What == "done" && e.At.After(since) })
}

// end lets all runs end, and looks at what they and the agents say.
func (b *battle) end() {
	repeated, lost := 0, make(map[string]int)
	for _, r := range append(b.ended, b.live...) {
		result, once := b.outcome(r)
		require.JSONEq(b.t, string(b.calm.want), string(result), r.id)
		for n, said := range once {
			if said != fmt.Sprintf("did once %d", n) {
				lost[said]++
			}
		}
		repeated += b.audit(r.id, false)
	}
	for _, id := range b.steadies {
		b.cancel(id)
		repeated += b.audit(id, true)
	}
	for said := range lost {
		died := strings.Contains(b.t.Name(), "agent") && said == string(runtime.Unavailable) // it, and not its worker
		require.True(b.t, died || said == string(runtime.UnknownOutcome), "a call that must not be made twice ended in %q", said)
	}
	b.t.Logf("%d faults, %d runs; %d calls were made again, and of those that must not be %v were lost", len(b.windows), len(b.ended)+len(b.live), repeated, lost)
	b.t.Logf("time to recover, the longest of two steady runs: %s", b.recovery())
}

// audit compares what the agents say of a run with what the server has: nobody was asked again for what was done, nobody was asked for anything else
// than in an undisturbed run, and asked again only where a fault was in between. It gives how many calls were made again.
func (b *battle) audit(id string, steady bool) (repeated int) {
	t := b.t
	starts := make(map[string][]time.Time)
	for _, e := range b.calls(id) {
		if e.What == "start" {
			starts[e.ID] = append(starts[e.ID], e.At)
		}
	}
	allowed := make(map[string]int)
	for _, a := range b.asked(id) {
		closed := a.Closed
		if closed.IsZero() {
			closed = time.Now()
		}
		allowed[a.id] += 1 + b.faultsIn(a.Scheduled, closed)
		for _, start := range starts[a.id] {
			require.False(t, a.Done && start.After(a.Closed), "%s was asked again at %v though its outcome was there at %v", a.id, start, a.Closed)
		}
	}
	for call, at := range starts {
		require.LessOrEqual(t, len(at), allowed[call], "%s was asked too often: %v; faults: %v", call, at, b.windows)
		once := strings.HasPrefix(address(call), torture.OnceFork)
		if steady {
			repeated += len(at) - 1
			continue
		}
		require.True(t, !once || len(at) == 1, "%s must not be asked twice", call)
		require.True(t, b.calm.calls[address(call)] > 0 || torture.Optional(address(call)), "%s is no call of an undisturbed run", call)
		repeated += max(0, len(at)-max(1, b.calm.calls[address(call)]))
	}
	return repeated
}

// slack is how long after a fault its work may still be lost: a worker that does not know yet, a server that has not noticed.
const slack = 10 * time.Second

func (b *battle) faultsIn(from, to time.Time) (n int) {
	for _, w := range b.windows {
		if w.from.Before(to) && w.to.Add(slack).After(from) {
			n++
		}
	}
	return n
}

// before is the last fault before a moment, or -1.
func (b *battle) before(at time.Time) int {
	n := slices.IndexFunc(b.windows, func(w window) bool { return !w.from.Before(at) })
	if n < 0 {
		n = len(b.windows)
	}
	return n - 1
}

// recovery is for each fault the longest pause of a steady run that it made, without the usual one: the median, the worst, and all of them.
func (b *battle) recovery() string {
	pauses := make([]time.Duration, len(b.windows))
	for _, id := range b.steadies {
		var ends []time.Time
		for _, a := range b.asked(id) {
			if a.Done {
				ends = append(ends, a.Closed)
			}
		}
		var gaps []time.Duration
		for i := 1; i < len(ends); i++ {
			gaps = append(gaps, ends[i].Sub(ends[i-1]))
		}
		usual := slices.Sorted(slices.Values(gaps))[len(gaps)/2]
		for i, gap := range gaps {
			if n := b.before(ends[i+1]); n >= 0 {
				pauses[n] = max(pauses[n], gap-usual)
			}
		}
	}
	slices.Sort(pauses)
	for i := range pauses {
		pauses[i] = pauses[i].Round(10 * time.Millisecond)
	}
	return fmt.Sprintf("median %v, worst %v, of %v", pauses[len(pauses)/2], pauses[len(pauses)-1], pauses)
}

// TestACallThatMustNotBeRepeatedIsNot kills the only worker while such a call is under way.
func TestACallThatMustNotBeRepeatedIsNot(t *testing.T) {
	s := newSiege(t, 1)
	script := `
def main():
    did = attempt(agent("once").ask, "once after 60s", timeout = "5m")
    return {"result": agent("worker").ask("last").value, "once": [did.value.value if did.ok else did.error.code]}
`
	require.NoError(t, os.WriteFile(path.Join(s.dir, "main.star"), []byte(script), 0o600))
	r := s.run("only")
	s.killWorker()
	result, once := s.outcome(r)
	require.JSONEq(t, `"did last"`, string(result))
	require.Equal(t, []string{string(runtime.UnknownOutcome)}, once)
	starts := 0
	for _, e := range s.calls("only") {
		if e.What == "start" && strings.HasPrefix(e.ID, "only/1") {
			starts++
		}
	}
	require.Equal(t, 1, starts, "%v", s.calls("only"))
}
