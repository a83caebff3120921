package temporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parallax-run/parallax/runtime"
)

// Client starts runs and talks to them.
type Client struct {
	Temporal  client.Client
	Namespace string // of Temporal; "" where only runs are started and talked to
	Queue     string // "" is DefaultQueue
	Address   string // where it is connected to, for people
	New       bool   // Run refuses the id of a run that was started before

	convert converter.DataConverter // where Dial made it
}

func (c *Client) queue() string { return cmp.Or(c.Queue, DefaultQueue) }

// taskTimeout is how long a worker may take for one step of a workflow. A worker that is killed in a step costs that long.
const taskTimeout = 5 * time.Second

// Search attributes of runs.
var (
	patternKey = temporal.NewSearchAttributeKeyKeyword("ParallaxPattern")
	versionKey = temporal.NewSearchAttributeKeyKeyword("ParallaxVersion")
	outcomeKey = temporal.NewSearchAttributeKeyKeyword("ParallaxOutcome")
)

// Prepare makes the search attributes of runs known to a namespace.
func (c *Client) Prepare(ctx context.Context, namespace string) error {
	_, err := c.Temporal.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace,
		SearchAttributes: map[string]enumspb.IndexedValueType{
			patternKey.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			versionKey.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			outcomeKey.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		},
	})
	if _, known := errors.AsType[*serviceerror.AlreadyExists](err); known {
		return nil
	}
	return err
}

// Run starts a run, or finds the one of that id that was started before.
func (c *Client) Run(ctx context.Context, id string, s Start) (client.WorkflowRun, error) {
	s.ABI = runtime.ABI
	options := client.StartWorkflowOptions{
		ID: id, TaskQueue: c.queue(), WorkflowTaskTimeout: taskTimeout,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: c.New,
	}
	if s.Tagged {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(patternKey.ValueSet(s.Pattern.Name), versionKey.ValueSet(s.Pattern.Version))
	}
	r, err := c.Temporal.ExecuteWorkflow(ctx, options, workflowName, s)
	if err != nil {
		return nil, fmt.Errorf("start run %s: %w", id, err)
	}
	return r, nil
}

// Wait waits for a run's end, over all its histories. What the pattern did wrong is a *runtime.Error.
func (c *Client) Wait(ctx context.Context, id string) (runtime.Payload, error) {
	var result runtime.Payload
	err := c.Temporal.GetWorkflow(ctx, id, "").Get(ctx, &result)
	return result, Failure(err)
}

// Failure gives what went wrong with a run: a *runtime.Error where that was the pattern's.
func Failure(err error) error {
	if err == nil {
		return nil
	}
	if e, _ := fromTemporal(err); e != nil {
		if e.Code == inputType {
			return &runtime.InputError{Message: e.Message, Hint: e.Hint}
		}
		return e
	}
	if _, ok := errors.AsType[*temporal.CanceledError](err); ok {
		return runtime.ErrCancelled()
	}
	if _, ok := errors.AsType[*temporal.TerminatedError](err); ok {
		e := runtime.ErrCancelled()
		e.Message = "terminated by an operator"
		return e
	}
	return err
}

// Signal sends a signal to a run.
func (c *Client) Signal(ctx context.Context, id string, s Signal) error {
	return c.Temporal.SignalWorkflow(ctx, id, "", signalName, s)
}

// Decide makes a decision. id is of the run, which may be the parent of d.Run. What is wrong with the decision is a *runtime.Error.
func (c *Client) Decide(ctx context.Context, id string, d Decide) error {
	h, err := c.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: decideName, Args: []any{d}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = h.Get(ctx, nil)
	}
	return Failure(err)
}

// Waiting gives the approvals that a run waits for.
func (c *Client) Waiting(ctx context.Context, id string) ([]Waiting, error) {
	var list []Waiting
	v, err := c.Temporal.QueryWorkflow(ctx, id, "", waitingName)
	if err == nil {
		err = v.Get(&list)
	}
	return list, err
}

// Facts gives what is recorded of a run and its child runs, by run.
func (c *Client) Facts(ctx context.Context, id string) (map[string][]runtime.Fact, error) {
	v, err := c.Temporal.QueryWorkflow(ctx, id, "", factsName)
	if err != nil {
		return nil, err
	}
	var blob []byte
	if err := v.Get(&blob); err != nil {
		return nil, err
	}
	return readFacts(blob)
}

// Cancel asks a run to end.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.Temporal.CancelWorkflow(ctx, id, "")
}
