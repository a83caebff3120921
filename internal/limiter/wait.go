package limiter

import (
	"context"
	"errors"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// patience is how long a call waits before somebody is told.
const patience = time.Second

// waiter is a call that waits.
type waiter struct {
	ctx   context.Context
	agent string
	watch func(runtime.Progress) // may be nil
	now   func() time.Time
	began time.Time
	told  string
}

// sleep waits for d, or until the call is no longer wanted.
func (w *waiter) sleep(d time.Duration, why string) error {
	w.tell(why)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-w.ctx.Done():
		return w.over()
	}
}

// tell says what the call waits for, once it has waited for long.
func (w *waiter) tell(why string) {
	if w.watch == nil || w.told == why || w.left() > 0 {
		return
	}
	w.told = why
	w.watch(runtime.Progress{Note: "waits for " + why})
}

// left is the time until somebody is told that the call waits.
func (w *waiter) left() time.Duration { return patience - w.now().Sub(w.began) }

// over is the error of a call that is no longer wanted.
func (w *waiter) over() error {
	cause := context.Cause(w.ctx)
	if e, ok := errors.AsType[*runtime.Error](cause); ok {
		return e
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return &runtime.Error{
			Code: runtime.Timeout, Agent: w.agent, Retryable: true, Message: "agent \"" + w.agent + "\" was not free to be called in time",
		}
	}
	return runtime.ErrCancelled()
}
