package mock_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/mock"
	"github.com/parallax-run/parallax/runtime"
)

func call(address string) runtime.Call {
	return runtime.Call{
		AgentCall: runtime.AgentCall{Agent: "m", Task: "what is the weather", Input: runtime.Payload(`{"city":"Oslo"}`)},
		Run:       "run-1", ID: "run-1/" + address, Attempt: 1,
	}
}

func agent(t *testing.T, config string) *mock.Agent {
	t.Helper()
	a, err := mock.New(json.RawMessage(config))
	require.NoError(t, err)
	return a
}

func values(t *testing.T, a *mock.Agent, addresses ...string) string {
	t.Helper()
	var got []string
	for _, address := range addresses {
		ans, err := a.Call(t.Context(), call(address))
		require.NoError(t, err)
		got = append(got, string(ans.Value))
	}
	return strings.Join(got, " ")
}

func TestAnswersGoByTheCallsPlace(t *testing.T) {
	t.Parallel()
	a := agent(t, `{"answers":["a","b","c"]}`)
	require.Equal(t, `"c" "a" "b" "a"`, values(t, a, "1.2/1", "1.0/1", "1.1/1", "1.3/1"), "branch by branch, in any order")
	require.Equal(t, `"a" "b" "c" "a"`, values(t, a, "1", "2", "3", "4"), "in main")
	require.Equal(t, `"b" "c"`, values(t, a, "1.1/1", "1.1/2"), "in one branch")
	require.Equal(t, `"c"`, values(t, a, "4.1.2.2/1"), "the innermost fork")
}

func TestRunsWithSlashesInTheirIDsHavePlacesToo(t *testing.T) {
	t.Parallel()
	c := call("1.2/1")
	c.Run = "run-1/7"
	c.ID = "run-1/7/1.2/1"
	ans, err := agent(t, `{"answers":["a","b","c"]}`).Call(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, `"c"`, string(ans.Value))
}

func TestAnswersGoByArrivalInASequence(t *testing.T) {
	t.Parallel()
	require.Equal(t, `1 2 1`, values(t, agent(t, `{"answers":[1,2],"sequence":true}`), "1.5/1", "1.5/1", "1.5/1"))
	require.Equal(t, `1 2 2`, values(t, agent(t, `{"answers":[1,2],"sequence":true,"repeat":"last"}`), "1", "1", "1"))
}

func TestAnswersCarryWhatTheConfigurationSays(t *testing.T) {
	t.Parallel()
	a := agent(t, `{"answers":["x","y"],"confidence":[0.5,1],"basis":"verifier","reasoning":"so","finish":"length",
		"usage":{"input_tokens":3,"output_tokens":4,"cost_microusd":5,"model":"m"}}`)
	ans, err := a.Call(t.Context(), call("1.1/1"))
	require.NoError(t, err)
	require.InDelta(t, 1.0, *ans.Confidence, 0)
	ans.Confidence = nil
	require.Equal(t, runtime.Answer{
		Value: runtime.Payload(`"y"`), Basis: "verifier", Reasoning: "so", Finish: "length", Agent: "m", Version: mock.Version, Attempts: 1,
		Usage: runtime.Usage{InputTokens: 3, OutputTokens: 4, CostMicroUSD: 5, Model: "m"},
	}, ans)
}

func TestEchoAnswersWithTheInputs(t *testing.T) {
	t.Parallel()
	a := agent(t, `{"echo":true}`)
	require.Equal(t, `{"city":"Oslo"}`, values(t, a, "1"))
	c := call("1")
	c.Input = runtime.Payload(`{}`)
	ans, err := a.Call(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, `"what is the weather"`, string(ans.Value))
	require.Equal(t, `null`, values(t, agent(t, ``), "1"))
}

func TestTheFirstCaseThatFitsDecides(t *testing.T) {
	t.Parallel()
	a := agent(t, `{"answers":["other"],"when":[
		{"task":"traffic","answer":"jam"},
		{"input":{"city":"Rome"},"answer":"sun"},
		{"task":"weather","input":{"city":"Oslo"},"answers":["rain",{"b": 1, "a": 2.0}]}]}`)
	require.Equal(t, `"rain" {"a":2.0,"b":1}`, values(t, a, "1", "2"))
	c := call("1")
	c.Task = "news"
	ans, err := a.Call(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, `"other"`, string(ans.Value))
}

func TestFailuresEndAfterSoManyAttempts(t *testing.T) {
	t.Parallel()
	a := agent(t, `{"answers":["ok"],"fail":{"code":"unavailable","message":"later","times":2}}`)
	c := call("1")
	for c.Attempt = 1; c.Attempt <= 2; c.Attempt++ {
		_, err := a.Call(t.Context(), c)
		e, ok := errors.AsType[*runtime.Error](err)
		require.True(t, ok)
		require.Equal(t, runtime.Error{Code: runtime.Unavailable, Message: "later", Agent: "m", Retryable: true}, *e)
	}
	ans, err := a.Call(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, `"ok"`, string(ans.Value))

	_, err = agent(t, `{"fail":{"code":"refused"}}`).Call(t.Context(), c)
	e, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok)
	require.False(t, e.Retryable)
}

func TestDelayEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := agent(t, `{"delay":"10s"}`)
		start := time.Now()
		_, err := a.Call(t.Context(), call("1"))
		require.NoError(t, err)
		require.Equal(t, 10*time.Second, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = a.Call(ctx, call("1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 11*time.Second, time.Since(start))
	})
}

func TestStreamSaysTheWords(t *testing.T) {
	t.Parallel()
	var said []string
	c := call("1")
	c.Watch = func(p runtime.Progress) { said = append(said, p.Text) }
	_, err := agent(t, `{"answers":["one two three"],"stream":true}`).Call(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []string{"one ", "two ", "three"}, said)
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"answer":1,"answers":[2]}`:               "keep one",
		`{"answer":1,"echo":true}`:                 "keep one",
		`{"anwser":1}`:                             `unknown field "anwser"`,
		`{"confidence":2}`:                         "between 0 and 1",
		`{"confidence":"high"}`:                    "number",
		`{"answers":[1,2],"confidence":[1]}`:       "2 answers and 1 confidences",
		`{"confidence":1,"basis":"guess"}`:         `"guess"`,
		`{"delay":"soon"}`:                         `"soon"`,
		`{"fail":{"code":"bang"}}`:                 `"bang"`,
		`{"fail":{"times":-1}}`:                    "times",
		`{"repeat":"twice"}`:                       `"twice"`,
		`{"when":[{"answer":1},{"delay":"soon"}]}`: "when[1]",
		`{"answers":[{"a":1,"a":2}]}`:              "answers[0]",
		`[]`:                                       "array",
	} {
		_, err := mock.New(json.RawMessage(config))
		require.ErrorContains(t, err, want, config)
	}
}

func BenchmarkCall(b *testing.B) {
	a, err := mock.New(json.RawMessage(`{"answers":["yes","no","yes"],"confidence":0.9}`))
	require.NoError(b, err)
	calls := make([]runtime.Call, 64)
	for i := range calls {
		calls[i] = call("1." + strconv.Itoa(i) + "/1")
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		_, err := a.Call(b.Context(), calls[i%64])
		if err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func TestAValueOfTheWrongKindIsNamedByItsKey(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"delay": 5}`:                 `delay is a number; write a duration such as "10ms"`,
		`{"fail": {"times": "often"}}`: "fail.times is a string, which it cannot be",
		`{"answers": "yes"}`:           "answers is a string, which it cannot be",
	} {
		_, err := mock.New([]byte(config))
		require.EqualError(t, err, want)
	}
}

func TestOnlyAnAgentWithoutDelaysAnswersAtOnce(t *testing.T) {
	t.Parallel()
	require.True(t, agent(t, `{"answer":1}`).Instant())
	require.False(t, agent(t, `{"answer":1,"delay":"1s"}`).Instant())
	require.False(t, agent(t, `{"answer":1,"when":[{"task":"x","answer":2,"delay":"1s"}]}`).Instant())
}
