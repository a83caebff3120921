package temporal_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

// patterns keeps the patterns of a test.
func patterns(blobs temporal.Blobs) *temporal.Patterns {
	return &temporal.Patterns{
		Blobs: blobs, Environment: func() runtime.Environment { return runtime.Environment{Builtins: builtins.All()} },
		Options: pattern.Options{Std: stdlib.FS()},
	}
}

// started is what starts a case.
func started(t *testing.T, p *temporal.Patterns, c *enginetest.Case) temporal.Start {
	t.Helper()
	pinned, err := p.Put(c.Load(t))
	require.NoError(t, err)
	return temporal.Start{
		Pattern: pinned, ABI: runtime.ABI, Inputs: c.Script.Inputs, Seed: c.Script.Seed, Limits: c.Script.Limits, Budget: c.Script.Budget,
	}
}

// inEnvironment runs a case in the SDK's test environment: no server, and time that passes when nothing happens.
func inEnvironment(t *testing.T, c *enginetest.Case, cast *enginetest.Cast) enginetest.Outcome {
	t.Helper()
	blobs := temporal.Dir(t.TempDir())
	p := patterns(blobs)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "r", TaskQueue: "q"})
	env.SetDataConverter(temporal.Converter(blobs))
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // the race detector makes slices long on a busy machine
	ctx, stop := context.WithCancel(t.Context())
	acted := make(chan struct{}, 100)
	temporal.Register(env, temporal.WorkerConfig{Patterns: p, Agents: cast, Emit: func(e runtime.Event) {
		cast.Emit(e)
		if waits(c, &e) {
			await(acted)
		}
	}})
	var wg sync.WaitGroup
	wg.Go(func() { cast.Outside(ctx, doors(t, env, acted)) })
	env.ExecuteWorkflow(temporal.WorkflowName, started(t, p, c))
	stop()
	wg.Wait()
	require.True(t, env.IsWorkflowCompleted())
	o := enginetest.Outcome{Run: "r", Err: temporal.Failure(env.GetWorkflowError())}
	if o.Err == nil {
		require.NoError(t, env.GetWorkflowResult(&o.Result))
	}
	v, err := env.QueryWorkflow(temporal.FactsQuery)
	require.NoError(t, err)
	var blob []byte
	require.NoError(t, v.Get(&blob))
	o.Facts, err = temporal.ReadFacts(blob)
	require.NoError(t, err)
	return o
}

// waits says whether those outside may have something to do now.
func waits(c *enginetest.Case, e *runtime.Event) bool {
	switch e.Kind { //nolint:exhaustive // the others pass no time
	case runtime.ApprovalAsked, runtime.SignalAwaited, runtime.Slept:
		return true
	case runtime.BranchFailed:
		return len(c.Script.Signals) > 0
	}
	return false
}

// await lets those outside act before the environment passes the time of a wait, which it does at once.
func await(acted <-chan struct{}) {
	select {
	case <-acted:
	case <-time.After(60 * time.Millisecond):
	}
}

func doors(t *testing.T, env *testsuite.TestWorkflowEnvironment, acted chan<- struct{}) enginetest.Doors {
	t.Helper()
	return enginetest.Doors{
		Signal: func(name string, value runtime.Payload) {
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow(temporal.SignalName, temporal.Signal{Name: name, Value: value})
			}, 0)
			acted <- struct{}{}
		},
		Decide: func(child, at string, value runtime.Payload) {
			run := "r"
			if child != "" {
				run += "/" + child
			}
			env.RegisterDelayedCallback(func() {
				env.UpdateWorkflow(temporal.DecideUpdate, "", &testsuite.TestUpdateCallback{
					OnReject:   func(err error) { t.Errorf("the decision at %s was rejected: %v", at, err) },
					OnAccept:   func() {},
					OnComplete: func(any, error) {},
				}, temporal.Decide{Run: run, Address: at, Value: value})
			}, 0)
			acted <- struct{}{}
		},
		Cancel: func() {
			env.CancelWorkflow()
			acted <- struct{}{}
		},
	}
}

func TestExamplesInTheTestEnvironment(t *testing.T) {
	t.Parallel()
	enginetest.RunExamples(t, inEnvironment)
}

func TestInTheTestEnvironment(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, inEnvironment)
}
