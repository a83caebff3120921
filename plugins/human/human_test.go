package human_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/plugins/agent/agenttest"
	"github.com/parallax-run/parallax/plugins/human"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type object = map[string]any

// session opens a session and closes it when the test ends.
func session(t *testing.T, config object, secrets map[string]string) *agenttest.Agent {
	t.Helper()
	a, err := agenttest.Open(t, human.Agent(), config, secrets)
	require.NoError(t, err)
	return a
}

func TestAsksForText(t *testing.T) {
	t.Parallel()
	a := session(t, object{"prompt": "You are on duty."}, nil)
	r, err := a.Run(t.Context(), agenttest.Request{
		Task: "Who broke it?", Input: object{"log": "boom"}, Feedback: "not a name", Answers: []any{"Ann"},
	})
	require.NoError(t, err)
	require.Equal(t, `"Ann"`, string(r.Output))
	require.Nil(t, r.Confidence)
	require.Equal(t, "You are on duty.\n\nWho broke it?\n\nThe previous answer was not accepted: not a name", r.Asked[0].Prompt)
	require.JSONEq(t, `{"log":"boom"}`, string(r.Asked[0].Context))
	require.Empty(t, r.Asked[0].Options)
}

func TestOptionsComeFromTheTypeTheInputOrTheConfiguration(t *testing.T) {
	t.Parallel()
	a := session(t, object{"options": []string{"left", "right"}}, nil)
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
		r, err := a.Run(t.Context(), agenttest.Request{Task: "Which?", OutputSchema: json.RawMessage(c.schema), Input: c.input, Answers: []any{c.answer}})
		require.NoError(t, err, c.name)
		require.Equal(t, c.options, r.Asked[0].Options, c.name)
		require.Equal(t, c.want, string(r.Output), c.name)
		require.Nil(t, r.Asked[0].Context, c.name)
	}
}

func TestAnAnswerThatIsNoOptionIsAskedForAgain(t *testing.T) {
	t.Parallel()
	a := session(t, object{"options": []string{"yes", "no"}}, nil)
	r, err := a.Run(t.Context(), agenttest.Request{Task: "Ship?", Answers: []any{"maybe", "no"}})
	require.NoError(t, err)
	require.Equal(t, `"no"`, string(r.Output))
	require.Contains(t, r.Asked[1].Prompt, "maybe is not one of the options")
}

func TestTheWantedTypeReachesThePerson(t *testing.T) {
	t.Parallel()
	a := session(t, nil, nil)
	r, err := a.Run(t.Context(), agenttest.Request{Task: "How many?", OutputSchema: json.RawMessage(`{"type":"integer"}`), Answers: []any{4}})
	require.NoError(t, err)
	require.Equal(t, `4`, string(r.Output))
	require.JSONEq(t, `{"type":"integer"}`, string(r.Asked[0].Schema))
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	a := session(t, nil, nil)
	_, err := a.Run(t.Context(), agenttest.Request{})
	require.ErrorContains(t, err, "nothing to ask")
	_, err = a.Run(t.Context(), agenttest.Request{Task: "x", Input: object{"options": "yes"}})
	require.ErrorContains(t, err, "list of strings")
	_, err = agenttest.Open(t, human.Agent(), object{"opts": 1}, nil)
	require.ErrorContains(t, err, `no field "opts"`)
}
