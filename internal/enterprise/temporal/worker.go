package temporal

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parallax-run/parallax/runtime"
)

// DefaultQueue is the task queue where none is named.
const DefaultQueue = "parallax"

// QueueOf is the task queue of the workers that have the agents of a named queue.
func QueueOf(queue, agents string) string { return queue + "-" + agents }

// WorkerConfig is what a worker serves.
type WorkerConfig struct {
	Queue    string // "" is DefaultQueue
	Only     string // serve only the agents of this queue, and no runs; "" serves runs and all agents without a queue
	Patterns *Patterns
	Agents   Agents
	QueueOf  func(agent string) string                         // of parallax.toml; nil when no agent has one
	Ready    func(ctx context.Context, agents ...string) error // starts agents, so that Info knows what they declare; may be nil

	Emit func(runtime.Event) // receives the events of runs, each once as long as no worker is lost; may be nil

	Deployment string // name and build of a versioned worker: its runs stay with workers of that build; "" when it is not
	Build      string
	Calls      int // calls at a time; zero means 1,000

	Drain time.Duration // how long Stop waits for calls that are under way
	Fatal func(error)   // is told what ends the worker without Stop; may be nil
}

// NewWorker makes a worker. It serves once it is started.
func NewWorker(c client.Client, cfg WorkerConfig) worker.Worker {
	queue := cfg.Queue
	if queue == "" {
		queue = DefaultQueue
	}
	if cfg.Only != "" {
		queue = QueueOf(queue, cfg.Only)
	}
	if cfg.Calls == 0 {
		cfg.Calls = maxPending
	}
	w := worker.New(c, queue, worker.Options{
		DeadlockDetectionTimeout:           10 * time.Second,
		StickyScheduleToStartTimeout:       2 * time.Second,
		MaxHeartbeatThrottleInterval:       beat,
		DefaultHeartbeatThrottleInterval:   beat,
		MaxConcurrentActivityExecutionSize: cfg.Calls,
		DisableWorkflowWorker:              cfg.Only != "",
		WorkerStopTimeout:                  cfg.Drain,
		OnFatalError:                       cfg.Fatal,
		DeploymentOptions:                  deployment(cfg),
	})
	Register(w, cfg)
	return w
}

func deployment(cfg WorkerConfig) worker.DeploymentOptions {
	if cfg.Deployment == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: cfg.Deployment, BuildID: cfg.Build},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}
}

// Register adds what a worker serves to a registry: a worker, or Temporal's test environment.
func Register(r worker.Registry, cfg WorkerConfig) {
	if cfg.Only == "" {
		w := &workflows{patterns: cfg.Patterns, blobs: cfg.Patterns.Blobs, emit: cfg.Emit}
		r.RegisterWorkflowWithOptions(w.Run, workflow.RegisterOptions{Name: workflowName})
	}
	a := &activities{agents: cfg.Agents, queue: cfg.QueueOf, ready: cfg.Ready, blobs: cfg.Patterns.Blobs}
	r.RegisterActivityWithOptions(a.Call, activity.RegisterOptions{Name: callName})
	r.RegisterActivityWithOptions(a.Describe, activity.RegisterOptions{Name: describeName})
	r.RegisterActivityWithOptions(a.Agents, activity.RegisterOptions{Name: agentsName})
	r.RegisterActivityWithOptions(a.Keep, activity.RegisterOptions{Name: keepName})
}
