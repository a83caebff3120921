package temporal

import (
	"context"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// State is how a run stands.
type State struct {
	Began  time.Time // of its latest history
	Ended  time.Time // zero while it goes on
	Status string    // running, done, failed, or cancelled
}

// State says how a run stands.
func (c *Client) State(ctx context.Context, id string) (State, error) {
	d, err := c.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return State{}, err
	}
	info := d.GetWorkflowExecutionInfo()
	s := State{Began: info.GetStartTime().AsTime()}
	if end := info.GetCloseTime(); end != nil {
		s.Ended = end.AsTime()
	}
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		s.Status = "done"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		s.Status = "cancelled"
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		s.Status = "failed"
	default:
		s.Status = "running"
	}
	return s, nil
}

// Started gives what a run was started with. Of one that continued as new, that has what it brought along.
func (c *Client) Started(ctx context.Context, id string) (Start, error) {
	events := c.Temporal.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := events.Next()
	if err != nil {
		return Start{}, err
	}
	began := first.GetWorkflowExecutionStartedEventAttributes()
	if began.GetWorkflowType().GetName() != workflowName {
		return Start{}, fmt.Errorf("%s is no run of a pattern but a workflow %q", id, began.GetWorkflowType().GetName())
	}
	var s Start
	return s, c.convert.FromPayloads(began.GetInput(), &s)
}

// Served says whether any worker has asked for runs of the queue in the last minutes.
func (c *Client) Served(ctx context.Context) (bool, error) {
	return c.polled(ctx, c.queue(), enumspb.TASK_QUEUE_TYPE_WORKFLOW)
}

func (c *Client) polled(ctx context.Context, queue string, kind enumspb.TaskQueueType) (bool, error) {
	d, err := c.Temporal.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: c.Namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, TaskQueueType: kind,
	})
	return len(d.GetPollers()) > 0, err
}

// heldUp is how often a step of a run may fail before somebody is told.
const heldUp = 3

// HeldUp says why workers cannot go on with a run, or "" when they can. Of what holds it up it gives what was found first.
func (c *Client) HeldUp(ctx context.Context, id string) (string, error) {
	d, err := c.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return "", err
	}
	if d.GetPendingWorkflowTask().GetAttempt() < heldUp {
		return c.unserved(ctx, d.GetExecutionConfig().GetTaskQueue().GetName(), d.GetPendingActivities())
	}
	last, err := c.Temporal.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: c.Namespace, Execution: d.GetWorkflowExecutionInfo().GetExecution(), MaximumPageSize: 20,
	})
	for _, e := range last.GetHistory().GetEvents() {
		if failed := e.GetWorkflowTaskFailedEventAttributes(); failed != nil {
			return failed.GetFailure().GetMessage(), nil
		}
	}
	return "", err
}

// unserved says which of the queues beside that of a run, in which its calls wait, no worker serves, or "".
func (c *Client) unserved(ctx context.Context, own string, calls []*workflowpb.PendingActivityInfo) (string, error) {
	looked := make(map[string]bool)
	for _, call := range calls {
		queue := call.GetActivityOptions().GetTaskQueue().GetName()
		agents, named := strings.CutPrefix(queue, QueueOf(own, ""))
		if call.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED || !named || looked[queue] {
			continue
		}
		looked[queue] = true
		if served, err := c.polled(ctx, queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY); err != nil || !served {
			return fmt.Sprintf("an agent is to be asked that no worker has: parallaxd worker --queue %s --only %s", own, agents), err
		}
	}
	return "", nil
}

// Tagged says whether the namespace has the search attributes that Prepare makes.
func (c *Client) Tagged(ctx context.Context) bool {
	list, err := c.Temporal.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: c.Namespace})
	if err != nil {
		return false
	}
	for _, name := range []string{patternKey.GetName(), versionKey.GetName(), outcomeKey.GetName()} {
		if list.GetCustomAttributes()[name] != enumspb.INDEXED_VALUE_TYPE_KEYWORD {
			return false
		}
	}
	return true
}

// MakeCurrent lets new runs go to the workers of a build. Runs that began under another build stay there. The server learns of a build when its
// worker asks for work, which may be a moment after it was started.
func (c *Client) MakeCurrent(ctx context.Context, deployment, build string) error {
	h := c.Temporal.WorkerDeploymentClient().GetHandle(deployment)
	_, err := h.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
	if err != nil {
		return fmt.Errorf("make build %s of %s current: %w", build, deployment, err)
	}
	return nil
}
