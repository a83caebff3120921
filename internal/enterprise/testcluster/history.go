//go:build linux

package testcluster

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// Activity is what a history says of one activity. Attempts that nobody made stand in no history, nor does the start of one that goes on.
type Activity struct {
	Type      string
	Input     []byte // its first argument, in JSON
	Scheduled time.Time
	Attempts  int // zero when it was never started
	Closed    time.Time
	Done      bool // it gave a result
}

// Activities gives the activities of a workflow in the order in which they were scheduled, over all its histories.
func (c *Cluster) Activities(ctx context.Context, workflow string) ([]Activity, error) {
	conn, err := client.NewLazyClient(client.Options{
		HostPort: c.Addr(), Namespace: c.namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	d, err := conn.DescribeWorkflowExecution(ctx, workflow, "")
	if err != nil {
		return nil, fmt.Errorf("workflow %s: %w", workflow, err)
	}
	var all []Activity
	for run := d.GetWorkflowExecutionInfo().GetExecution().GetRunId(); run != ""; {
		l := ledger{index: make(map[int64]int)}
		events := conn.GetWorkflowHistory(ctx, workflow, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		run = ""
		for events.HasNext() {
			e, err := events.Next()
			if err != nil {
				return nil, fmt.Errorf("history of workflow %s: %w", workflow, err)
			}
			if began := e.GetWorkflowExecutionStartedEventAttributes(); began != nil {
				run = began.GetContinuedExecutionRunId()
			}
			l.add(e)
		}
		all = append(l.list, all...)
	}
	return all, nil
}

// ledger collects the activities of one history.
type ledger struct {
	list  []Activity
	index map[int64]int // by the event that scheduled it
}

func (l *ledger) add(e *historypb.HistoryEvent) {
	at := e.GetEventTime().AsTime()
	if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
		l.index[e.GetEventId()] = len(l.list)
		s := Activity{Type: a.GetActivityType().GetName(), Scheduled: at}
		if p := a.GetInput().GetPayloads(); len(p) > 0 {
			s.Input = p[0].GetData()
		}
		l.list = append(l.list, s)
		return
	}
	if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
		l.list[l.index[a.GetScheduledEventId()]].Attempts = int(a.GetAttempt())
		return
	}
	if scheduled, ok := closes(e); ok {
		l.list[l.index[scheduled]].Closed = at
		l.list[l.index[scheduled]].Done = e.GetActivityTaskCompletedEventAttributes() != nil
	}
}

// closes gives the event that scheduled the activity that an event is the end of.
func closes(e *historypb.HistoryEvent) (scheduled int64, ok bool) {
	for _, a := range []interface{ GetScheduledEventId() int64 }{
		e.GetActivityTaskCompletedEventAttributes(), e.GetActivityTaskFailedEventAttributes(), e.GetActivityTaskTimedOutEventAttributes(),
		e.GetActivityTaskCanceledEventAttributes(),
	} {
		if id := a.GetScheduledEventId(); id != 0 {
			return id, true
		}
	}
	return 0, false
}
