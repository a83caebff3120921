// Package temporal runs patterns on a Temporal cluster. The script runs inside a workflow, each attempt at an agent call is an activity, a fork
// is coroutines. What a run may do and in which order is decided by package engine, as everywhere; this package gives it its places.
package temporal

import (
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Names on the wire. They stand in histories, so they never change.
const (
	workflowName = "parallax.run"
	callName     = "parallax.call"
	describeName = "parallax.describe"
	agentsName   = "parallax.agents"
	keepName     = "parallax.keep"
	signalName   = "parallax.signal"
	decideName   = "parallax.decide"
	factsName    = "parallax.facts"
	waitingName  = "parallax.waiting"
)

// Start is all that a run is a function of, besides what happens to it.
type Start struct {
	Pattern Pattern              `json:"pattern"`
	ABI     string               `json:"abi"` // of the language in which the run began
	Inputs  runtime.Payload      `json:"inputs,omitempty"`
	Seed    uint64               `json:"seed"`
	Limits  runtime.Limits       `json:"limits"`
	Budget  runtime.BudgetLimits `json:"budget"`
	Tagged  bool                 `json:"tagged,omitempty"` // the cluster has our search attributes
	Events  int                  `json:"events,omitempty"` // of one history, past which the run continues as new; zero means 8,000

	// Of a run that continues as new:
	Facts   []string  `json:"facts,omitempty"`   // digests of what is recorded so far, oldest first
	Agents  []Agent   `json:"agents,omitempty"`  // as they were when the run began
	Signals []Signal  `json:"signals,omitempty"` // that nobody has taken
	Asked   []Waiting `json:"asked,omitempty"`   // approvals that it waits for, and will ask for again
	Decided []Decide  `json:"decided,omitempty"` // that nobody has asked for again
}

// Pattern pins what runs.
type Pattern struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest"` // of its sources, as Patterns keeps them
}

// Agent is an agent as a run sees it.
type Agent struct {
	runtime.AgentInfo
	Queue string `json:"queue,omitempty"` // of the workers that have it; "" is that of the run
	Asked bool   `json:"asked,omitempty"` // it said itself what it is

	asking bool // a branch is about to know
	failed int  // how often it could not say
}

// Signal is a signal to a run.
type Signal struct {
	Name  string          `json:"name"`
	Value runtime.Payload `json:"value"`
}

// Decide is a decision of a person: {choice, by, comment}.
type Decide struct {
	Run     string          `json:"run"` // or child run
	Address string          `json:"address"`
	Value   runtime.Payload `json:"value"`
}

// Waiting is an approval that a run waits for.
type Waiting struct {
	Run     string          `json:"run"`
	Address string          `json:"address"`
	Title   string          `json:"title"`
	Options []string        `json:"options"`
	By      string          `json:"by,omitempty"`
	Context runtime.Payload `json:"context,omitempty"`
}

// call is one attempt at an agent call, on its way to a worker.
type call struct {
	Run      string          `json:"run"`
	ID       string          `json:"id"`
	Attempt  int             `json:"attempt"`
	Agent    string          `json:"agent"`
	Task     string          `json:"task,omitempty"`
	Input    runtime.Payload `json:"input,omitempty"`
	Messages runtime.Payload `json:"messages,omitempty"`
	Returns  runtime.Payload `json:"returns,omitempty"`
	Feedback string          `json:"feedback,omitempty"`
	Timeout  time.Duration   `json:"timeout"`
	Once     bool            `json:"once,omitempty"` // the agent must not be asked twice
}

func wireCall(c runtime.Call) call {
	return call{
		Run: c.Run, ID: c.ID, Attempt: c.Attempt, Agent: c.Agent, Task: c.Task, Input: c.Input, Messages: c.Messages,
		Returns: c.Returns, Feedback: c.Feedback, Timeout: c.Timeout,
	}
}

// runtime is the call as an agent's host takes it. lost is how many workers were lost with it.
func (c *call) runtime(lost int) runtime.Call {
	return runtime.Call{
		Run: c.Run, ID: c.ID, Attempt: c.Attempt + lost,
		AgentCall: runtime.AgentCall{
			Agent: c.Agent, Task: c.Task, Input: c.Input, Messages: c.Messages, Returns: c.Returns, Feedback: c.Feedback, Timeout: c.Timeout,
		},
	}
}
