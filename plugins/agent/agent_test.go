package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type in struct {
	Text  string   `json:"text" jsonschema:"what to count"`
	Task  string   `json:"task,omitempty"`
	Words []string `json:"words,omitempty"`
}

type out struct {
	Count int    `json:"count"`
	Task  string `json:"task"`
}

func info(name string) agent.Info {
	return agent.Info{Name: name, Version: "0.1.0", Description: "Counts."}
}

func counter() agent.Definition {
	return agent.Define(info("counter"), func(_ context.Context, _ *agent.Call[agent.NoConfig], i in) (out, error) {
		return out{Count: len(strings.Fields(i.Text)), Task: i.Task}, nil
	})
}

func TestTypedInputAndOutput(t *testing.T) {
	t.Parallel()
	r, err := agenttest.Run(t, counter(), agenttest.Request{Task: "count", Input: map[string]any{"text": "a b c"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"count":3,"task":"count"}`, string(r.Output))
}

func TestSchemasComeFromTypes(t *testing.T) {
	t.Parallel()
	a, err := agenttest.Open(t, counter(), nil, nil)
	require.NoError(t, err)
	d, err := a.Describe(t.Context())
	require.NoError(t, err)
	require.Len(t, d.GetSkills(), 1)
	require.Equal(t, "counter", d.GetSkills()[0].GetName())
	require.JSONEq(t, `{"type":"object","required":["text"],"additionalProperties":false,"properties":{
		"text":{"type":"string","description":"what to count"},"task":{"type":"string"},
		"words":{"type":["null","array"],"items":{"type":"string"}}}}`, string(d.GetSkills()[0].GetInputSchema()))
	require.JSONEq(t, `{"type":"object","required":["count","task"],"additionalProperties":false,"properties":{
		"count":{"type":"integer"},"task":{"type":"string"}}}`, string(d.GetSkills()[0].GetOutputSchema()))
}

func TestWrongInputNamesTheField(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		`{}`:                        `input field "text" is missing`,
		`{"text":1}`:                `input field "text" must be a string, not number`,
		`{"text":"a","txt":"b"}`:    `input has no field "txt"`,
		`{"text":"a","words":"b"}`:  `input field "words" must be a list, not string`,
		`[1]`:                       `input must be an object, not array`,
		`{"text":"a","words":[[]]}`: `input field "words" must be a string, not array`,
	} {
		_, err := agenttest.Run(t, counter(), agenttest.Request{Input: json.RawMessage(input)})
		e, ok := errors.AsType[*agenttest.Error](err)
		require.True(t, ok, input)
		require.Equal(t, codes.InvalidArgument, e.Code)
		require.Equal(t, want, e.Message)
	}
}

type settings struct {
	Name  string `json:"name"`
	Limit int    `json:"limit"`

	greeting string
}

func (s *settings) Open(_ context.Context, sess *agent.Session) error {
	if s.Limit < 0 {
		return agent.BadInput("limit must not be negative").WithField("limit", "negative")
	}
	s.greeting = "hello " + s.Name + " " + sess.Secret("KEY")
	sess.Describe(strings.Join(sess.Secrets(), ","))
	return nil
}

func greeter() agent.Definition {
	return agent.Define(info("greeter"), func(_ context.Context, c *agent.Call[settings], _ json.RawMessage) (string, error) {
		return c.Config.greeting, nil
	})
}

func TestConfigurationIsOpenedOnce(t *testing.T) {
	t.Parallel()
	a, err := agenttest.Open(t, greeter(), map[string]any{"name": "you"}, map[string]string{"KEY": "k"})
	require.NoError(t, err)
	require.Equal(t, "KEY", a.Detail())
	r, err := a.Run(t.Context(), agenttest.Request{})
	require.NoError(t, err)
	require.Equal(t, `"hello you k"`, string(r.Output))
}

func TestWrongConfigurationNamesTheField(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"limit":-1}`:  "limit",
		`{"limit":"x"}`: "limit",
		`{"nme":"x"}`:   "nme",
	} {
		_, err := agenttest.Open(t, greeter(), json.RawMessage(config), nil)
		e, ok := errors.AsType[*agenttest.Error](err)
		require.True(t, ok, config)
		require.Equal(t, codes.InvalidArgument, e.Code)
		require.Contains(t, e.Fields, want)
		require.Contains(t, e.Message, want)
	}
}

func TestSkillsAreChosenByNameOrTask(t *testing.T) {
	t.Parallel()
	say := func(what string) agent.Func[agent.NoConfig, json.RawMessage, string] {
		return func(context.Context, *agent.Call[agent.NoConfig], json.RawMessage) (string, error) { return what, nil }
	}
	def := agent.Multi(info("two"), agent.NewSkill("one", "", say("1")), agent.NewSkill("two", "", say("2")))
	for want, r := range map[string]agenttest.Request{
		`"1"`: {Task: "whatever"},
		`"2"`: {Task: "two"},
	} {
		got, err := agenttest.Run(t, def, r)
		require.NoError(t, err)
		require.Equal(t, want, string(got.Output))
	}
	got, err := agenttest.Run(t, def, agenttest.Request{Skill: "two", Task: "one"})
	require.NoError(t, err)
	require.Equal(t, `"2"`, string(got.Output))
	_, err = agenttest.Run(t, def, agenttest.Request{Skill: "three"})
	require.ErrorContains(t, err, `has no skill "three"`)
}

// raw is an agent without configuration that takes and gives any JSON.
func raw(fn func(context.Context, *agent.Call[agent.NoConfig]) (json.RawMessage, error)) agent.Definition {
	return agent.Define(info("raw"), func(ctx context.Context, c *agent.Call[agent.NoConfig], _ json.RawMessage) (json.RawMessage, error) {
		return fn(ctx, c)
	})
}

func TestEventsKeepTheirOrderAndAreGathered(t *testing.T) {
	t.Parallel()
	r, err := agenttest.Run(t, raw(func(_ context.Context, c *agent.Call[agent.NoConfig]) (json.RawMessage, error) {
		for range 2000 {
			c.Emit("word ")
		}
		c.EmitThinking("hm")
		c.Emit("\xff")
		c.Progress(0.5, "half")
		c.ToolCall("1", "grep", json.RawMessage(`{}`), nil, false)
		c.Usage(agent.Usage{OutputTokens: 2000, CostMicroUSD: 7})
		c.Confidence(1.5, agent.SelfReport)
		c.Reasoning("so")
		c.Finish("stop")
		return json.RawMessage(`1`), c.Artifact("a.txt", "text/plain", strings.NewReader("content"))
	}), agenttest.Request{})
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("word ", 2000)+"\uFFFD", r.Text)
	require.Less(t, r.Deltas, 50)
	require.Equal(t, "hm", r.Thinking)
	require.Equal(t, []string{"half"}, r.Notes)
	require.Equal(t, []string{"grep"}, r.Tools)
	require.Equal(t, agent.Usage{OutputTokens: 2000, CostMicroUSD: 7}, r.Usage)
	require.InDelta(t, 1, *r.Confidence, 0)
	require.Equal(t, agent.SelfReport, r.Basis)
	require.Equal(t, []agenttest.Artifact{{Name: "a.txt", MediaType: "text/plain", Content: []byte("content")}}, r.Artifacts)
}

func TestQuestionsWaitForTheirAnswers(t *testing.T) {
	t.Parallel()
	def := raw(func(ctx context.Context, c *agent.Call[agent.NoConfig]) (json.RawMessage, error) {
		if _, err := c.Ask(ctx, agent.Question{Prompt: "first?"}); err != nil {
			return nil, err
		}
		return c.Ask(ctx, agent.Question{Prompt: "second?"})
	})
	r, err := agenttest.Run(t, def, agenttest.Request{Answers: []any{"a", 2}})
	require.NoError(t, err)
	require.Equal(t, []string{"first?", "second?"}, r.Questions)
	require.Equal(t, "2", string(r.Output))
}

func TestErrorsTravel(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fail error
		want agenttest.Error
	}{
		{agent.Refuse("no").WithHint("h").WithCode("c"), agenttest.Error{Code: codes.FailedPrecondition, Message: "no", Hint: "h", AgentCode: "c"}},
		{agent.BadInput("bad %d", 1), agenttest.Error{Code: codes.InvalidArgument, Message: "bad 1"}},
		{agent.NotFound("none"), agenttest.Error{Code: codes.NotFound, Message: "none"}},
		{agent.TimedOut("late"), agenttest.Error{Code: codes.DeadlineExceeded, Message: "late", Retryable: true}},
		{
			agent.Overloaded(3*time.Second, "busy"),
			agenttest.Error{Code: codes.ResourceExhausted, Message: "busy", Retryable: true, RetryAfter: 3 * time.Second},
		},
		{agent.Unavailable(0, "gone"), agenttest.Error{Code: codes.Unavailable, Message: "gone", Retryable: true}},
		{errors.New("plain"), agenttest.Error{Code: codes.Unknown, Message: "plain"}},
		{context.DeadlineExceeded, agenttest.Error{Code: codes.DeadlineExceeded, Message: "context deadline exceeded"}},
	}
	for _, c := range cases {
		_, err := agenttest.Run(t, raw(func(context.Context, *agent.Call[agent.NoConfig]) (json.RawMessage, error) {
			return nil, c.fail
		}), agenttest.Request{})
		e, ok := errors.AsType[*agenttest.Error](err)
		require.True(t, ok)
		require.Equal(t, c.want, *e)
	}
}

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	_, err := agenttest.Run(t, raw(func(context.Context, *agent.Call[agent.NoConfig]) (json.RawMessage, error) {
		panic("oh")
	}), agenttest.Request{})
	e, ok := errors.AsType[*agenttest.Error](err)
	require.True(t, ok)
	require.Equal(t, codes.Internal, e.Code)
	require.Equal(t, "panic: oh", e.Message)
}

func TestCancellationReachesTheAgent(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	a, err := agenttest.Open(t, raw(func(inner context.Context, c *agent.Call[agent.NoConfig]) (json.RawMessage, error) {
		cancel()
		<-inner.Done()
		ended <- inner.Err()
		return nil, inner.Err()
	}), nil, nil)
	require.NoError(t, err)
	_, err = a.Run(ctx, agenttest.Request{})
	e, ok := errors.AsType[*agenttest.Error](err)
	require.True(t, ok)
	require.Equal(t, codes.Canceled, e.Code)
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestEmitAfterTheEndDoesNoHarm(t *testing.T) {
	t.Parallel()
	var late *agent.Call[agent.NoConfig]
	_, err := agenttest.Run(t, raw(func(_ context.Context, c *agent.Call[agent.NoConfig]) (json.RawMessage, error) {
		late = c
		c.Emit("x")
		return json.RawMessage("1"), nil
	}), agenttest.Request{})
	require.NoError(t, err)
	late.Emit("y")
	late.Progress(1, "z")
}

func TestLargeOutputIsABlob(t *testing.T) {
	t.Parallel()
	big := `"` + strings.Repeat("x", 1<<20) + `"`
	r, err := agenttest.Run(t, raw(func(context.Context, *agent.Call[agent.NoConfig]) (json.RawMessage, error) {
		return json.RawMessage(big), nil
	}), agenttest.Request{})
	require.NoError(t, err)
	require.Equal(t, big, string(r.Output))
}

func TestUnwritableOutput(t *testing.T) {
	t.Parallel()
	def := agent.Define(info("nan"), func(context.Context, *agent.Call[agent.NoConfig], json.RawMessage) (any, error) {
		return make(chan int), nil
	})
	_, err := agenttest.Run(t, def, agenttest.Request{})
	require.ErrorContains(t, err, "the output cannot be written as JSON")
}
