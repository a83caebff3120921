package events_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli/events"
	"github.com/parallax-run/parallax/runtime"
)

func TestAnEventIsOneLine(t *testing.T) {
	t.Parallel()
	confidence := 0.5
	var b strings.Builder
	w := events.NewWriter(&b)
	w.Write(runtime.Event{
		Seq: 3, Run: "r", At: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("here", 3600)), Kind: runtime.AgentAnswered,
		Addr: runtime.Address{Path: "1.0", N: 2}, Branch: "1.0", Agent: "critic", N: 1, Value: runtime.Payload(`{"a":1.0,"b":"<&>"}`),
		Confidence: &confidence, Usage: &runtime.Usage{InputTokens: 7},
	})
	w.Write(runtime.Event{Seq: 4, Run: "r", At: time.Unix(0, 0), Kind: runtime.RunFailed, Error: &runtime.Error{
		Code: runtime.Script, Message: "no", Trace: []runtime.Frame{{Func: "main", Pos: "a.star:1:2"}}, Cause: errors.New("for the host only"),
	}})
	require.NoError(t, w.Err())
	require.Equal(t, `{"seq":3,"time":"2026-01-02T02:04:05.000006Z","run":"r","kind":"agent.answered","address":"1.0/2","branch":"1.0",`+
		`"agent":"critic","n":1,"value":{"a":1.0,"b":"<&>"},"confidence":0.5,"usage":{"input_tokens":7}}
{"seq":4,"time":"1970-01-01T00:00:00Z","run":"r","kind":"run.failed",`+
		`"error":{"code":"script","message":"no","trace":[{"func":"main","pos":"a.star:1:2"}]}}
`, b.String())
}

func TestAfterAFailureNothingMoreIsWritten(t *testing.T) {
	t.Parallel()
	writes := 0
	w := events.NewWriter(failing(func() { writes++ }))
	w.Write(runtime.Event{Kind: runtime.RunStarted})
	w.Write(runtime.Event{Kind: runtime.RunDone})
	require.ErrorContains(t, w.Err(), "full")
	require.Equal(t, 1, writes)
}

type failing func()

func (f failing) Write([]byte) (int, error) {
	f()
	return 0, errors.New("full")
}
