//go:build e2e && linux

package temporal_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/internal/enterprise/testcluster"
	"github.com/parallax-run/parallax/runtime"
)

var cluster testcluster.Shared

// atOnce bounds the cases that run side by side, so that those with deadlines have a server that keeps up.
var atOnce = make(chan struct{}, 6)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// dialed is a client of the cluster, whose values over 256 KiB are in blobs.
func dialed(t testing.TB, blobs temporal.Blobs) client.Client {
	t.Helper()
	c := cluster.Of(t)
	conn, err := client.Dial(client.Options{
		HostPort: c.Addr(), Namespace: c.Namespace(), DataConverter: temporal.Converter(blobs), FailureConverter: temporal.FailureConverter(blobs),
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

// onServer runs cases on a worker in this process, on the real server, with so many events in a history.
func onServer(prefix string, events int) enginetest.Engine {
	return func(t *testing.T, c *enginetest.Case, cast *enginetest.Cast) enginetest.Outcome {
		t.Helper()
		atOnce <- struct{}{}
		defer func() { <-atOnce }()
		events := events
		if strings.Contains(c.Want["events"], "time was up") {
			events = 0 // the second that it takes to continue would overtake the deadline
		}
		blobs := temporal.Dir(t.TempDir())
		p := patterns(blobs)
		conn := dialed(t, blobs)
		queue := prefix + c.Name
		w := temporal.NewWorker(conn, temporal.WorkerConfig{Queue: queue, Patterns: p, Agents: cast, Emit: cast.Emit})
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
		s := started(t, p, c)
		s.Events = events
		o := through(t, &temporal.Client{Temporal: conn, Queue: queue}, s, c, cast)
		if events > 0 {
			o.Broken = "(it continued as new)"
		}
		return o
	}
}

// through starts a case and waits for its end.
func through(t *testing.T, tc *temporal.Client, s temporal.Start, c *enginetest.Case, cast *enginetest.Cast) enginetest.Outcome {
	t.Helper()
	id := tc.Queue
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	outside, rest := context.WithCancel(ctx)
	var wg sync.WaitGroup
	_, err := tc.Run(ctx, id, s)
	require.NoError(t, err)
	wg.Go(func() { cast.Outside(outside, serverDoors(t, tc, id)) })
	o := enginetest.Outcome{Run: id}
	o.Result, o.Err = tc.Wait(ctx, id)
	rest()
	wg.Wait()
	require.NoError(t, ctx.Err(), "the run did not end")
	o.Facts, err = tc.Facts(ctx, id)
	require.NoError(t, err)
	return o
}

func serverDoors(t *testing.T, tc *temporal.Client, id string) enginetest.Doors {
	t.Helper()
	ctx := t.Context()
	return enginetest.Doors{
		Signal: func(name string, value runtime.Payload) {
			if err := tc.Signal(ctx, id, temporal.Signal{Name: name, Value: value}); err != nil {
				t.Errorf("signal %s: %v", name, err)
			}
		},
		Decide: func(child, at string, value runtime.Payload) {
			run := id
			if child != "" {
				run += "/" + child
			}
			if err := tc.Decide(ctx, id, temporal.Decide{Run: run, Address: at, Value: value}); err != nil {
				t.Errorf("the decision at %s: %v", at, err)
			}
		},
		Cancel: func() {
			if err := tc.Cancel(ctx, id); err != nil {
				t.Errorf("cancel: %v", err)
			}
		},
	}
}

func TestOnTheServer(t *testing.T) { enginetest.Run(t, onServer("once-", 0)) }

func TestExamplesOnTheServer(t *testing.T) { enginetest.RunExamples(t, onServer("example-", 0)) }

// TestContinuingAsNew lets runs continue as new after some effects. The server lets that happen once a second.
func TestContinuingAsNew(t *testing.T) { enginetest.Run(t, onServer("again-", 25)) }
