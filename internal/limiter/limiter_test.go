package limiter_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/limiter"
	"github.com/parallax-run/parallax/runtime"
)

// slow answers after a second and counts how many of its calls are under way.
type slow struct{ now, most atomic.Int32 }

func (s *slow) call(ctx context.Context, _ runtime.Call) (runtime.Answer, error) {
	s.most.Store(max(s.most.Load(), s.now.Add(1)))
	defer s.now.Add(-1)
	select {
	case <-time.After(time.Second):
		return runtime.Answer{}, nil
	case <-ctx.Done():
		return runtime.Answer{}, ctx.Err()
	}
}

// list is what calls left, in order.
type list[T any] struct {
	mu  sync.Mutex
	all []T
}

func (l *list[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, v)
}

func (l *list[T]) get() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func TestAgentsWithoutLimitsAreCalledAsTheyAre(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "limits")
	o := office(answer)
	require.IsType(t, o, limiter.New(limiter.Options{Dir: dir}).Agents(o, nil))
	agents := within(dir, o, provider(1))
	_, err := agents.Call(t.Context(), ask("free"))
	require.NoError(t, err)
	require.NoDirExists(t, dir)
	info, _ := agents.Info("free")
	require.True(t, info.Instant)
	info, _ = agents.Info("a")
	require.False(t, info.Instant, "it may have to wait")
	require.False(t, agents.Lookup("")[0].Instant)
	require.True(t, agents.Lookup("")[1].Instant)
}

func TestCallsWithinALimitOpenNoFileWhenAllIsWell(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "limits")
	_, err := within(dir, answer, provider(0)).Call(t.Context(), ask("a"))
	require.NoError(t, err)
	require.NoDirExists(t, dir)
}

func TestSlotsAreGivenInOrder(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"shared": t.TempDir(), "alone": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s slow
				var order list[int]
				agents := within(dir, s.call, provider(1))
				for i := range 20 {
					go func() {
						if _, err := agents.Call(t.Context(), ask("a")); err == nil {
							order.add(i)
						}
					}()
					synctest.Wait()
				}
				<-time.After(30 * time.Second)
				require.IsIncreasing(t, order.get())
				require.Len(t, order.get(), 20)
				require.Equal(t, int32(1), s.most.Load())
			})
		})
	}
}

func TestProcessesTakeTurnsAtASlot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var seen list[int]
		for p := range 2 { // as two processes would
			agents := within(dir, func(context.Context, runtime.Call) (runtime.Answer, error) {
				seen.add(p)
				<-time.After(200 * time.Millisecond)
				return runtime.Answer{}, nil
			}, provider(1))
			for range 10 {
				go func() { _, _ = agents.Call(t.Context(), ask("a")) }()
			}
			synctest.Wait()
		}
		<-time.After(time.Minute)
		order := seen.get()
		require.Len(t, order, 20)
		require.Equal(t, order[:2], order[2:4])
		require.Equal(t, order[:4], order[4:8])
		require.NotEqual(t, order[0], order[1])
	})
}

func TestAProcessAloneLosesNoTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var s slow
		agents := within(dir, s.call, provider(1))
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { _, _ = agents.Call(t.Context(), ask("a")) })
		}
		wg.Wait()
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestWhoeverWaitsForLongIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var s slow
		agents := within(dir, s.call, provider(1))
		var told [4][]string
		for i := range told {
			c := ask("a")
			c.Watch = func(p runtime.Progress) { told[i] = append(told[i], p.Note) }
			go func() { _, _ = agents.Call(t.Context(), c) }()
			synctest.Wait()
		}
		<-time.After(time.Minute)
		synctest.Wait()
		require.Empty(t, told[0])
		require.Equal(t, []string{"waits for its turn at provider main", "waits for a slot of provider main"}, told[2])
		require.Equal(t, told[2], told[3])
	})
}

func TestACancelledCallLeavesAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var s slow
		agents := within(dir, s.call, provider(1))
		began := time.Now()
		stop := runtime.Errorf(runtime.Cancelled, "enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 3)
		go func() { _, _ = agents.Call(t.Context(), ask("a")) }()
		synctest.Wait()
		for range 3 { // one waits for the slot, two for their turn
			go func() {
				_, err := agents.Call(ctx, ask("a"))
				ended <- err
			}()
		}
		<-time.After(100 * time.Millisecond)
		cancel(stop)
		for range 3 {
			require.Same(t, stop, <-ended)
		}
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		_, err := agents.Call(t.Context(), ask("a"))
		require.NoError(t, err, "the turn and the slot are free")
	})
}

func TestADeadlineWhileACallWaitsIsATimeout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var s slow
		agents := within(dir, s.call, provider(1))
		go func() { _, _ = agents.Call(t.Context(), ask("a")) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := agents.Call(ctx, ask("a"))
		var e *runtime.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, runtime.Timeout, e.Code)
		<-time.After(time.Second)
	})
}

func TestARateHoldsForAllHosts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		lim := limiter.Limit{Kind: limiter.Agent, Name: "a", Rate: limiter.Rate{Calls: 10, Per: time.Second}}
		var seen list[time.Time]
		count := func(context.Context, runtime.Call) (runtime.Answer, error) {
			seen.add(time.Now())
			return runtime.Answer{}, nil
		}
		began := time.Now()
		for range 3 { // as three processes would
			agents := within(dir, count, lim)
			for range 5 {
				go func() { _, _ = agents.Call(t.Context(), ask("a")) }()
			}
		}
		<-time.After(10 * time.Second)
		begun := seen.get()
		require.Len(t, begun, 15)
		for i, at := range begun {
			require.GreaterOrEqual(t, at.Sub(began), time.Duration(i)*100*time.Millisecond)
		}
		require.Less(t, begun[14].Sub(began), 2*time.Second)
	})
}

func TestAPauseOfOneAgentHoldsBackAnotherOfItsProvider(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		limits := limiter.New(limiter.Options{Dir: dir})
		own := limiter.Limit{Kind: limiter.Agent, Name: "a", Concurrency: 3}
		agents := limits.Agents(office(func(_ context.Context, c runtime.Call) (runtime.Answer, error) {
			if c.Agent == "a" {
				return runtime.Answer{}, &runtime.Error{Code: runtime.Unavailable, Details: runtime.Payload(`{"retry_after_ms":20000}`)}
			}
			return runtime.Answer{}, nil
		}), map[string][]limiter.Limit{"a": {own, provider(0)}, "b": {provider(0)}})
		began := time.Now()
		_, err := agents.Call(t.Context(), ask("a"))
		require.Error(t, err)
		c := ask("b")
		var told string
		c.Watch = func(p runtime.Progress) { told = p.Note }
		_, err = agents.Call(t.Context(), c)
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(began), 20*time.Second)
		require.Less(t, time.Since(began), 21*time.Second)
		require.Equal(t, "waits for provider main until 00:00:20 UTC, as it asked for a pause", told)
	})
}

func TestGarbageIsReadAsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	limits := limiter.New(limiter.Options{Dir: dir})
	down := func(context.Context, runtime.Call) (runtime.Answer, error) {
		return runtime.Answer{}, &runtime.Error{Code: runtime.Unavailable, Message: "gone"}
	}
	state := filepath.Join(limits.Status(provider(1)).Dir, "state")
	for range 5 {
		_, _ = within(dir, down, provider(1)).Call(t.Context(), ask("a"))
	}
	whole, err := os.ReadFile(state)
	require.NoError(t, err)
	require.False(t, limits.Status(provider(1)).Down.IsZero())
	for _, text := range []string{string(whole[:len(whole)/2]), "", "\x00\x01\x02", string(whole) + "more"} {
		require.NoError(t, os.WriteFile(state, []byte(text), 0o600))
		_, err := within(dir, answer, provider(1)).Call(t.Context(), ask("a"))
		require.NoError(t, err)
	}
}

func TestWithoutAPlaceToWriteLimitsHoldWithinTheProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	synctest.Test(t, func(t *testing.T) {
		var s slow
		agents := within(filepath.Join(file, "limits"), s.call, provider(2))
		for range 6 {
			go func() { _, _ = agents.Call(t.Context(), ask("a")) }()
		}
		<-time.After(time.Minute)
		require.Equal(t, int32(2), s.most.Load())
		require.Zero(t, s.now.Load())
	})
}

func TestLimitsThatNobodyMeetsAreForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, recent := filepath.Join(dir, "agent-old-1"), filepath.Join(dir, "agent-recent-1")
	for path, days := range map[string]int{old: 40, recent: 3} {
		require.NoError(t, os.Mkdir(path, 0o700))
		at := time.Now().AddDate(0, 0, -days)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	_, err := within(dir, answer, provider(1)).Call(t.Context(), ask("a"))
	require.NoError(t, err)
	require.NoDirExists(t, old)
	require.DirExists(t, recent)
}

func TestProcessesRememberForThoseThatComeLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, other := limiter.New(limiter.Options{Dir: dir}), limiter.New(limiter.Options{Dir: dir})
	require.Nil(t, one.Recall("k"))
	one.Change("k", func(old []byte) []byte { return append(old, "first "...) })
	other.Change("k", func(old []byte) []byte { return append(old, "second"...) })
	require.Equal(t, "first second", string(one.Recall("k")))
	require.Nil(t, other.Recall("another"))
}

// BenchmarkCalls says what limits cost a call that need not wait.
func BenchmarkCalls(b *testing.B) {
	rate := limiter.Limit{Kind: limiter.Agent, Name: "r", Rate: limiter.Rate{Calls: 1 << 20, Per: time.Second, Burst: 1 << 20}}
	for _, c := range []struct {
		name, agent string
		limit       limiter.Limit
	}{{"none", "free", provider(0)}, {"provider", "a", provider(0)}, {"slots", "a", provider(8)}, {"rate", "a", rate}} {
		b.Run(c.name, func(b *testing.B) {
			agents, call := within(b.TempDir(), answer, c.limit), ask(c.agent)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := agents.Call(b.Context(), call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
