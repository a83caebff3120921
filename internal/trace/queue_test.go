package trace

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// upload is a client whose answers are given beforehand; the last one stays.
type upload struct {
	mu      sync.Mutex
	answers []error
	sent    []string
	asked   int
	slow    time.Duration
}

func (u *upload) Start(context.Context) error { return nil }
func (u *upload) Stop(context.Context) error  { return nil }

func (u *upload) UploadTraces(ctx context.Context, list []*tracepb.ResourceSpans) error {
	select {
	case <-time.After(u.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked++
	var err error
	if len(u.answers) > 0 {
		err = u.answers[0]
	}
	if len(u.answers) > 1 {
		u.answers = u.answers[1:]
	}
	if err == nil {
		for _, s := range list[0].GetScopeSpans()[0].GetSpans() {
			u.sent = append(u.sent, s.GetName())
		}
	}
	return err
}

// times says how often it was asked to send.
func (u *upload) times() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked
}

// names are those of the spans that were taken.
func (u *upload) names() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.sent)
}

func queueTo(ctx context.Context, u *upload) *Queue {
	q := &Queue{
		client: u, most: 10, batch: 4, delay: 100 * time.Millisecond,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	ctx, q.abort = context.WithCancel(ctx)
	go q.run(ctx)
	return q
}

func some(from, n int) []*tracepb.Span {
	list := make([]*tracepb.Span, n)
	for i := range list {
		list[i] = &tracepb.Span{Name: strconv.Itoa(from + i)}
	}
	return list
}

func TestSpansLeaveTogetherAndInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upload{}
		q := queueTo(t.Context(), u)
		for i := range 6 {
			q.Put(some(i, 1)...)
		}
		synctest.Wait()
		require.Zero(t, u.times(), "they gather first")
		time.Sleep(101 * time.Millisecond) //nolint:forbidigo // virtual
		synctest.Wait()
		require.Equal(t, 2, u.times())
		require.Equal(t, []string{"0", "1", "2", "3", "4", "5"}, u.names())
		q.Put(some(6, 1)...)
		require.NoError(t, q.Close(t.Context(), time.Second))
		require.Equal(t, "6", u.names()[6], "the end waits for what is left")
	})
}

func TestAFullQueueLosesWhatComesAndNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upload{slow: time.Hour}
		q := queueTo(t.Context(), u)
		began := time.Now()
		for i := range 20 {
			q.Put(some(i, 1)...)
		}
		require.Zero(t, time.Since(began))
		err := q.Close(t.Context(), 3*time.Second)
		require.Equal(t, 3*time.Second, time.Since(began))
		lost, ok := errors.AsType[*Lost](err)
		require.True(t, ok)
		require.Equal(t, 20, lost.Spans)
	})
}

func TestAReceiverThatComesBackGetsWhatWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		absent := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		u := &upload{answers: []error{absent, absent, nil}}
		q := queueTo(t.Context(), u)
		q.Put(some(0, 3)...)
		time.Sleep(10 * time.Second) //nolint:forbidigo // virtual
		require.NoError(t, q.Close(t.Context(), time.Second))
		require.Equal(t, []string{"0", "1", "2"}, u.names())
	})
}

func TestAReceiverThatIsNotThereAtTheEndIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upload{answers: []error{&net.OpError{Op: "dial", Err: errors.New("connection refused")}}}
		q := queueTo(t.Context(), u)
		q.Put(some(0, 9)...)
		began := time.Now()
		err := q.Close(t.Context(), 3*time.Second)
		require.EqualError(t, err, "9 spans were lost: dial: connection refused")
		require.Zero(t, time.Since(began))
		require.Equal(t, 1, u.times())
	})
}

func TestWhatTheReceiverRefusesIsLostAndNotSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upload{answers: []error{errors.New("OTLP partial success: too old (2 spans rejected)"), errors.New("OTLP partial success: slow down (0 spans rejected)"), nil}}
		q := queueTo(t.Context(), u)
		q.Put(some(0, 9)...)
		err := q.Close(t.Context(), 3*time.Second)
		require.EqualError(t, err, "2 spans were lost: OTLP partial success: too old (2 spans rejected)")
		require.Equal(t, 3, u.times())
	})
}

func TestAsked(t *testing.T) {
	t.Parallel()
	const endpoint = "http://localhost:4318"
	for name, c := range map[string]struct {
		env    map[string]string
		traces bool
		wrong  string
	}{
		"nothing":         {nil, false, ""},
		"an endpoint":     {map[string]string{envEndpoint: endpoint}, true, ""},
		"of traces":       {map[string]string{envTracesEndpoint: endpoint + "/v1/traces"}, true, ""},
		"by name":         {map[string]string{envExporter: "otlp"}, true, ""},
		"none":            {map[string]string{envEndpoint: endpoint, envExporter: "none"}, false, ""},
		"disabled":        {map[string]string{envEndpoint: endpoint, envDisabled: "TRUE"}, false, ""},
		"another":         {map[string]string{envExporter: "zipkin"}, false, "OTEL_TRACES_EXPORTER=zipkin is not spoken here; otlp and none are"},
		"no URL":          {map[string]string{envEndpoint: "localhost:4318"}, false, "OTEL_EXPORTER_OTLP_ENDPOINT is no URL such as http://localhost:4318"},
		"another ratio":   {map[string]string{envEndpoint: endpoint, envSampler: "traceidratio", envSamplerArg: "2"}, false, "OTEL_TRACES_SAMPLER_ARG=2 is not between 0 and 1"},
		"another sampler": {map[string]string{envEndpoint: endpoint, envSampler: "jaeger_remote"}, false, "OTEL_TRACES_SAMPLER=jaeger_remote is not known here; always_on, always_off and traceidratio are"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Asked(func(name string) (string, bool) { v, ok := c.env[name]; return v, ok })
			if c.wrong != "" {
				require.EqualError(t, err, c.wrong)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.traces, got != nil)
		})
	}
}

func TestARatioOfRunsIsTraced(t *testing.T) {
	t.Parallel()
	env := map[string]string{envExporter: "otlp", envSampler: "parentbased_traceidratio", envSamplerArg: "0.25"}
	e, err := Asked(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	require.NoError(t, err)
	traced := 0
	for i := range 4000 {
		id := "run-" + strconv.Itoa(i)
		if e.Samples(id) {
			traced++
			require.True(t, e.Samples(id+"/3.0/1"), "a child run goes with its parent")
		}
	}
	require.InDelta(t, 1000, traced, 120)
}

func TestContentIsWantedByTheseWords(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]bool{"": false, "false": false, "true": true, "True": true, "SPAN_ONLY": true, "span_and_event": true, "EVENT_ONLY": false, "NO_CONTENT": false} {
		env := map[string]string{envExporter: "otlp", envContent: word, envParent: "00-x-y-01"}
		e, err := Asked(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		require.NoError(t, err)
		require.Equal(t, want, e.Content, "%q", word)
	}
}
