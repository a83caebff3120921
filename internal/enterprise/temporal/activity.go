package temporal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/runtime"
)

// Agents answers agent calls on a worker.
type Agents interface {
	// Call makes one attempt. What the agent did wrong is a *runtime.Error; any other error is the worker's.
	Call(ctx context.Context, c runtime.Call) (runtime.Answer, error)

	// Info gives what is known of the agent of that name.
	Info(name string) (runtime.AgentInfo, bool)

	// Lookup gives all agents for "".
	Lookup(capability string) []runtime.AgentInfo
}

// activities are the activities of a worker.
type activities struct {
	agents Agents
	queue  func(agent string) string                         // of the workers that have it; nil means that of the run
	ready  func(ctx context.Context, agents ...string) error // starts agents; may be nil
	blobs  Blobs
}

// Agents gives the agents that there are.
func (a *activities) Agents(context.Context) ([]Agent, error) {
	list := []Agent{}
	for _, info := range a.agents.Lookup("") {
		list = append(list, Agent{AgentInfo: info, Queue: a.queueOf(info.Name)})
	}
	return list, nil
}

func (a *activities) queueOf(agent string) string {
	if a.queue == nil {
		return ""
	}
	return a.queue(agent)
}

// Describe starts an agent and gives what it says of itself.
func (a *activities) Describe(ctx context.Context, agent string) (runtime.AgentInfo, error) {
	defer beating(ctx)()
	if a.ready != nil {
		if err := a.ready(ctx, agent); err != nil {
			return runtime.AgentInfo{}, temporal.NewNonRetryableApplicationError(err.Error(), "start", nil)
		}
	}
	info, ok := a.agents.Info(agent)
	if !ok {
		return runtime.AgentInfo{}, missing(agent)
	}
	return info, nil
}

// Call makes one attempt at an agent call.
func (a *activities) Call(ctx context.Context, c call) (runtime.Payload, error) {
	if _, ok := a.agents.Info(c.Agent); !ok {
		return nil, missing(c.Agent)
	}
	info := activity.GetInfo(ctx)
	if c.Once && info.Attempt > 1 {
		return nil, toTemporal(engine.Lost(c.Agent, c.Attempt)) // nobody knows how far the worker before this one came
	}
	if !info.IsLocalActivity {
		defer beating(ctx)()
	}
	answer, err := a.agents.Call(ctx, c.runtime(int(info.Attempt)-1))
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // the run gave the call up, or the server this worker: then it is made again
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		if answer.Usage != (runtime.Usage{}) {
			return nil, toTemporalPaid(e, &answer.Usage)
		}
		return nil, toTemporal(e)
	}
	if err != nil && c.Once {
		return nil, toTemporal(engine.Lost(c.Agent, c.Attempt))
	}
	if err != nil {
		return nil, err
	}
	return answer.Payload(), nil
}

// missing is the error of a worker that should have an agent, and is repeated until one has it.
func missing(agent string) error {
	return fmt.Errorf("this worker has no agent %q: all workers of a queue need the same [agents] in parallax.toml", agent)
}

// beating tells Temporal that the worker lives, whatever the agent does, until stop is called.
func beating(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(beat) //nolint:forbidigo // an activity is not replayed
		defer t.Stop()
		for {
			select {
			case <-t.C:
				activity.RecordHeartbeat(ctx)
			case <-done:
				return
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// Keep keeps a blob.
func (a *activities) Keep(_ context.Context, text []byte) (string, error) { return a.blobs.Put(text) }
