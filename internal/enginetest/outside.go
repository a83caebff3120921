package enginetest

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Doors are the ways into a run from outside. They may be tried a moment before the run is there to take what they bring.
type Doors struct {
	Signal func(name string, value runtime.Payload)
	Decide func(child, at string, value runtime.Payload) // child is "" for the run itself, else the child run's id without that of the run and the slash
	Cancel func()
	Taken  map[TakenSignal]int // signals that earlier lives of the run took: they are not sent again
}

// settling is how long a branch may take from saying that it waits for a signal to being the one that gets it.
const settling = 20 * time.Millisecond

// rest lets time pass.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Outside does what happens to the run from outside, until that is done or ctx ends.
func (c *Cast) Outside(ctx context.Context, d Doors) {
	var wg sync.WaitGroup
	wg.Go(func() {
		taken := maps.Clone(d.Taken)
		for _, s := range c.c.Script.Signals {
			if t := (TakenSignal{s.Name, s.Value.String()}); taken[t] > 0 {
				taken[t]--
				continue
			}
			if c.await(ctx, s.Behind) != nil || len(s.Behind) > 0 && rest(ctx, settling) != nil {
				return
			}
			d.Signal(s.Name, s.Value)
		}
	})
	for _, e := range c.c.Script.Decisions {
		wg.Go(func() {
			at := e.At
			if e.Run != "" {
				at = e.Run + "/" + at
			}
			if c.await(ctx, []string{string(runtime.ApprovalAsked) + " " + at}) == nil {
				d.Decide(e.Run, e.At, e.Value)
			}
		})
	}
	if len(c.c.Script.Cancel) > 0 {
		wg.Go(func() {
			if c.await(ctx, c.c.Script.Cancel) == nil {
				d.Cancel()
			}
		})
	}
	wg.Wait()
}
