package local_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted answers calls by function and remembers them.
type scripted struct {
	mu     sync.Mutex
	calls  []runtime.Call
	answer func(ctx context.Context, c runtime.Call) (runtime.Answer, error)
	infos  []runtime.AgentInfo
}

func (s *scripted) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	s.mu.Lock()
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	if s.answer == nil {
		return runtime.Answer{Value: runtime.Payload(`"ok"`)}, nil
	}
	return s.answer(ctx, c)
}

func (s *scripted) Info(name string) (runtime.AgentInfo, bool) {
	for _, i := range s.infos {
		if i.Name == name {
			return i, true
		}
	}
	return runtime.AgentInfo{Name: name}, s.infos == nil
}

func (s *scripted) Lookup(capability string) []runtime.AgentInfo { return s.infos }

// inside runs body as main, with the effects of its branch.
func inside(t *testing.T, ctx context.Context, e *local.Engine, body func(t *starlark.Thread, fx runtime.Effects) error) error {
	t.Helper()
	builtin := starlark.NewBuiltin("body", func(t *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		b, err := runtime.BranchOf(t)
		if err != nil {
			return nil, err
		}
		return starlark.None, body(t, b.Effects())
	})
	f, err := runtime.Parse("inside.star", []byte("def main():\n    body()\n"))
	require.NoError(t, err)
	p, err := runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: starlark.StringDict{"body": builtin}})
	require.NoError(t, err)
	_, err = e.Run(ctx, engine.Run{ID: "r", Program: p})
	return err
}

func after(fx runtime.Effects, d time.Duration) error {
	_, err := fx.Do(runtime.Sleep{For: d})
	return err
}

// drain notes how a group's outcomes came, as "1=v", "1!code".
func drain(g runtime.Group) string {
	var got []string
	for {
		i, v, err, ok := g.Next()
		if !ok {
			return strings.Join(got, " ")
		}
		got = append(got, outcome(i, v, err))
	}
}

func outcome(i int, v any, err error) string {
	if e, ok := err.(*runtime.Error); ok {
		return fmt.Sprintf("%d!%s", i, e.Code)
	}
	if err != nil {
		return fmt.Sprintf("%d!!%v", i, err)
	}
	return fmt.Sprintf("%d=%v", i, v)
}

func TestSuccessesComeInInputOrderAndFailuresAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := inside(t, t.Context(), &local.Engine{}, func(_ *starlark.Thread, fx runtime.Effects) error {
			g := fx.Fork(runtime.ForkSpec{Name: "f"}, 4, func(i int, fx runtime.Effects) (any, error) {
				if err := after(fx, time.Duration(4-i)*time.Second); err != nil {
					return nil, err
				}
				if i == 2 {
					return nil, runtime.Errorf(runtime.Refused, "no")
				}
				return i, nil
			})
			require.Equal(t, "2!refused 0=0 1=1 3=3", drain(g))
			return nil
		})
		require.NoError(t, err)
	})
}

func TestSettledOutcomesComeAsTheyEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := inside(t, t.Context(), &local.Engine{}, func(_ *starlark.Thread, fx runtime.Effects) error {
			g := fx.Fork(runtime.ForkSpec{Name: "f", Order: runtime.Settled}, 3, func(i int, fx runtime.Effects) (any, error) {
				return i, after(fx, time.Duration(3-i)*time.Second)
			})
			require.Equal(t, "2=2 1=1 0=0", drain(g))
			return nil
		})
		require.NoError(t, err)
	})
}

func TestCancelTakesEveryUndeliveredBranchAndStartsNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var started sync.Map
		err := inside(t, t.Context(), &local.Engine{}, func(_ *starlark.Thread, fx runtime.Effects) error {
			g := fx.Fork(runtime.ForkSpec{Name: "f", Limit: 3, Order: runtime.Settled}, 9, func(i int, fx runtime.Effects) (any, error) {
				started.Store(i, true)
				if i < 2 {
					return i, nil
				}
				return i, after(fx, time.Hour)
			})
			synctest.Wait()
			i, v, err, ok := g.Next()
			require.True(t, ok)
			require.Contains(t, "0=0 1=1", outcome(i, v, err))
			g.Cancel(nil)
			rest := strings.Fields(drain(g))
			require.Len(t, rest, 8)
			for _, o := range rest {
				require.Contains(t, o, "!cancelled")
			}
			_, nine := started.Load(8)
			require.False(t, nine, "a branch beyond the limit was started")
			return nil
		})
		require.NoError(t, err)
	})
}

func TestAForksTimeoutCancelsWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := inside(t, t.Context(), &local.Engine{}, func(_ *starlark.Thread, fx runtime.Effects) error {
			g := fx.Fork(runtime.ForkSpec{Name: "f", Timeout: 90 * time.Second}, 3, func(i int, fx runtime.Effects) (any, error) {
				return i, after(fx, time.Duration(i)*time.Minute)
			})
			for range 2 {
				_, _, err, _ := g.Next()
				require.NoError(t, err)
			}
			_, _, err, _ := g.Next()
			require.ErrorIs(t, err, runtime.ErrDeadline)
			_, _, _, ok := g.Next()
			require.False(t, ok)
			return nil
		})
		require.NoError(t, err)
	})
}

func TestABranchsTimeIsNeverBeforeWhatItJoined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := inside(t, t.Context(), &local.Engine{}, func(_ *starlark.Thread, fx runtime.Effects) error {
			start := fx.Now()
			g := fx.Fork(runtime.ForkSpec{Name: "f"}, 2, func(i int, fx runtime.Effects) (any, error) {
				require.Equal(t, start, fx.Now())
				return nil, after(fx, time.Duration(i+1)*time.Minute)
			})
			drain(g)
			require.Equal(t, start.Add(2*time.Minute), fx.Now())
			return nil
		})
		require.NoError(t, err)
	})
}

func ask(fx runtime.Effects, c runtime.AgentCall) (runtime.Payload, error) {
	c.Input = runtime.Payload(`{}`)
	return fx.Do(c)
}

func TestConsentedRetriesWaitLongerEachTimeAndAreVisible(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		agents := &scripted{answer: func(_ context.Context, c runtime.Call) (runtime.Answer, error) {
			if c.Attempt < 4 {
				e := runtime.Errorf(runtime.Unavailable, "overloaded")
				e.Retryable = true
				if c.Attempt == 3 {
					e.Details = runtime.Payload(`{"retry_after_ms":60000}`)
				}
				return runtime.Answer{}, e
			}
			return runtime.Answer{Value: runtime.Payload(`1`)}, nil
		}}
		var pauses []time.Duration
		e := &local.Engine{Agents: agents, Emit: func(e runtime.Event) {
			if e.Kind == runtime.AgentRetrying {
				pauses = append(pauses, e.For)
			}
		}}
		err := inside(t, t.Context(), e, func(_ *starlark.Thread, fx runtime.Effects) error {
			p, err := ask(fx, runtime.AgentCall{Agent: "a", Retry: runtime.RetryPolicy{
				Attempts: 5, Backoff: time.Second, Factor: 2, Max: time.Minute, On: []runtime.Code{runtime.Unavailable},
			}})
			require.Equal(t, `{"agent":"a","attempts":4,"value":1}`, string(p))
			return err
		})
		require.NoError(t, err)
		require.Len(t, pauses, 3)
		require.GreaterOrEqual(t, pauses[0], 500*time.Millisecond)
		require.LessOrEqual(t, pauses[0], time.Second)
		require.GreaterOrEqual(t, pauses[1], time.Second)
		require.Equal(t, time.Minute, pauses[2], "the agent's own Retry-After holds")
		for _, c := range agents.calls {
			require.Equal(t, "r/1", c.ID, "attempts share one idempotency key")
		}
	})
}

func TestAgentsThatDeclareThemselvesIdempotentHaveThatCapability(t *testing.T) {
	t.Parallel()
	agents := &scripted{infos: []runtime.AgentInfo{
		{Name: "a", Idempotent: true},
		{Name: "b"},
		{Name: "c", Capabilities: []string{"idempotent"}},
	}}
	err := inside(t, t.Context(), &local.Engine{Agents: agents}, func(_ *starlark.Thread, fx runtime.Effects) error {
		found, err := fx.Do(runtime.AgentLookup{Capability: "idempotent", Min: 1})
		require.NoError(t, err)
		require.JSONEq(t, `["a","c"]`, string(found))

		found, err = fx.Do(runtime.AgentLookup{Capability: "idempotent", Count: 1})
		require.NoError(t, err)
		require.JSONEq(t, `["a"]`, string(found))

		_, err = fx.Do(runtime.AgentLookup{Capability: "idempotent", Min: 3})
		e, ok := errors.AsType[*runtime.Error](err)
		require.True(t, ok)
		require.Equal(t, runtime.NotFound, e.Code)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, agents.infos, 3, "the list of the agents is theirs")
}

func TestWithoutConsentOnlyIdempotentAgentsAreAskedAgain(t *testing.T) {
	t.Parallel()
	for idempotent, calls := range map[bool]int{false: 1, true: 3} {
		synctest.Test(t, func(t *testing.T) {
			agents := &scripted{
				infos: []runtime.AgentInfo{{Name: "a", Idempotent: idempotent}},
				answer: func(context.Context, runtime.Call) (runtime.Answer, error) {
					return runtime.Answer{}, &runtime.Error{Code: runtime.Unavailable, Message: "gone", Retryable: true}
				},
			}
			err := inside(t, t.Context(), &local.Engine{Agents: agents}, func(_ *starlark.Thread, fx runtime.Effects) error {
				_, err := ask(fx, runtime.AgentCall{Agent: "a"})
				return err
			})
			failed, ok := errors.AsType[*runtime.Error](err)
			require.True(t, ok)
			require.Equal(t, calls, failed.Attempts)
			require.Len(t, agents.calls, calls)
		})
	}
}

func TestAnUnknownAgentIsNamedWithTheNearest(t *testing.T) {
	t.Parallel()
	agents := &scripted{infos: []runtime.AgentInfo{{Name: "reviewer"}}}
	err := inside(t, t.Context(), &local.Engine{Agents: agents}, func(_ *starlark.Thread, fx runtime.Effects) error {
		_, err := ask(fx, runtime.AgentCall{Agent: "reviewr"})
		return err
	})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Equal(t, runtime.NotFound, failed.Code)
	require.Equal(t, `did you mean "reviewer"?`, failed.Hint)
}

func TestCancellingARunReachesItsAgents(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	agents := &scripted{answer: func(ctx context.Context, _ runtime.Call) (runtime.Answer, error) {
		cancel(runtime.Errorf(runtime.Timeout, "the run took too long"))
		<-ctx.Done()
		return runtime.Answer{}, ctx.Err()
	}}
	err := inside(t, ctx, &local.Engine{Agents: agents}, func(_ *starlark.Thread, fx runtime.Effects) error {
		_, err := ask(fx, runtime.AgentCall{Agent: "a"})
		return err
	})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Equal(t, runtime.Timeout, failed.Code)
	require.Equal(t, "the run took too long", failed.Message)
}

func TestTheHostsErrorIsNotTheScripts(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	agents := &scripted{answer: func(context.Context, runtime.Call) (runtime.Answer, error) { return runtime.Answer{}, broken }}
	var last runtime.Event
	e := &local.Engine{Agents: agents, Emit: func(e runtime.Event) { last = e }}
	p := program(t, "def main():\n    ask('a', {})\n")
	_, err := e.Run(t.Context(), engine.Run{ID: "r", Program: p})
	require.ErrorIs(t, err, broken)
	require.NotErrorAs(t, err, new(*runtime.Error))
	require.Equal(t, runtime.RunSuspended, last.Kind)
}

func TestABudgetEndsWithACatchableErrorAndWarnsBefore(t *testing.T) {
	t.Parallel()
	agents := &scripted{answer: func(context.Context, runtime.Call) (runtime.Answer, error) {
		return runtime.Answer{Value: runtime.Null, Usage: runtime.Usage{InputTokens: 40, OutputTokens: 10, CostMicroUSD: 100_000}}, nil
	}}
	var warned []string
	e := &local.Engine{
		Agents: agents, Budget: runtime.BudgetLimits{CostMicroUSD: 500_000, Tokens: 1000},
		Emit: func(e runtime.Event) {
			if e.Kind == runtime.BudgetWarned {
				warned = append(warned, e.Name)
			}
		},
	}
	err := inside(t, t.Context(), e, func(_ *starlark.Thread, fx runtime.Effects) error {
		for range 5 {
			_, err := ask(fx, runtime.AgentCall{Agent: "a"})
			require.NoError(t, err)
		}
		left, err := fx.Do(runtime.Budget{Of: runtime.BudgetTokens})
		require.NoError(t, err)
		require.Equal(t, "750", string(left))
		left, err = fx.Do(runtime.Budget{Of: runtime.BudgetCalls})
		require.NoError(t, err)
		require.Equal(t, "null", string(left))
		_, err = ask(fx, runtime.AgentCall{Agent: "a"})
		return err
	})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Equal(t, runtime.BudgetSpent, failed.Code)
	require.True(t, failed.Catchable())
	require.Equal(t, []string{"cost"}, warned)
	require.Len(t, agents.calls, 5)
}

func TestSignalsAreFirstInFirstOutAndTheLowestAddressTakesOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signals := new(local.Signals)
		signals.Send("go", runtime.Payload(`1`))
		signals.Send("go", runtime.Payload(`2`))
		err := inside(t, t.Context(), &local.Engine{Signals: signals}, func(_ *starlark.Thread, fx runtime.Effects) error {
			for _, want := range []string{"1", "2"} {
				p, err := fx.Do(runtime.WaitSignal{Name: "go"})
				require.NoError(t, err)
				require.Equal(t, want, string(p))
			}
			_, err := fx.Do(runtime.WaitSignal{Name: "go", Timeout: time.Minute})
			failed, ok := errors.AsType[*runtime.Error](err)
			require.True(t, ok)
			require.Equal(t, runtime.Timeout, failed.Code)

			g := fx.Fork(runtime.ForkSpec{Name: "f", Order: runtime.Settled}, 2, func(i int, fx runtime.Effects) (any, error) {
				if err := after(fx, time.Duration(2-i)*time.Second); err != nil {
					return nil, err
				}
				p, err := fx.Do(runtime.WaitSignal{Name: "go"})
				return string(p), err
			})
			require.NoError(t, after(fx, time.Minute))
			signals.Send("go", runtime.Payload(`"first"`))
			synctest.Wait()
			signals.Send("go", runtime.Payload(`"second"`))
			require.Equal(t, `0="first" 1="second"`, drain(g))
			return nil
		})
		require.NoError(t, err)
	})
}

func TestWaitingForNobodyNeedsAPerson(t *testing.T) {
	t.Parallel()
	for _, e := range []runtime.Effect{runtime.WaitSignal{Name: "go"}, runtime.Approval{Title: "ship it?"}} {
		err := inside(t, t.Context(), &local.Engine{}, func(_ *starlark.Thread, fx runtime.Effects) error {
			_, err := fx.Do(e)
			return err
		})
		require.ErrorAs(t, err, new(*engine.NeedsPerson))
	}
}

func TestABacktraceSpansBranches(t *testing.T) {
	t.Parallel()
	p := program(t, "def one(i):\n    return [][i]\n\ndef main():\n    return fork(one, 2, limit = 1)\n")
	_, err := (&local.Engine{}).Run(t.Context(), engine.Run{ID: "r", Program: p})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Equal(t, runtime.Script, failed.Code)
	require.Equal(t, `Traceback (most recent call last):
  bench.star:5:16: in main
  <builtin>: in fork
  in branch 1.0:
  bench.star:2:14: in one
`, failed.Backtrace())
}

func TestAWriteToAFrozenValueNamesTheFork(t *testing.T) {
	t.Parallel()
	p := program(t, "def main():\n    seen = []\n    def one(i):\n        seen.append(i)\n    return fork(one, 2)\n")
	_, err := (&local.Engine{}).Run(t.Context(), engine.Run{ID: "r", Program: p})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.Contains(t, failed.Message, "cannot append to frozen list")
	require.Contains(t, failed.Hint, "`fork`")
}

func TestBranchesInheritWhatIsLeftOfTheSteps(t *testing.T) {
	t.Parallel()
	p := program(t, "def one(i):\n    for _ in range(200):\n        pass\n\ndef main():\n    for _ in range(100):\n        fork(one, 8)\n")
	var first string
	for range 5 {
		_, err := (&local.Engine{}).Run(t.Context(), engine.Run{ID: "r", Program: p, Config: runtime.Config{Limits: runtime.Limits{Steps: 50_000}}})
		failed, ok := errors.AsType[*runtime.Error](err)
		require.True(t, ok)
		require.Equal(t, runtime.Limit, failed.Code)
		if first == "" {
			first = string(failed.Details)
		}
		require.Equal(t, first, string(failed.Details), "it depends on how the branches interleaved")
	}
}

// Where the script looks at each success, none is started that it might not need: those that ended and were not looked at keep their place.
func TestNoBranchIsStartedBeforeTheScriptHasLookedAtThoseInItsPlace(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3} {
		err := inside(t, t.Context(), &local.Engine{}, func(_ *starlark.Thread, fx runtime.Effects) error {
			var started atomic.Int32
			g := fx.Fork(runtime.ForkSpec{Name: "f", Limit: limit, Order: runtime.Settled}, 50, func(i int, _ runtime.Effects) (any, error) {
				started.Add(1)
				return i, nil
			})
			for seen := range 7 {
				require.LessOrEqual(t, int(started.Load()), seen+limit)
				_, _, err, ok := g.Next()
				require.NoError(t, err)
				require.True(t, ok)
			}
			g.Cancel(nil)
			drain(g)
			require.LessOrEqual(t, int(started.Load()), 6+limit)
			return nil
		})
		require.NoError(t, err)
	}
}
