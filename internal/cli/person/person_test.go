package person

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// typing is a person who types these lines.
func typing(lines string) (*Person, *bytes.Buffer) {
	var seen bytes.Buffer
	in := strings.NewReader(lines)
	open := func() (io.ReadCloser, error) { return io.NopCloser(in), nil }
	return New("ada", &seen, open, func(talk func()) { talk() }), &seen
}

func TestAChoiceIsANumberOrANameAndMayHaveAComment(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"1":                    `{"by":"ada","choice":"ship it","comment":""}`,
		"2.":                   `{"by":"ada","choice":"wait","comment":""}`,
		"Ship It":              `{"by":"ada","choice":"ship it","comment":""}`,
		"ship it after lunch":  `{"by":"ada","choice":"ship it","comment":"after lunch"}`,
		"2 the tests are red":  `{"by":"ada","choice":"wait","comment":"the tests are red"}`,
		"no\n3\n\nwait":        `{"by":"ada","choice":"wait","comment":""}`,
		"shipit\nship it now!": `{"by":"ada","choice":"ship it","comment":"now!"}`,
	} {
		p, _ := typing(line + "\n")
		got, err := p.Decide(t.Context(), runtime.Approval{Title: "Release?", Options: []string{"ship it", "wait"}})
		require.NoError(t, err, line)
		require.Equal(t, want, got.String(), line)
	}
}

func TestWhatIsShownCannotTakeOverTheTerminal(t *testing.T) {
	t.Parallel()
	p, seen := typing("1\n")
	_, err := p.Decide(t.Context(), runtime.Approval{
		Title: "Release\x1b[2J?", Options: []string{"o\x07k"}, By: "lead", Context: runtime.Payload(`"a\u001b[31m\nb"`),
	})
	require.NoError(t, err)
	require.NotContains(t, seen.String(), "\x1b")
	require.NotContains(t, seen.String(), "\x07")
	require.Contains(t, seen.String(), "? Release [2J? (for lead)\n")
	require.Contains(t, seen.String(), "a [31m\nb\n")
}

func TestAnAgentGetsTextOrWhatTheSchemaAsksFor(t *testing.T) {
	t.Parallel()
	p, _ := typing("12\n12\nwords\n")
	got, err := p.Answer(t.Context(), host.Question{Agent: "boss", Prompt: "How many?"})
	require.NoError(t, err)
	require.Equal(t, `"12"`, got.String())
	p, _ = typing("12\nwords\n")
	got, err = p.Answer(t.Context(), host.Question{Agent: "boss", Prompt: "How many?", Schema: runtime.Payload(`{"type":"integer"}`)})
	require.NoError(t, err)
	require.Equal(t, "12", got.String())
}

func TestTheEndOfInputMeansThatAPersonIsNeeded(t *testing.T) {
	t.Parallel()
	p, _ := typing("")
	_, err := p.Decide(t.Context(), runtime.Approval{Title: "Release?", Options: []string{"yes"}})
	require.ErrorAs(t, err, new(*engine.NeedsPerson))
}

func TestAPersonWhoDoesNotAnswerCanBeLeft(t *testing.T) {
	t.Parallel()
	in, typed, err := os.Pipe()
	require.NoError(t, err)
	defer typed.Close()
	asked := make(chan struct{})
	p := New("ada", writer(func(s string) {
		if s == "> " {
			close(asked)
		}
	}), func() (io.ReadCloser, error) { return in, nil }, func(talk func()) { talk() })
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := p.Decide(ctx, runtime.Approval{Title: "Release?", Options: []string{"yes"}})
		failed <- err
	}()
	<-asked
	late, stop := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer stop()
	_, err = p.Decide(late, runtime.Approval{Title: "And this?", Options: []string{"yes"}})
	require.ErrorIs(t, err, context.DeadlineExceeded, "one question is asked at a time, and who waits can be left too")
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
}

type writer func(string)

func (w writer) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}
