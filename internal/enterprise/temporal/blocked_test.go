//go:build e2e && linux

package temporal_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
)

// A host's fault blocks a run and never fails it: once the host is mended the run goes on.
func TestARunWaitsUntilItsHostIsMended(t *testing.T) {
	t.Parallel()
	all := enginetest.Cases(t)
	c := all[slices.IndexFunc(all, func(c *enginetest.Case) bool { return c.Name == "chain" })]
	dir := t.TempDir()
	blobs := temporal.Dir(dir)
	p := patterns(blobs)
	conn := dialed(t, blobs)
	s := started(t, p, c)
	path := filepath.Join(dir, s.Pattern.Digest[:2], s.Pattern.Digest)
	require.NoError(t, os.Rename(path, path+".away"))

	tc := &temporal.Client{Temporal: conn, Queue: "blocked"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := tc.Run(ctx, "blocked", s)
	require.NoError(t, err)
	cast := c.Cast()
	w := temporal.NewWorker(conn, temporal.WorkerConfig{Queue: "blocked", Patterns: patterns(blobs), Agents: cast, Emit: cast.Emit})
	require.NoError(t, w.Start())
	defer w.Stop()
	blocked := false
	for !blocked {
		require.NoError(t, ctx.Err(), "no task of the run failed")
		for events := conn.GetWorkflowHistory(ctx, "blocked", "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
			e, err := events.Next()
			require.NoError(t, err)
			if failed := e.GetWorkflowTaskFailedEventAttributes(); failed != nil {
				blocked = true
				require.Contains(t, failed.GetFailure().GetMessage(), "the pattern of the run: blob "+s.Pattern.Digest)
			}
		}
	}
	require.NoError(t, os.Rename(path+".away", path))
	result, err := tc.Wait(ctx, "blocked")
	require.NoError(t, err)
	require.Equal(t, c.Want["result"], string(result)+"\n")
}

// A worker of another language does not touch a run: one that speaks it goes on.
func TestARunOfAnotherLanguageIsLeftToItsWorkers(t *testing.T) {
	t.Parallel()
	all := enginetest.Cases(t)
	c := all[slices.IndexFunc(all, func(c *enginetest.Case) bool { return c.Name == "ask" })]
	blobs := temporal.Dir(t.TempDir())
	conn := dialed(t, blobs)
	s := started(t, patterns(blobs), c)
	s.ABI = "0"
	cast := c.Cast()
	w := temporal.NewWorker(conn, temporal.WorkerConfig{Queue: "language", Patterns: patterns(blobs), Agents: cast, Emit: cast.Emit})
	require.NoError(t, w.Start())
	defer w.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := conn.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "language", TaskQueue: "language"}, temporal.WorkflowName, s)
	require.NoError(t, err)
	for failed := ""; failed == ""; {
		require.NoError(t, ctx.Err(), "no task of the run failed")
		for events := conn.GetWorkflowHistory(ctx, "language", "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
			e, err := events.Next()
			require.NoError(t, err)
			if a := e.GetWorkflowTaskFailedEventAttributes(); a != nil {
				failed = a.GetFailure().GetMessage()
			}
		}
		if failed != "" {
			require.Contains(t, failed, "the run began under language 0 and this worker speaks 1: keep a worker of that version until it has ended")
		}
	}
	require.Empty(t, cast.Made())
	require.NoError(t, conn.TerminateWorkflow(ctx, "language", "", "the test is over"))
}
