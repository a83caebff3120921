//go:build e2e && linux

package temporal_test

import (
	"context"
	"log/slog"
	"os"
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

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// dialed is a client of the cluster, whose values over 256 KiB are in blobs.
func dialed(t testing.TB, blobs temporal.Blobs) client.Client {
	t.Helper()
	c := cluster.Of(t)
	conn, err := client.Dial(client.Options{
		HostPort: c.Addr(), Namespace: c.Namespace(), DataConverter: temporal.Converter(blobs),
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

// onServer runs a case on a worker in this process, on the real server.
func onServer(t *testing.T, c *enginetest.Case, cast *enginetest.Cast) enginetest.Outcome {
	t.Helper()
	blobs := temporal.Dir(t.TempDir())
	p := patterns(blobs)
	conn := dialed(t, blobs)
	queue := "case-" + c.Name
	w := temporal.NewWorker(conn, temporal.WorkerConfig{Queue: queue, Patterns: p, Agents: cast, Emit: cast.Emit})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return through(t, &temporal.Client{Temporal: conn, Queue: queue}, started(t, p, c), c, cast)
}

// through starts a case and waits for its end.
func through(t *testing.T, tc *temporal.Client, s temporal.Start, c *enginetest.Case, cast *enginetest.Cast) enginetest.Outcome {
	t.Helper()
	id := "case-" + c.Name
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
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

func TestOnTheServer(t *testing.T) { enginetest.Run(t, onServer) }
