package engine

import (
	"context"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Place is where a branch runs, and its way to the world. What waits returns soon after ctx has ended, with any error.
type Place interface {
	// Enter is asked before anything of an effect begins, or of a further attempt. It lets the branch wait where nothing may begin.
	Enter(ctx context.Context) error

	// Go runs f beside the caller, in a place of its own.
	Go(f func(Place))

	// Cond is for the branch of this place to wait on; others may signal.
	Cond(l sync.Locker) Cond

	// After calls f beside everything else once d has passed, unless stop is called before.
	After(d time.Duration, f func()) (stop func())

	// Sleep waits until d has passed.
	Sleep(ctx context.Context, d time.Duration) error

	// Await waits until done is closed.
	Await(ctx context.Context, done <-chan struct{}) error

	// Yield lets others go on for a moment.
	Yield()

	// Ready makes the Directory know what the agent itself declares, before it is asked.
	Ready(ctx context.Context, agent string) error

	// Call makes one attempt. It bounds the agent's work by c.Timeout, queueing excluded. What the agent did wrong is a *runtime.Error;
	// any other error is the host's.
	Call(ctx context.Context, c runtime.Call) (runtime.Answer, error)

	// Landed waits until no call of the run is under way.
	Landed(ctx context.Context) error

	// Signal waits for a signal: first in, first out per name, and the lowest waiting address takes one.
	Signal(ctx context.Context, at runtime.Address, e runtime.WaitSignal) (runtime.Payload, error)

	// Decide waits for the JSON object {choice, by, comment}.
	Decide(ctx context.Context, run string, at runtime.Address, e runtime.Approval) (runtime.Payload, error)
}

// Cond is a sync.Cond for one who waits; it may wake him for nothing.
type Cond interface {
	Wait()
	Signal()
}
