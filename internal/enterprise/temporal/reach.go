//go:build workflowcheck

package temporal

import (
	"context"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/runtime"
)

// reached tells workflowcheck of what the workflow calls through interfaces and handlers, which it does not see. It is in no program.
func reached(r worker.Registry) { r.RegisterWorkflow(everything) }

func everything(own workflow.Context) error {
	p := &place{&run{book: newBook(), agents: newDirectory(nil)}, own}
	ctx, at := context.Context(nil), runtime.Address{}
	p.Go(func(engine.Place) {})
	c := p.Cond(nil)
	c.Signal()
	c.Wait()
	p.After(0, func() {})()
	p.Yield()
	answer, err := p.Call(ctx, runtime.Call{})
	sent, notSent := p.Signal(ctx, at, runtime.WaitSignal{})
	made, notMade := p.Decide(ctx, "", at, runtime.Approval{})
	all, noFacts := p.facts()
	info, _ := p.agents.Info(string(sent) + string(made) + string(all))
	known := p.agents.Lookup(info.Name)
	return first(
		err, notSent, notMade, noFacts, p.Enter(ctx), p.Sleep(ctx, time.Duration(len(answer.Agent))), p.Ready(ctx, known[0].Name), p.Landed(ctx), p.decide(own, Decide{}),
		p.mayDecide(Decide{}), p.book.Append(""),
	)
}

func first(errs ...error) error { return errs[0] }
