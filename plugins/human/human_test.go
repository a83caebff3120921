package human_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/testkit/agentcall"
	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/human"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type object = map[string]any

// says answers every question with the next of answers and keeps the questions.
func says(asked *[]*agentpb.Question, answers ...any) func(*agentpb.Question) any {
	return func(q *agentpb.Question) any {
		*asked = append(*asked, q)
		return answers[len(*asked)-1]
	}
}

func TestAsksForText(t *testing.T) {
	t.Parallel()
	a := agentcall.Open(t, human.Agent(), agentcall.Setup{Config: object{"prompt": "You are on duty."}})
	var asked []*agentpb.Question
	r, err := a.Call(t.Context(), t, agentcall.Ask{
		Task: "Who broke it?", Input: object{"log": "boom"}, Feedback: "not a name", Person: says(&asked, "Ann"),
	})
	require.NoError(t, err)
	require.Equal(t, `"Ann"`, string(r.Value))
	require.Nil(t, r.Result.Confidence)
	require.Equal(t, "You are on duty.\n\nWho broke it?\n\nThe previous answer was not accepted: not a name", asked[0].GetPrompt())
	require.JSONEq(t, `{"log":"boom"}`, string(asked[0].GetContext()))
	require.Empty(t, asked[0].GetOptions())
}

func TestOptionsComeFromTheTypeTheInputOrTheConfiguration(t *testing.T) {
	t.Parallel()
	a := agentcall.Open(t, human.Agent(), agentcall.Setup{Config: object{"options": []string{"left", "right"}}})
	for _, c := range []struct {
		name, schema string
		input        any
		answer       any
		options      []string
		want         string
	}{
		{"enum", `{"enum":["a",3,null]}`, object{"options": []string{"x"}}, "3", []string{"a", "3", "null"}, `3`},
		{"boolean", `{"type":"boolean"}`, nil, "YES", []string{"yes", "no"}, `true`},
		{"input", ``, object{"options": []string{"x", "y"}}, "y", []string{"x", "y"}, `"y"`},
		{"configuration", ``, nil, " Right ", []string{"left", "right"}, `"right"`},
	} {
		var asked []*agentpb.Question
		r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Which?", Schema: c.schema, Input: c.input, Person: says(&asked, c.answer)})
		require.NoError(t, err, c.name)
		require.Equal(t, c.options, asked[0].GetOptions(), c.name)
		require.Equal(t, c.want, string(r.Value), c.name)
		require.Nil(t, asked[0].GetContext(), c.name)
	}
}

func TestAnAnswerThatIsNoOptionIsAskedForAgain(t *testing.T) {
	t.Parallel()
	a := agentcall.Open(t, human.Agent(), agentcall.Setup{Config: object{"options": []string{"yes", "no"}}})
	var asked []*agentpb.Question
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "Ship?", Person: says(&asked, "maybe", "no")})
	require.NoError(t, err)
	require.Equal(t, `"no"`, string(r.Value))
	require.Contains(t, asked[1].GetPrompt(), "maybe is not one of the options")
}

func TestTheWantedTypeReachesThePerson(t *testing.T) {
	t.Parallel()
	a := agentcall.Open(t, human.Agent(), agentcall.Setup{})
	var asked []*agentpb.Question
	r, err := a.Call(t.Context(), t, agentcall.Ask{Task: "How many?", Schema: `{"type":"integer"}`, Person: says(&asked, 4)})
	require.NoError(t, err)
	require.Equal(t, `4`, string(r.Value))
	require.JSONEq(t, `{"type":"integer"}`, string(asked[0].GetAnswerSchema()))
}

func TestWaitsNoLongerThanTheCall(t *testing.T) {
	t.Parallel()
	a := agentcall.Open(t, human.Agent(), agentcall.Setup{})
	ctx, cancel := context.WithCancel(t.Context())
	silent := func(*agentpb.Question) any {
		cancel()
		<-ctx.Done()
		return "too late"
	}
	_, err := a.Call(ctx, t, agentcall.Ask{Task: "Anybody?", Person: silent})
	require.ErrorIs(t, err, context.Canceled)
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	a := agentcall.Open(t, human.Agent(), agentcall.Setup{})
	_, err := a.Call(t.Context(), t, agentcall.Ask{})
	require.ErrorContains(t, err, "nothing to ask")
	_, err = a.Call(t.Context(), t, agentcall.Ask{Task: "x", Input: object{"options": "yes"}})
	require.ErrorContains(t, err, "list of strings")
	_, err = agentcall.TryOpen(t, human.Agent(), agentcall.Setup{Config: object{"opts": 1}})
	require.ErrorContains(t, err, `no field "opts"`)
}
