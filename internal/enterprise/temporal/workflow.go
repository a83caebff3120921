package temporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/runtime"
)

// Bounds of one history. Past the first ones a run continues as new once nothing is under way, past the last ones it waits for that.
const (
	maxEvents   = 8000
	maxHistory  = 10 << 20 // bytes
	lastEvents  = 4 * maxEvents
	lastHistory = 3 * maxHistory
	patience    = 10 * time.Second // with calls that are under way
)

// width is how many branches of a fork run at a time at most.
const width = 200

// Timeouts. A worker that was killed is noticed after heartbeatTimeout, and its calls are made again.
const (
	heartbeatTimeout = 3 * time.Second
	beat             = time.Second
	longest          = 14 * 24 * time.Hour // of one call, whose own timeout bounds it; past 24 days the timers of Node.js overflow
)

// lostWorkers repeats what a lost worker did, and what the host of a worker could not do. What an agent answers is never repeated by it. The first
// pause adds to heartbeatTimeout, and the worker's sticky queue may take two more seconds: together a killed worker costs less than six.
var lostWorkers = &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second}

// workflows are the workflows of a worker.
type workflows struct {
	patterns *Patterns
	blobs    Blobs
	emit     func(runtime.Event) // may be nil
}

// run is one run in one workflow.
type run struct {
	book      *book
	agents    *directory
	pending   int // activities under way
	signals   []Signal
	listeners []*listener // by address
	asked     []Waiting
	decided   []Decide
	events    int  // of its history, past which it continues as new
	size      int  // of its history in bytes, likewise
	left      bool // nothing new may begin, because it is about to continue
}

// Run is the workflow.
func (w *workflows) Run(ctx workflow.Context, s Start) (runtime.Payload, error) {
	if s.ABI != runtime.ABI {
		panic(fmt.Sprintf("the run began under language %s and this worker speaks %s: keep a worker of that version until it has ended", s.ABI, runtime.ABI))
	}
	loaded, err := w.patterns.Get(s.Pattern.Digest)
	if err != nil {
		panic(fmt.Errorf("the pattern of the run: %w", err)) // whoever mends the blobs lets the run go on
	}
	own, _ := workflow.NewDisconnectedContext(ctx)
	r := &run{book: newBook(), signals: s.Signals, asked: s.Asked, decided: s.Decided, events: cmp.Or(s.Events, maxEvents), size: maxHistory}
	for _, digest := range s.Facts {
		if err := w.recall(r.book, digest); err != nil {
			panic(fmt.Errorf("the record of the run: %w", err))
		}
	}
	if err := r.listen(own); err != nil {
		return nil, err
	}
	if err := r.muster(own, s.Agents); err != nil {
		return nil, err
	}
	info := workflow.GetInfo(ctx)
	rules := &engine.Engine{
		Agents: r.agents, Budget: s.Budget, Now: func() time.Time { return workflow.Now(own) }, Open: loaded.Open, Width: width, Keep: r.book,
	}
	if w.emit != nil {
		rules.Emit = func(e runtime.Event) {
			if !workflow.IsReplaying(own) {
				w.emit(e)
			}
		}
	}
	job := engine.Run{ID: info.WorkflowExecution.ID, Program: loaded.Program, Inputs: s.Inputs, Config: runtime.Config{Limits: s.Limits, Seed: s.Seed}}
	return r.through(ctx, own, &s, rules, job)
}

func (w *workflows) recall(b *book, digest string) error {
	blob, err := w.blobs.Get(digest)
	if err != nil {
		return err
	}
	return b.read(blob)
}

// through runs the pattern to its end, or to where the run continues as new.
func (r *run) through(ctx, own workflow.Context, s *Start, rules *engine.Engine, job engine.Run) (runtime.Payload, error) {
	life, cancel := context.WithCancelCause(context.Background()) //nolint:forbidigo // the context of the run begins here
	defer cancel(nil)
	var result runtime.Payload
	var failed error
	ended := false
	workflow.Go(own, func(own workflow.Context) {
		result, failed = rules.Run(life, &place{r, own}, job)
		ended = true
	})
	for {
		_ = workflow.Await(own, func() bool { return ended || r.left && r.pending == 0 || ctx.Err() != nil }) // own is never cancelled
		if ctx.Err() != nil && !ended {
			cancel(runtime.ErrCancelled())
			_ = workflow.Await(own, func() bool { return ended })
		}
		if ended {
			return result, r.end(ctx, s, failed)
		}
		if next := r.continues(ctx, own, s); ctx.Err() == nil { // else it was cancelled meanwhile
			return nil, next
		}
	}
}

// continues makes the error that begins the run's next history.
func (r *run) continues(ctx, own workflow.Context, s *Start) error {
	next := *s
	options := workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: lostWorkers}
	var digest string
	keep := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(own, options), keepName, encode(r.book.fresh))
	if err := keep.Get(own, &digest); err != nil {
		panic(fmt.Errorf("keep the record of the run: %w", err))
	}
	r.receive(own)
	next.Facts = append(slices.Clone(s.Facts), digest)
	next.Agents, next.Signals, next.Asked, next.Decided = r.agents.list, r.signals, r.asked, r.decided
	return workflow.NewContinueAsNewError(ctx, workflowName, next)
}

// end says to Temporal how the run ended. A host's error blocks the run until somebody mends the host.
func (r *run) end(ctx workflow.Context, s *Start, failed error) error {
	outcome := "done"
	var told error
	switch e, ok := errors.AsType[*runtime.Error](failed); {
	case failed == nil:
	case ok && e.Code == runtime.Cancelled && ctx.Err() != nil:
		outcome, told = "cancelled", temporal.NewCanceledError()
	case ok:
		outcome, told = "failed", toTemporal(e)
	default:
		bad, ok := errors.AsType[*runtime.InputError](failed)
		if !ok {
			panic(failed)
		}
		outcome, told = "failed", toTemporal(&runtime.Error{Code: inputType, Message: bad.Message, Hint: bad.Hint})
	}
	if s.Tagged {
		own, _ := workflow.NewDisconnectedContext(ctx)
		if err := workflow.UpsertTypedSearchAttributes(own, outcomeKey.ValueSet(outcome)); err != nil {
			panic(err)
		}
	}
	return told
}

// muster learns which agents there are. A run that continues has the same as before.
func (r *run) muster(own workflow.Context, known []Agent) error {
	if known == nil {
		options := workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: lostWorkers}
		if err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(own, options), agentsName).Get(own, &known); err != nil {
			return err
		}
	}
	r.agents = newDirectory(known)
	return nil
}
