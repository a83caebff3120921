package command

import (
	"context"
	"time"

	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/runtime"
)

// leaving are the agents of a worker that ends. A call that it cuts off is not reported: to the cluster it is lost with the worker, and is made
// again elsewhere where it may be. A report would be the agent's failure, for the pattern to see.
type leaving struct {
	temporal.Agents
	left chan struct{} // closed when calls are cut off
}

// Call implements temporal.Agents.
func (l *leaving) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	answer, err := l.Agents.Call(ctx, c)
	select {
	case <-l.left:
		if err != nil {
			select {} // until the process ends, which it is about to
		}
	default:
	}
	return answer, err
}

// leave stops a worker, and waits as long for its calls as they may take. It leaves behind what takes longer.
func (s *service) leave(stop func(), agents *leaving) {
	done := make(chan struct{})
	go func() { stop(); close(done) }()
	select {
	case <-done:
	case <-time.After(s.drain):
	}
	close(agents.left)
}
